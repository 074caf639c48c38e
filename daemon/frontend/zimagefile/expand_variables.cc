#include "daemon/frontend/zimagefile/expand_variables.h"

#include <spdlog/fmt/fmt.h>

#include <cstddef>
#include <optional>

#include "base/errors.h"

namespace zlayer {
namespace {

constexpr size_t kMaxLength = size_t{1} << 20;
constexpr size_t kMaxDepth = 32;

// `${NAME}` or `${NAME:-default}` at the start of a text.
struct Reference {
  std::string name;
  std::string_view fallback;
  size_t length = 0;
};

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

// Where the brace that is open at the start of `text` is closed; one that a nested `${` opens is
// another one. Within one line, and within 32 of them, so that looking takes linear time.
size_t FindClosingBrace(std::string_view text) {
  size_t open = 1;
  for (size_t i = 0; i < text.size() && text[i] != '\n'; ++i) {
    if (text[i] == '$' && text.substr(i).starts_with("${")) {
      if (++open > kMaxDepth) {
        break;
      }
    } else if (text[i] == '}' && --open == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

std::optional<Reference> ParseReference(std::string_view text) {
  Reference reference;
  size_t at = 2;
  while (at < text.size() && IsNameCharacter(text[at])) {
    ++at;
  }
  reference.name = text.substr(2, at - 2);
  const std::string_view rest = text.substr(at);
  if (rest.starts_with('}')) {
    reference.length = at + 1;
    return reference;
  }
  if (!rest.starts_with(":-")) {
    return std::nullopt;
  }
  const size_t end = FindClosingBrace(rest.substr(2));
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  reference.fallback = rest.substr(2, end);
  reference.length = at + 2 + end + 1;
  return reference;
}

// Whether what stands behind `text` is one that "$" takes the meaning from: "$$" is a dollar.
bool EndsWithEscape(std::string_view text) {
  size_t dollars = 0;
  while (dollars < text.size() && text[text.size() - 1 - dollars] == '$') {
    ++dollars;
  }
  return dollars % 2 == 1;
}

}  // namespace

absl::StatusOr<std::string> ExpandVariables(std::string_view text,
                                            const std::map<std::string, std::string>& variables,
                                            std::string_view name) {
  std::string result;
  while (!text.empty() && result.size() <= kMaxLength) {
    const size_t plain = text.find("${");
    const std::string_view before = text.substr(0, plain);
    result += before;
    if (plain == std::string_view::npos) {
      break;
    }
    text.remove_prefix(plain);
    const std::optional<Reference> reference = ParseReference(text);
    const auto variable = reference ? variables.find(reference->name) : variables.end();
    if (EndsWithEscape(before) || variable == variables.end()) {
      result += "${";
      text.remove_prefix(2);
      continue;
    }
    result += variable->second.empty() ? reference->fallback : variable->second;
    text.remove_prefix(reference->length);
  }
  if (result.size() > kMaxLength) {
    return InvalidArgument(
        fmt::format("{}: with the variables that were given it is longer than 1 MiB", name));
  }
  return result;
}

}  // namespace zlayer
