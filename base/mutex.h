// std::mutex with clang's thread-safety annotations, and a condition variable whose wait ends with a
// stop token. (Debian's absl::Mutex is not built for ThreadSanitizer and knows no stop token.)
#ifndef ZLAYER_BASE_MUTEX_H_
#define ZLAYER_BASE_MUTEX_H_

#include <absl/base/thread_annotations.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>

namespace zlayer {

class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_->Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

// The predicates run with the mutex held.
class CondVar {
 public:
  // Waits until `ready()` or until `stop` is requested; returns ready().
  template <typename Predicate>
  bool Wait(Mutex* mutex, std::stop_token stop, Predicate ready)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::unique_lock<std::mutex> lock(mutex->mutex_, std::adopt_lock);
    bool result = condition_.wait(lock, std::move(stop), std::move(ready));
    lock.release();
    return result;
  }

  // The same with a time limit.
  template <typename Predicate>
  bool WaitFor(Mutex* mutex, std::chrono::nanoseconds limit, std::stop_token stop, Predicate ready)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::unique_lock<std::mutex> lock(mutex->mutex_, std::adopt_lock);
    bool result = condition_.wait_for(lock, std::move(stop), limit, std::move(ready));
    lock.release();
    return result;
  }

  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable_any condition_;
};

}  // namespace zlayer

#endif  // ZLAYER_BASE_MUTEX_H_
