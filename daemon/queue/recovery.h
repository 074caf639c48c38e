// What a daemon that died left behind is put right.
#ifndef ZLAYER_DAEMON_QUEUE_RECOVERY_H_
#define ZLAYER_DAEMON_QUEUE_RECOVERY_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/events/event_log.h"
#include "daemon/queue/build_end.h"
#include "daemon/queue/build_queue.h"
#include "daemon/queue/fair_order.h"

namespace zlayer {

struct Recovered {
  std::vector<WaitingBuild> queued;
  // The namespaces that started builds, the one that did it longest ago first.
  std::vector<std::string> starts;
  // Builds that cannot go on: canceled, tried too often, without their secrets. They are still to
  // be ended, which takes files and syncs for each and so does not belong into a start.
  std::vector<BuildEnd> endings;
};

// Builds whose log ends with a terminal event get their state from it; those that ran are queued
// again, with the next attempt. Looks into the logs of builds that ran, and into no others: what is
// queued costs a row of an index.
absl::StatusOr<Recovered> RecoverBuilds(uint32_t max_attempts, BuildQueue* queue, EventLogs* logs);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_RECOVERY_H_
