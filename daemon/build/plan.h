// From a request to its graph.
#ifndef ZLAYER_DAEMON_BUILD_PLAN_H_
#define ZLAYER_DAEMON_BUILD_PLAN_H_

#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "daemon/build/target_platform.h"
#include "daemon/frontend/dockerfile/ignore.h"
#include "daemon/frontend/image_resolver.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/events.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// A build file and what its context leaves out.
struct FileToBuild {
  v1::InlineFile dockerfile;
  std::optional<IgnoreFile> ignore;
  // What the file says of its image's system, as TargetHints has it.
  std::string os;
  std::string platform;
  // What the program that the image runs is for, where somebody looked and nothing else says it.
  v1::Platform program;

  // As messages have it.
  std::string name() const { return dockerfile.name().empty() ? "Dockerfile" : dockerfile.name(); }
};

struct PlannedBuild {
  v1::Graph graph;  // valid, every image with its digest
  std::vector<v1::Warning> warnings;
  // Why it must not be built although it can be: the file treats warnings as errors.
  absl::Status violation;
  FileToBuild file;  // what the graph is made of; empty where the request brought it
};

// All that says what the file's image is for.
TargetHints HintsOf(const v1::BuildSpec& spec, const FileToBuild& file);

// The graph of a Dockerfile with the build arguments, target, platform and labels of `spec`. Errors
// as ConvertDockerfile, with the lines that they are about.
absl::StatusOr<PlannedBuild> PlanDockerfile(const v1::BuildSpec& spec, FileToBuild file,
                                            ImageResolver& resolver, std::stop_token stop);

// What an examination of the Dockerfile says; errors in it are in the answer.
absl::StatusOr<v1::CheckBuildResponse> CheckDockerfile(const v1::BuildSpec& spec, FileToBuild file,
                                                       ImageResolver& resolver,
                                                       std::stop_token stop);

// What a failed build of the plan says more: the lines of the build file, and, where a COPY did not
// find a file that the ignore file leaves out, the line that does.
absl::Status ExplainFailure(absl::Status status, const v1::Graph& graph, const FileToBuild& file);

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
