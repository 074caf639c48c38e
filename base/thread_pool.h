// Threads that run tasks in the order submitted, as many at once as there are places. A thread
// starts when a task finds none idle, and ends when it was idle for a while: then its stack and
// what the allocator keeps for it are free again. A task that waits for long may give up its place
// meanwhile.
#ifndef ZLAYER_BASE_THREAD_POOL_H_
#define ZLAYER_BASE_THREAD_POOL_H_

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace zlayer {

// Thread-safe. Destruction runs what was submitted to its end, then joins; tasks that wait for
// something must have been told to stop by then.
class ThreadPool {
 public:
  explicit ThreadPool(size_t places, std::chrono::nanoseconds idle = std::chrono::seconds(10));
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void Submit(std::function<void()> task);

  // From within a task: calls `wait` while a further thread takes this one's place. For a moment
  // afterwards one task more than there are places may run.
  void Outside(const std::function<void()>& wait);

 private:
  struct Idle {
    CondVar woken;
    bool called = false;
  };

  using Threads = std::list<std::jthread>;

  // False where the thread has nothing more to do, and ends.
  bool AwaitTask(Idle* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Work(Threads::iterator self);
  void CallOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t places_;
  const std::chrono::nanoseconds longest_idle_;

  Mutex mutex_;
  CondVar last_ended_;
  // The last to come is called first: what it needs is still in the processor's caches.
  std::vector<Idle*> idle_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  size_t busy_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t outside_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  Threads threads_ ABSL_GUARDED_BY(mutex_);
  // The thread that ended last. The next one that ends joins it.
  std::jthread ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_BASE_THREAD_POOL_H_
