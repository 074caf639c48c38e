#include "daemon/frontend/pipeline/variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/suggest.h"

namespace zlayer {
namespace {

constexpr std::string_view kDefault = ":-";

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// What `${inner}` stands for.
absl::StatusOr<std::string_view> ValueOf(std::string_view inner,
                                         const PipelineVariables& variables) {
  const size_t separator = inner.find(kDefault);
  const std::string_view name = inner.substr(0, separator);
  if (!IsVariableName(name)) {
    return InvalidArgument(
        fmt::format("\"${{{}}}\" is neither ${{NAME}} nor ${{NAME:-default}}; write $${{ for a ${{ "
                    "that stays",
                    ToUtf8(inner)));
  }
  const auto variable = variables.find(name);
  if (separator != std::string_view::npos) {
    return variable == variables.end() || variable->second.empty()
               ? inner.substr(separator + kDefault.size())
               : std::string_view(variable->second);
  }
  if (variable == variables.end()) {
    std::vector<std::string> known;
    for (const auto& [known_name, value] : variables) {
      known.push_back(known_name);
    }
    const std::string suggestion = Suggestion(name, known);
    return InvalidArgument(fmt::format(
        "the variable {} is not set{}", name,
        suggestion.empty() ? ": declare it under vars, or write ${NAME:-default}" : suggestion));
  }
  return std::string_view(variable->second);
}

}  // namespace

bool IsVariableName(std::string_view name) {
  return !name.empty() && IsLetter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return IsLetter(c) || (c >= '0' && c <= '9'); });
}

absl::StatusOr<std::string> ExpandVariables(std::string_view text,
                                            const PipelineVariables& variables, size_t max_bytes) {
  std::string expanded;
  while (!text.empty() && expanded.size() <= max_bytes) {
    const size_t dollar = std::min(text.find('$'), text.size());
    expanded += text.substr(0, dollar);
    text.remove_prefix(dollar);
    if (text.starts_with("$${")) {
      expanded += "${";
      text.remove_prefix(3);
    } else if (text.starts_with("${")) {
      const size_t end = text.find('}');
      if (end == std::string_view::npos) {
        return InvalidArgument("a ${ has no }; write $${ for a ${ that stays");
      }
      ASSIGN_OR_RETURN(const std::string_view value, ValueOf(text.substr(2, end - 2), variables));
      expanded += value;
      text.remove_prefix(end + 1);
    } else if (!text.empty()) {
      expanded += text.front();
      text.remove_prefix(1);
    }
  }
  if (expanded.size() > max_bytes) {
    return InvalidArgument("the text is too long once its variables are put in");
  }
  return expanded;
}

}  // namespace zlayer
