// Does the work of one build: plans it, has the backend run it, commits the image.
#ifndef ZLAYER_DAEMON_BUILD_BUILD_RUNNER_H_
#define ZLAYER_DAEMON_BUILD_BUILD_RUNNER_H_

#include <memory>
#include <string>

#include "backends/api/backend.h"
#include "backends/native/net/remote_sources.h"
#include "base/clock.h"
#include "daemon/build/context_sweep.h"
#include "daemon/queue/build_queue.h"
#include "daemon/queue/scheduler.h"
#include "daemon/trace/build_traces.h"
#include "registry/store.h"
#include "registry/transfer/puller.h"
#include "registry/transfer/pusher.h"

namespace zlayer {

// All outlive the runner.
struct BuildRunnerOptions {
  Store* store = nullptr;
  Backend* backend = nullptr;
  BuildQueue* queue = nullptr;
  RemoteSources* remote = nullptr;  // fetches contexts
  BuildTraces* traces = nullptr;    // gets what took the time
  Puller* puller = nullptr;         // brings base images
  Pusher* pusher = nullptr;
  const Clock* clock = nullptr;
  // What a build asks of its backend where it says nothing itself (ZLAYER_BACKEND).
  std::string default_backend;
  ContextSweep::OtherUses other_contexts = nullptr;  // of which none is given up
};

// A build that is run again after it was interrupted finds what it did in the cache. Each run
// begins with giving up the uploaded contexts of builds that have ended.
std::unique_ptr<BuildRunner> MakeBuildRunner(const BuildRunnerOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_BUILD_RUNNER_H_
