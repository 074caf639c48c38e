// The build file of a request and its ignore file, wherever they are.
#ifndef ZLAYER_DAEMON_BUILD_BUILD_FILE_H_
#define ZLAYER_DAEMON_BUILD_BUILD_FILE_H_

#include <absl/status/statusor.h>

#include <stop_token>
#include <string>

#include "daemon/build/plan.h"
#include "registry/store.h"
#include "registry/transfer/puller.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// The build context (the one without a name) of a request.
struct MainContext {
  LayerRef layer;         // null where the request has none
  bool from_tar = false;  // who sends an archive has not applied an ignore file
};

// The one in the store that the request names. kNotFound where it is gone.
absl::StatusOr<MainContext> OpenMainContext(Store& store, const std::string& name_space,
                                            const v1::BuildSpec& spec);

// The request's build file: what it brings along, the template that it names or that fits its
// context (errors as ChooseTemplate), or the file of its context, which is looked for where the
// request does not name one (kInvalidArgument where there is no context, or the choice is not
// clear; else as ReadContextFile). With what of the context does not count for the build: the
// ignore file that the request brings, whose client has applied it unless it sent an archive, else
// that of an archive (kInvalidArgument: a syntax error in it), else for an archive that of the
// template which the request or its ZImagefile names; none where there is none, or its client kept
// it.
absl::StatusOr<FileToBuild> ReadFileToBuild(Store& store, const MainContext& context,
                                            const v1::BuildSpec& spec);

// Where contexts and base images come from.
struct PlanSources {
  Store* store = nullptr;
  Puller* puller = nullptr;
};

// The graph that a submission of this request would run; stores nothing but base images' manifests
// and configurations. Errors as PlanFile and PlanGraph, and those of the files above.
absl::StatusOr<PlannedBuild> PlanRequest(const PlanSources& sources, const std::string& name_space,
                                         const v1::BuildSpec& spec, std::stop_token stop);

// What the checks of the request's build file find, and what the file offers, without running
// anything. An error in the build file is in the answer.
absl::StatusOr<v1::CheckBuildResponse> CheckRequest(const PlanSources& sources,
                                                    const std::string& name_space,
                                                    const v1::BuildSpec& spec,
                                                    std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_BUILD_FILE_H_
