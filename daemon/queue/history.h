// Builds that ended long ago go, with their logs. What they made stays.
#ifndef ZLAYER_DAEMON_QUEUE_HISTORY_H_
#define ZLAYER_DAEMON_QUEUE_HISTORY_H_

#include <absl/status/status.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>

#include "base/clock.h"
#include "daemon/events/event_log.h"
#include "daemon/queue/build_queue.h"

namespace zlayer {

struct HistoryOptions {
  // Of ended builds; 0 keeps them however old they are.
  std::chrono::nanoseconds max_age{0};
  // Ended builds, the newest ones; 0 keeps all.
  uint64_t max_builds = 0;
};

// All outlive what works on them.
struct HistoryParts {
  BuildQueue* queue = nullptr;
  EventLogs* logs = nullptr;
  const Clock* clock = nullptr;
  // Removes, by the same limits, what else has ended: before a time, and all but the newest ones. May
  // be empty.
  std::function<absl::Status(int64_t ended_before_ns, uint64_t keep)> sweep_pipelines = nullptr;
};

// Removes what `options` no longer keep, in small steps, until done or stopped. A build that
// somebody watches stays until the next time. The row goes first: what a crash in between leaves is
// a log without a build, see RemoveOrphans.
absl::Status SweepHistory(const HistoryOptions& options, const HistoryParts& parts,
                          std::stop_token stop);

// Removes the logs without a build that nobody watches.
absl::Status RemoveOrphans(const HistoryParts& parts, std::stop_token stop);

// A thread that sweeps: orphans at its start and once an hour, the history once a minute.
class History {
 public:
  virtual ~History() = default;  // ends the thread, after the step that it is at
};
std::unique_ptr<History> KeepHistory(const HistoryOptions& options, const HistoryParts& parts);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_HISTORY_H_
