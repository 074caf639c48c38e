// Notices that nothing happens any more. Costs no thread: gRPC's timers do the waiting.
#ifndef ZLAYER_DAEMON_SERVICE_IDLE_TIMER_H_
#define ZLAYER_DAEMON_SERVICE_IDLE_TIMER_H_

#include <chrono>
#include <functional>
#include <memory>

namespace zlayer {

// Thread-safe.
class IdleTimer {
 public:
  // Calls `expired`, on a thread of gRPC's, when nobody called Touch for `limit`. `expired` must
  // not block; when it returns true the timer goes on as if touched then, else it is over.
  IdleTimer(std::chrono::nanoseconds limit, std::function<bool()> expired);
  // No call of `expired` is under way once this returns. Must not be called from `expired`, nor
  // with a lock held that `expired` takes.
  ~IdleTimer();
  IdleTimer(const IdleTimer&) = delete;
  IdleTimer& operator=(const IdleTimer&) = delete;

  void Touch();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_IDLE_TIMER_H_
