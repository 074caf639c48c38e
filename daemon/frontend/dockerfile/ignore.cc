#include "daemon/frontend/dockerfile/ignore.h"

#include <spdlog/fmt/fmt.h>

#include <string>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {
namespace {

constexpr size_t kMaxText = 1 << 20;
constexpr size_t kMaxPatterns = 10'000;
constexpr size_t kMaxPattern = 4096;

// The pattern as it is to be compiled; empty where the line has none. `keeps` says whether a '!'
// led it.
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
    if (absl::Status status = rules.AddLine(line, number); !status.ok()) {
      return InvalidArgument(fmt::format("{}:{}: {}", name, number, Message(status)));
    }
  }
  return rules;
}

absl::Status IgnoreRules::AddLine(std::string_view line, int number) {
  bool keeps = false;
  ASSIGN_OR_RETURN(const std::string text, ParseLine(line, &keeps));
  if (text.empty()) {
    return absl::OkStatus();
  }
  if (lines_.size() == kMaxPatterns) {
    return InvalidArgument(fmt::format("there are more than {} patterns", kMaxPatterns));
  }
  ASSIGN_OR_RETURN(PathPattern pattern, PathPattern::Parse(text));
  if (!keeps && (text == "*" || text == "**" || text == "**/*")) {
    ignores_all_ = patterns_.size();
  }
  patterns_.Add(std::move(pattern), keeps);
  lines_.push_back(number);
  return absl::OkStatus();
}

IgnoreRules::Match IgnoreRules::Matches(std::string_view path) const {
  if (path.empty() || path == ".") {
    return {};
  }
  const std::optional<size_t> rule = patterns_.Decide(path);
  return rule.has_value() ? Match{!patterns_.keeps(*rule), lines_[*rule]} : Match{};
}

bool IgnoreRules::MayContainKept(std::string_view directory) const {
  const std::optional<size_t> rule = patterns_.Decide(directory);
  return rule.has_value() && patterns_.MayKeepBelow(directory, *rule);
}

int IgnoreRules::LineThatIgnores(std::string_view source) const {
  const std::string path = GoCleanPath("/" + std::string(source)).substr(1);
  // What a wildcard takes is not known: something that is kept below what stands before it may be.
  const size_t wildcard = path.find_first_of("*?[\\");
  const size_t slash = path.rfind('/', wildcard);
  const std::string above = wildcard == std::string::npos ? path
                            : slash == std::string::npos  ? ""
                                                          : path.substr(0, slash);
  const std::optional<size_t> rule = path.empty() ? ignores_all_ : patterns_.Decide(path);
  if (!rule.has_value() || patterns_.keeps(*rule) || patterns_.MayKeepBelow(above, *rule)) {
    return 0;
  }
  return lines_[*rule];
}

}  // namespace zlayer
