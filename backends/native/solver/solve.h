// Runs one graph: what is ready runs, at the same time where the plan allows, until the target is
// made or something fails.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_SOLVE_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_SOLVE_H_

#include <absl/status/statusor.h>

#include <functional>
#include <stop_token>

#include "backends/api/backend.h"
#include "backends/native/solver/explainer.h"
#include "backends/native/solver/operations.h"
#include "backends/native/solver/step_cache.h"
#include "base/thread_pool.h"

namespace zlayer {

struct SolveOptions {
  Operations* operations = nullptr;  // of this build
  StepCache* cache = nullptr;        // of all builds
  ThreadPool* pool = nullptr;        // the cache's
  ExplainerOptions explain;
  // Called with what Explainer::Serialize says, at the end, however that comes.
  std::function<void(const std::string& steps)> explained;
  // Called with each layer that the image will keep, as soon as it is there; must not block.
  std::function<void(const LayerRef&)> kept_layer;
};

// As Backend::Build, for a graph that the native backend supports (see CheckSupported).
absl::StatusOr<NewImage> Solve(const SolveOptions& options, const BuildJob& job, EventSink& events,
                               std::stop_token stop);

// kUnimplemented names what of the graph the native backend does not carry out.
absl::Status CheckSupported(const v1::Graph& graph, const v1::Platform& host);

// kPermissionDenied where a stage that is needed has a RUN with an entitlement that the job does
// not grant, or that the daemon (`allow_insecure`) does not allow: the message names it.
absl::Status CheckEntitlements(const BuildJob& job, bool allow_insecure);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_SOLVE_H_
