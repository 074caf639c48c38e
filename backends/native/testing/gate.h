// Lets tests say when something may go on.
#ifndef ZLAYER_BACKENDS_NATIVE_TESTING_GATE_H_
#define ZLAYER_BACKENDS_NATIVE_TESTING_GATE_H_

#include <stop_token>
#include <utility>

#include "base/mutex.h"

namespace zlayer {

// Once open, it stays so. Thread-safe.
class Gate {
 public:
  void Open() {
    MutexLock lock(&mutex_);
    open_ = true;
    changed_.NotifyAll();
  }
  // False where `stop` came first.
  bool Wait(std::stop_token stop = {}) {
    MutexLock lock(&mutex_);
    return changed_.Wait(&mutex_, std::move(stop),
                         [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return open_; });
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_TESTING_GATE_H_
