#include "daemon/service/idle_timer.h"

#include <grpcpp/alarm.h>

#include <cstdint>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"

namespace zlayer {

// Shared with the alarm under way, which may fire once more after the timer is gone.
struct IdleTimer::State : std::enable_shared_from_this<IdleTimer::State> {
  State(std::chrono::nanoseconds limit, std::function<bool()> expired)
      : limit(limit), expired(std::move(expired)), touched_ns(MonotonicNs()) {}

  void Arm(std::chrono::nanoseconds wait) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    alarm = std::make_unique<grpc::Alarm>();
    alarm->Set(std::chrono::system_clock::now() +
                   std::chrono::duration_cast<std::chrono::system_clock::duration>(wait),
               [state = shared_from_this()](bool fired) {
                 if (fired) {
                   state->Fire();
                 }
               });
  }

  void Fire() {
    MutexLock lock(&calling);
    if (!Expired()) {
      return;
    }
    bool again = expired();
    MutexLock state_lock(&mutex);
    if (again && !over) {
      touched_ns = MonotonicNs();
      Arm(limit);
    }
  }

  // Arms the alarm again where something happened meanwhile.
  bool Expired() {
    MutexLock lock(&mutex);
    if (over) {
      return false;
    }
    std::chrono::nanoseconds rest = limit - std::chrono::nanoseconds(MonotonicNs() - touched_ns);
    if (rest.count() <= 0) {
      return true;
    }
    Arm(rest);
    return false;
  }

  const std::chrono::nanoseconds limit;
  const std::function<bool()> expired;
  // Held while `expired` runs.
  Mutex calling;
  Mutex mutex;
  bool over ABSL_GUARDED_BY(mutex) = false;
  int64_t touched_ns ABSL_GUARDED_BY(mutex);
  std::unique_ptr<grpc::Alarm> alarm ABSL_GUARDED_BY(mutex);
};

IdleTimer::IdleTimer(std::chrono::nanoseconds limit, std::function<bool()> expired)
    : state_(std::make_shared<State>(limit, std::move(expired))) {
  MutexLock lock(&state_->mutex);
  state_->Arm(limit);
}

IdleTimer::~IdleTimer() {
  std::unique_ptr<grpc::Alarm> alarm;
  {
    MutexLock lock(&state_->mutex);
    state_->over = true;
    alarm = std::move(state_->alarm);
  }
  alarm.reset();
  MutexLock lock(&state_->calling);
}

void IdleTimer::Touch() {
  MutexLock lock(&state_->mutex);
  state_->touched_ns = MonotonicNs();
}

}  // namespace zlayer
