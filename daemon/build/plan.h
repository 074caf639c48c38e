// From a request to its graph.
#ifndef ZLAYER_DAEMON_BUILD_PLAN_H_
#define ZLAYER_DAEMON_BUILD_PLAN_H_

#include <absl/status/statusor.h>

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "daemon/frontend/image_resolver.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/events.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

struct PlannedBuild {
  v1::Graph graph;  // valid, every image with its digest
  std::vector<v1::Warning> warnings;
};

// The graph of a Dockerfile with the build arguments, target, platform and labels of `spec`. Errors
// as ConvertDockerfile.
absl::StatusOr<PlannedBuild> PlanDockerfile(const v1::BuildSpec& spec, const v1::InlineFile& file,
                                            ImageResolver& resolver, std::stop_token stop);

// The graph that `spec` brings: images are resolved where it leaves their digests open, stages
// without a platform are for this machine's, and the labels of `spec` are added to the target.
absl::StatusOr<PlannedBuild> PlanGraph(const v1::BuildSpec& spec, ImageResolver& resolver,
                                       std::stop_token stop);

// The graph of `spec` as far as it can be known without its context; null where the build file lies
// in the context.
absl::StatusOr<std::shared_ptr<const v1::Graph>> PlanWithoutContext(const v1::BuildSpec& spec,
                                                                    ImageResolver& resolver,
                                                                    std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_PLAN_H_
