// How builds end: the events, and the order of log and queue.
#ifndef ZLAYER_DAEMON_QUEUE_BUILD_END_H_
#define ZLAYER_DAEMON_QUEUE_BUILD_END_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "daemon/events/event_log.h"
#include "daemon/queue/build_queue.h"

namespace zlayer {

v1::BuildEvent QueuedEvent(uint32_t attempt);
// With the status's message, code and detail.
v1::BuildEvent FailedEvent(const absl::Status& status);
v1::BuildEvent CanceledEvent();

// The same status with a detail's reason.
absl::Status WithReason(absl::Status status, std::string reason);

// Event 1 of every build is BuildQueued, and follows from the build's row: its time is the row's.
// It is written when somebody needs it, a watcher or another event, because making 10,000 files
// takes seconds. Returns the log's last event.
absl::StatusOr<v1::BuildEvent> EnsureFirstEvent(const std::string& id, int64_t created_ns,
                                                EventLogs* logs);

struct BuildEnd {
  std::string id;
  int64_t created_ns = 0;
  v1::BuildEvent terminal;
  double seconds = 0;  // that it ran, for the daemon's log
};

// Ends a build: the terminal event goes into the log, then its state into the queue, then the log
// is closed. Where the build has ended already, in the log or in both, the first end stays and is
// carried over to the queue. May be tried again after an error.
absl::Status EndBuild(const BuildEnd& end, BuildQueue* queue, EventLogs* logs);

// Ends a build whose log is damaged (`damage` says how), in the queue alone.
absl::Status EndDamagedBuild(const std::string& id, const absl::Status& damage, BuildQueue* queue);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_BUILD_END_H_
