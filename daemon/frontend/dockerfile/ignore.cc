#include "daemon/frontend/dockerfile/ignore.h"

#include <spdlog/fmt/fmt.h>

#include <string>

#include "base/errors.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {
namespace {

constexpr size_t kMaxText = 1 << 20;
constexpr size_t kMaxPatterns = 10'000;
constexpr size_t kMaxPattern = 4096;

// The pattern as it is compiled; empty where the line has none. `keeps` says whether a '!' led it.
absl::StatusOr<std::string> ParseLine(std::string_view line, bool* keeps) {
  if (line.starts_with('#')) {
    return "";
  }
  line = TrimGoSpace(line);
  *keeps = line.starts_with('!');
  if (*keeps) {
    line = TrimGoSpace(line.substr(1));
    if (line.empty()) {
      return InvalidArgument("\"!\" needs a pattern behind it");
    }
  }
  if (line.empty()) {
    return "";
  }
  if (line.size() > kMaxPattern) {
    return InvalidArgument(fmt::format("a pattern is longer than {} bytes", kMaxPattern));
  }
  std::string pattern = GoCleanPath(line);
  if (pattern.size() > 1 && pattern.front() == '/') {
    pattern.erase(0, 1);
  }
  RETURN_IF_ERROR(CheckGlob(pattern));
  return pattern;
}

}  // namespace

absl::StatusOr<IgnoreRules> IgnoreRules::Parse(std::string_view text, std::string_view name) {
  if (text.size() > kMaxText) {
    return InvalidArgument(fmt::format("{} has {} bytes, more than 1 MiB", name, text.size()));
  }
  text = WithoutByteOrderMark(text);
  IgnoreRules rules;
  int number = 0;
  for (const std::string_view line : Split(text, '\n')) {
    ++number;
    bool keeps = false;
    absl::StatusOr<std::string> pattern = ParseLine(line, &keeps);
    if (pattern.ok() && !pattern->empty() && rules.rules_.size() == kMaxPatterns) {
      pattern = InvalidArgument(fmt::format("there are more than {} patterns", kMaxPatterns));
    }
    if (!pattern.ok()) {
      return InvalidArgument(fmt::format("{}:{}: {}", name, number, Message(pattern.status())));
    }
    if (!pattern->empty()) {
      const bool is_all = *pattern == "*" || *pattern == "**" || *pattern == "**/*";
      rules.rules_.push_back({PathPattern(*pattern), keeps, number, is_all});
    }
  }
  return rules;
}

IgnoreRules::Match IgnoreRules::Matches(std::string_view path) const {
  if (path.empty() || path == ".") {
    return {};
  }
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->pattern.MatchesOrParent(path)) {
      return {!rule->keeps, rule->line};
    }
  }
  return {};
}

bool IgnoreRules::MayContainKept(std::string_view directory) const {
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->keeps) {
      if (rule->pattern.MayMatchBelow(directory)) {
        return true;
      }
    } else if (rule->pattern.MatchesOrParent(directory)) {
      return false;  // decides for everything below, whatever stands before it
    }
  }
  return false;
}

int IgnoreRules::LineThatIgnores(std::string_view source) const {
  std::string path = GoCleanPath("/" + std::string(source)).substr(1);
  // What a wildcard takes is not known: something that is kept below what stands before it may be.
  const size_t wildcard = path.find_first_of("*?[\\");
  const size_t slash = path.rfind('/', wildcard);
  const std::string above = wildcard == std::string::npos ? path
                            : slash == std::string::npos  ? ""
                                                          : path.substr(0, slash);
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->keeps) {
      if (above.empty() || rule->pattern.MatchesOrParent(path) ||
          rule->pattern.MayMatchBelow(above)) {
        return 0;
      }
    } else if (path.empty() ? rule->is_all : rule->pattern.MatchesOrParent(path)) {
      return rule->line;
    }
  }
  return 0;
}

}  // namespace zlayer
