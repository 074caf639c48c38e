// Who wants to know that something new can be read.
#ifndef ZLAYER_DAEMON_EVENTS_WATCHERS_H_
#define ZLAYER_DAEMON_EVENTS_WATCHERS_H_

#include <functional>
#include <list>
#include <utility>

#include "base/mutex.h"

namespace zlayer {

// Thread-safe. What is called must be quick, must not block, and must not call back here.
class Watchers {
 public:
  using Place = std::list<std::function<void()>>::iterator;

  Place Add(std::function<void()> wake) {
    MutexLock lock(&mutex_);
    return wakes_.insert(wakes_.end(), std::move(wake));
  }
  void Remove(Place place) {
    MutexLock lock(&mutex_);
    wakes_.erase(place);
  }
  bool any() {
    MutexLock lock(&mutex_);
    return !wakes_.empty();
  }
  void Wake() {
    MutexLock lock(&mutex_);
    for (const std::function<void()>& wake : wakes_) {
      wake();
    }
  }

 private:
  Mutex mutex_;  // held while they are called, so that Remove waits for a call under way
  std::list<std::function<void()>> wakes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_EVENTS_WATCHERS_H_
