#include "daemon/service/pipeline_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "daemon/frontend/pipeline/dependencies.h"
#include "daemon/pipeline/stored_pipeline.h"
#include "daemon/service/request_check.h"

namespace zlayer {
namespace {

absl::Status CheckSpecs(const v1::SubmitPipelineRequest& request) {
  v1::SubmitBuildRequest build;
  build.set_namespace_(request.namespace_());
  build.set_priority(request.priority());
  for (const v1::PipelineImage& image : request.spec().images()) {
    *build.mutable_spec() = image.spec();
    RETURN_IF_ERROR(Annotate(CheckSubmission(build), fmt::format("image \"{}\"", image.name())));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckPipeline(const v1::SubmitPipelineRequest& request) {
  const v1::PipelineSpec& spec = request.spec();
  if (spec.images().empty()) {
    return InvalidOption("images", "a pipeline has images");
  }
  std::vector<PipelineNode> nodes;
  for (const v1::PipelineImage& image : spec.images()) {
    nodes.push_back({image.name(), {image.depends_on().begin(), image.depends_on().end()}});
  }
  if (const std::optional<DependencyError> error = FindDependencyError(nodes)) {
    return ToStatus(*error, nodes);
  }
  if (spec.push() &&
      std::all_of(spec.images().begin(), spec.images().end(), [](const v1::PipelineImage& image) {
        return PushedTags(image.spec()).empty();
      })) {
    return InvalidOption("push",
                         "no tag of any image names a registry to send it to, as in "
                         "registry.example/app or docker.io/me/app");
  }
  return CheckSpecs(request);
}

}  // namespace zlayer
