// Gives up uploaded contexts that no build needs any more.
#ifndef ZLAYER_DAEMON_BUILD_CONTEXT_SWEEP_H_
#define ZLAYER_DAEMON_BUILD_CONTEXT_SWEEP_H_

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "daemon/queue/build_queue.h"
#include "registry/context_store.h"

namespace zlayer {

// A context is kept from the acknowledgement of a build that names it. Builds end in many ways (in
// a run, canceled while they wait, at a restart), so instead of each of those, a sweep compares
// what is kept with what builds in the queue name. Thread-safe.
class ContextSweep {
 public:
  // Ids of contexts that others than builds in the queue need.
  using OtherUses = std::function<absl::StatusOr<std::set<std::string>>()>;

  // Both outlive the object. `others` may be empty.
  ContextSweep(BuildQueue* queue, ContextStore* contexts, OtherUses others = nullptr)
      : queue_(queue), contexts_(contexts), others_(std::move(others)) {}

  // Removes the contexts that are kept, that no build names which has not ended, and that are not
  // held. What fails is tried again by the next sweep. Does nothing where that would be most of the
  // work: with thousands of contexts a sweep takes as long as a small build.
  void Run();

  // The context `id` was kept for a run, without a build naming it.
  void Hold(const std::string& id);
  // The run ended: removes the context.
  void Drop(const std::string& id);

 private:
  void Sweep();
  bool IsHeld(const std::string& id);

  BuildQueue* const queue_;
  ContextStore* const contexts_;
  const OtherUses others_;

  std::atomic<int64_t> next_ns_{0};  // not before this time

  Mutex mutex_;
  std::set<std::string> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_CONTEXT_SWEEP_H_
