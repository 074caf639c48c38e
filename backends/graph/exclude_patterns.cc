#include "backends/graph/exclude_patterns.h"

#include <fmt/format.h>

#include "base/errors.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/index.h"

namespace zlayer {

absl::Status ExcludePatterns::Add(std::string_view pattern) {
  pattern = Trim(pattern);
  const bool keeps = pattern.starts_with('!');
  if (keeps) {
    pattern.remove_prefix(1);
    if (pattern.empty()) {
      return InvalidArgument("the exclude pattern \"!\" needs a pattern behind the \"!\"");
    }
  }
  if (pattern.empty()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Annotate(CheckGlob(pattern), "exclude"));
  if (!pattern.starts_with('/')) {
    rules_.push_back({.pattern = PathPattern(CleanPath(pattern)), .keeps = keeps});
  }
  return absl::OkStatus();
}

bool ExcludePatterns::Matches(std::string_view path) const {
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->pattern.MatchesOrParent(path)) {
      return !rule->keeps;
    }
  }
  return false;
}

}  // namespace zlayer
