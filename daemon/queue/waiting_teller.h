// Tells those who watch queued builds what these wait for: BuildWaiting events in their logs.
#ifndef ZLAYER_DAEMON_QUEUE_WAITING_TELLER_H_
#define ZLAYER_DAEMON_QUEUE_WAITING_TELLER_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/events/event_log.h"

namespace zlayer {

// What the teller must know; the scheduler. Thread-safe; called by the teller's thread alone.
class WaitingSource {
 public:
  virtual ~WaitingSource() = default;
  // What those of these builds wait for that are queued; without a reason where one starts at once.
  virtual std::map<std::string, v1::BuildWaiting> Waiting(const std::vector<std::string>& ids) = 0;
  // A queued build does not start until Release: its log may be written. Returns when it was
  // created; nullopt where it is not queued any more, and nothing is held. One build is held at a
  // time.
  virtual std::optional<int64_t> Hold(const std::string& id) = 0;
  virtual void Release() = 0;
};

// Has a thread, which sleeps unless a queued build is watched. Thread-safe.
//
// A build is told of when its position or its reason has changed, and once a second at most; the
// first time right after its watch began. One look at the order serves all who watch.
class WaitingTeller {
 public:
  virtual ~WaitingTeller() = default;
  // Somebody subscribed to a build's log just now, or a build that may be watched is queued again.
  virtual void WatchBegan() = 0;
  // Builds were added, started, ended or removed, or the reason has changed. Quick where nobody
  // watches; may be called with locks that the source takes.
  virtual void OrderChanged() = 0;
};

// Both outlive the teller. `interval` is the second; tests have less time.
std::unique_ptr<WaitingTeller> StartWaitingTeller(WaitingSource* source, EventLogs* logs,
                                                  std::chrono::nanoseconds interval);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_WAITING_TELLER_H_
