// From a request to its graph.
#ifndef ZLAYER_DAEMON_BUILD_PLAN_H_
#define ZLAYER_DAEMON_BUILD_PLAN_H_

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "daemon/build/file_to_build.h"
#include "daemon/build/graph_planner.h"
#include "daemon/frontend/image_resolver.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/events.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

struct PlannedBuild {
  v1::Graph graph;  // valid, every image with its digest
  std::vector<v1::Warning> warnings;
  // Why it must not be built although it can be: the file treats warnings as errors.
  absl::Status violation;
  std::map<std::string, std::string> annotations;  // of the manifest: the request's, and the file's
  // What the graph is made of, the request's file first; empty where the request brought it.
  std::vector<FileToBuild> files;
};

// How a build file is planned.
struct FilePlan {
  const v1::BuildSpec& spec;
  ImageResolver& resolver;
  NestedFileReader read;  // of files that are nested in it
  std::stop_token stop;
};

// The graph of a build file with the build arguments, target, platform and labels of the spec.
// Errors as GraphPlanner's.
absl::StatusOr<PlannedBuild> PlanFile(const FilePlan& how, FileToBuild file);

// What an examination of the build file says; errors in it are in the answer.
absl::StatusOr<v1::CheckBuildResponse> CheckFile(const FilePlan& how, FileToBuild file);

// What a failed build of the plan says more: the lines of the build file, and, where a COPY did not
// find a file that the ignore file leaves out, the line that does.
absl::Status ExplainFailure(absl::Status status, const v1::Graph& graph,
                            const std::vector<FileToBuild>& files);

// The graph that `spec` brings: images are resolved where it leaves their digests open, stages
// without a platform are for the request's, and the labels of `spec` are added to the target.
absl::StatusOr<PlannedBuild> PlanGraph(const v1::BuildSpec& spec, ImageResolver& resolver,
                                       std::stop_token stop);

// The graph of `spec` as far as it can be known without its context; null where the build file, or
// one nested in it, lies in the context, or only that tells the template.
absl::StatusOr<std::shared_ptr<const v1::Graph>> PlanWithoutContext(const v1::BuildSpec& spec,
                                                                    ImageResolver& resolver,
                                                                    std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_PLAN_H_
