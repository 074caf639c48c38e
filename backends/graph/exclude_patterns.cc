#include "backends/graph/exclude_patterns.h"

#include <utility>

#include "base/errors.h"
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
  absl::StatusOr<PathPattern> parsed = PathPattern::Parse(CleanPath(pattern));
  if (!parsed.ok()) {
    return Annotate(parsed.status(), "exclude");
  }
  if (!pattern.starts_with('/')) {
    patterns_.Add(*std::move(parsed), keeps);
  }
  return absl::OkStatus();
}

}  // namespace zlayer
