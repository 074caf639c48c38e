// Takes queued builds and runs them, N at once; owns every build's life from acknowledgement to its
// one terminal event, over crashes and restarts.
#ifndef ZLAYER_DAEMON_QUEUE_SCHEDULER_H_
#define ZLAYER_DAEMON_QUEUE_SCHEDULER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "backends/api/backend.h"
#include "daemon/events/event_log.h"
#include "daemon/queue/build_queue.h"

namespace zlayer {

// Does the work of one build: from request to committed image. A fake in tests.
class BuildRunner {
 public:
  virtual ~BuildRunner() = default;
  // Returns the outcome. kCancelled once `stop` is requested. Emits everything but BuildQueued and
  // terminal events.
  virtual absl::StatusOr<v1::BuildComplete> Run(const QueuedBuild& build, EventSink& events,
                                                std::stop_token stop) = 0;
};

struct SchedulerOptions {
  uint32_t max_running = 4;
  // How often a build may be interrupted by a daemon that died before it fails.
  uint32_t max_attempts = 3;
  std::chrono::nanoseconds drain_timeout = std::chrono::seconds(30);
};

// Thread-safe.
class Scheduler {
 public:
  virtual ~Scheduler() = default;  // as Drain with no time left

  // Submits: queue row, then BuildQueued in the log; kUnavailable while draining.
  virtual absl::StatusOr<std::string> Submit(const v1::SubmitBuildRequest& request) = 0;
  // Asks the build to stop; see BuildService.CancelBuild.
  virtual absl::StatusOr<v1::BuildStatus> Cancel(const std::string& id) = 0;
  // From now on nothing is accepted or started. Running builds have `drain_timeout` (less once
  // `hurry` is requested) to end, then are stopped and go back to the queue, uncanceled, without
  // counting an attempt against them. Returns when none runs.
  virtual void Drain(std::stop_token hurry) = 0;
};

// Recovers first: builds whose log ends with a terminal event get their state from it, those that
// ran are queued again (BuildQueued with the next attempt) or fail after too many attempts, and
// queued ones whose log lacks its first record get it. Then starts taking builds. All arguments
// must outlive the scheduler.
absl::StatusOr<std::unique_ptr<Scheduler>> StartScheduler(const SchedulerOptions& options,
                                                          BuildQueue* queue, EventLogs* logs,
                                                          BuildRunner* runner);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_SCHEDULER_H_
