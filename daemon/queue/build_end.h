// How builds end: the events, and the order of log and queue.
#ifndef ZLAYER_DAEMON_QUEUE_BUILD_END_H_
#define ZLAYER_DAEMON_QUEUE_BUILD_END_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>

#include "daemon/events/event_log.h"
#include "daemon/queue/build_queue.h"

namespace zlayer {

v1::BuildEvent QueuedEvent(uint32_t attempt);
// With the status's message, code and detail.
v1::BuildEvent FailedEvent(const absl::Status& status);
v1::BuildEvent CanceledEvent();

// Writes the first BuildQueued where the log is empty.
absl::Status EnsureFirstEvent(const std::string& id, EventLogs* logs);

// Ends a build: the terminal event goes into the log, then its state into the queue, then the log
// is closed. Where the build has ended already, in the log or in both, the first end stays and is
// carried over to the queue. May be tried again after an error.
absl::Status EndBuild(const std::string& id, const v1::BuildEvent& terminal, BuildQueue* queue,
                      EventLogs* logs);

// Ends a build whose log is damaged (`damage` says how), in the queue alone.
absl::Status EndDamagedBuild(const std::string& id, const absl::Status& damage, BuildQueue* queue);

// What a daemon that died left behind is put right; scheduler.h has the rules. Returns how many
// builds are queued now.
absl::StatusOr<uint64_t> RecoverBuilds(uint32_t max_attempts, BuildQueue* queue, EventLogs* logs);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_BUILD_END_H_
