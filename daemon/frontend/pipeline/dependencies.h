// Which images of a pipeline need which: what is wrong with that, and what one image needs. Pure
// functions.
#ifndef ZLAYER_DAEMON_FRONTEND_PIPELINE_DEPENDENCIES_H_
#define ZLAYER_DAEMON_FRONTEND_PIPELINE_DEPENDENCIES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// An image, and the names of those that it depends on.
struct PipelineNode {
  std::string name;
  std::vector<std::string> depends_on;
};

struct DependencyError {
  // INVALID_OPTION (a name that cannot be, or is given twice), UNKNOWN_DEPENDENCY or
  // CIRCULAR_DEPENDENCY.
  std::string reason;
  size_t image = 0;  // the image that is at fault, as an index
  std::string message;
  // CIRCULAR_DEPENDENCY: the names along the circle, the first one again at the end.
  std::vector<std::string> items;
};

// Whether the text can name an image of a pipeline: not empty, and without white space, commas and
// control characters.
bool IsPipelineImageName(std::string_view name);

// The first error; nullopt where there is none.
std::optional<DependencyError> FindDependencyError(const std::vector<PipelineNode>& images);

// kInvalidArgument with the error's reason, items, and the image's name as subject.
absl::Status ToStatus(const DependencyError& error, const std::vector<PipelineNode>& images);

// By index: the images of these names with all that they need. `images` has no error. Where a name
// is not known, kInvalidArgument with a suggestion.
absl::StatusOr<std::vector<bool>> SelectWithDependencies(const std::vector<PipelineNode>& images,
                                                         const std::vector<std::string>& names);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_PIPELINE_DEPENDENCIES_H_
