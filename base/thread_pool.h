// A fixed number of threads that run tasks in the order submitted. A task that waits for long may
// give up its place meanwhile.
#ifndef ZLAYER_BASE_THREAD_POOL_H_
#define ZLAYER_BASE_THREAD_POOL_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace zlayer {

// Thread-safe. Destruction runs what was submitted to its end, then joins; tasks that wait for
// something must have been told to stop by then.
class ThreadPool {
 public:
  explicit ThreadPool(size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void Submit(std::function<void()> task);

  // From within a task: calls `wait` while a further thread takes this one's place. For a moment
  // afterwards one task more than there are places may run. A pool that is being destroyed lets
  // nobody in.
  void Outside(const std::function<void()>& wait);

 private:
  struct Idle {
    CondVar woken;
    bool called = false;
  };

  void Work(std::stop_token stop);
  void CallOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t places_;

  Mutex mutex_;
  // The last to come is called first: what it needs is still in the processor's caches.
  std::vector<Idle*> idle_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  size_t busy_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t outside_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  // Grows with `mutex_` held, until `ending_`.
  std::vector<std::jthread> threads_;
};

}  // namespace zlayer

#endif  // ZLAYER_BASE_THREAD_POOL_H_
