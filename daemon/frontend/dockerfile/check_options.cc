#include "daemon/frontend/dockerfile/check_options.h"

#include <spdlog/fmt/fmt.h>

#include <optional>

#include "base/errors.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {
namespace {

void ParseNames(std::string_view text, bool* all, std::set<std::string, std::less<>>* names) {
  names->clear();
  *all = text == "all";
  if (!*all) {
    for (const std::string_view name : Split(text, ',')) {
      names->emplace(TrimGoSpace(name));
    }
  }
}

}  // namespace

bool CheckOptions::Checks(const RuleText& rule) const {
  return rule.experimental ? experimental_all || experimental.contains(rule.name)
                           : !skip_all && !skip.contains(rule.name);
}

absl::StatusOr<CheckOptions> ParseCheckOptions(std::string_view text) {
  CheckOptions options;
  text = TrimGoSpace(text);
  if (text.empty()) {
    return options;
  }
  for (const std::string_view part : Split(text, ';')) {
    const size_t equals = part.find('=');
    const std::string_view key = TrimGoSpace(part.substr(0, equals));
    const std::string_view value =
        equals == std::string_view::npos ? "" : TrimGoSpace(part.substr(equals + 1));
    if (equals == std::string_view::npos ||
        (key != "skip" && key != "experimental" && key != "error")) {
      return InvalidArgument(
          fmt::format("{} is not an option of \"check\": they are skip=RULES, experimental=RULES "
                      "and error=true{}",
                      GoQuote(part), Suggestion(key, {"skip", "experimental", "error"})));
    }
    if (key == "skip") {
      ParseNames(value, &options.skip_all, &options.skip);
    } else if (key == "experimental") {
      ParseNames(value, &options.experimental_all, &options.experimental);
    } else if (const std::optional<bool> error = ParseGoBool(value)) {
      options.error = *error;
    } else {
      return InvalidArgument(fmt::format(
          "the option \"error\" of \"check\" is true or false, not {}", GoQuote(value)));
    }
  }
  return options;
}

}  // namespace zlayer
