// Takes queued builds in their order (fair_order.h) and runs them, N at once; owns every build's
// life from acknowledgement to its one terminal event, over crashes and restarts.
#ifndef ZLAYER_DAEMON_QUEUE_SCHEDULER_H_
#define ZLAYER_DAEMON_QUEUE_SCHEDULER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "backends/api/event_sink.h"
#include "daemon/events/event_log.h"
#include "daemon/queue/build_queue.h"

namespace zlayer {

// Does the work of one build: from request to committed image. A fake in tests.
class BuildRunner {
 public:
  virtual ~BuildRunner() = default;
  // Returns the outcome; `seconds` is filled in by the scheduler. kCancelled once `stop` is
  // requested. Emits everything but BuildQueued and terminal events.
  virtual absl::StatusOr<v1::BuildComplete> Run(const QueuedBuild& build, EventSink& events,
                                                std::stop_token stop) = 0;
};

struct SchedulerOptions {
  uint32_t max_running = 4;
  uint32_t max_running_per_namespace = 0;  // 0: no limit
  // Builds that wait; what is submitted beyond is refused.
  uint32_t max_queued = 20'000;
  uint32_t max_queued_per_namespace = 10'000;
  // How often a build may be interrupted by a daemon that died before it fails.
  uint32_t max_attempts = 3;
  std::chrono::nanoseconds drain_timeout = std::chrono::seconds(30);
  // Between two BuildWaiting events of a build.
  std::chrono::nanoseconds waiting_interval = std::chrono::seconds(1);
};

// Every build that is acknowledged ends with exactly one terminal event, which is in its log,
// synced, before its row in the queue says so. The log and the row decide all; memory only speeds
// it up.
//
// A build that nobody watches has no log before it is taken or canceled (see EnsureFirstEvent).
//
// An attempt is a run that may end by the daemon's death. A build that a drain sent back to the
// queue keeps its attempt: its log goes on with BuildQueued of the same number.
// (A log has one BuildQueued for each time that the build began to wait.)
//
// A build whose events cannot be written fails once its runner returns.
//
// Thread-safe.
class Scheduler {
 public:
  virtual ~Scheduler() = default;  // as Drain with no time left

  // Puts the build into the queue; its row is the acknowledgement. kUnavailable while draining,
  // kResourceExhausted where too many builds wait (a request whose idempotency key is known already
  // is refused, too; see BuildQueue::FindSubmitted).
  virtual absl::StatusOr<std::string> Submit(const v1::SubmitBuildRequest& request) = 0;
  // Asks the build to stop; see BuildService.CancelBuild. A build that still waits has ended when
  // this returns. kNotFound.
  virtual absl::StatusOr<v1::BuildStatus> Cancel(const std::string& id) = 0;
  // To be called once somebody has subscribed to the build's log: the log has its first event then,
  // and while the build waits, BuildWaiting events follow. kNotFound.
  virtual absl::Status BeginWatch(const std::string& id) = 0;
  // Fills in `waiting` of those that wait, as it is now.
  virtual void DescribeWaiting(std::span<v1::BuildStatus> builds) = 0;
  // From now on nothing is accepted or started; Cancel still works. Running builds have
  // `drain_timeout` (less once `hurry` is requested) to end, then are stopped and go back to the
  // queue, uncanceled, without counting an attempt against them. Returns when none runs.
  virtual void Drain(std::stop_token hurry) = 0;
};

// Recovers first: builds whose log ends with a terminal event get their state from it, those that
// ran are queued again (BuildQueued with the next attempt). Then starts taking builds. A build
// fails after too many attempts, and with SECRETS_LOST if it had secrets; one whose log is damaged
// fails without a terminal event in it. (Soon after the start: that takes syncs for each.) All
// arguments must outlive the scheduler.
absl::StatusOr<std::unique_ptr<Scheduler>> StartScheduler(const SchedulerOptions& options,
                                                          BuildQueue* queue, EventLogs* logs,
                                                          BuildRunner* runner);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_SCHEDULER_H_
