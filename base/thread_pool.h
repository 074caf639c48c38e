// A fixed number of threads that run tasks in the order submitted.
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

 private:
  void Work(std::stop_token stop);

  Mutex mutex_;
  CondVar ready_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;
};

}  // namespace zlayer

#endif  // ZLAYER_BASE_THREAD_POOL_H_
