#include "base/thread_pool.h"

#include <utility>

namespace zlayer {

ThreadPool::ThreadPool(size_t threads) {
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this](std::stop_token stop) { Work(std::move(stop)); });
  }
}

ThreadPool::~ThreadPool() {
  for (std::jthread& thread : threads_) {
    thread.request_stop();
  }
}

void ThreadPool::Submit(std::function<void()> task) {
  {
    MutexLock lock(&mutex_);
    tasks_.push_back(std::move(task));
  }
  ready_.NotifyOne();
}

void ThreadPool::Work(std::stop_token stop) {
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(&mutex_);
      ready_.Wait(&mutex_, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !tasks_.empty(); });
      if (tasks_.empty()) {
        return;
      }
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace zlayer
