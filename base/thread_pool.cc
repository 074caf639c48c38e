#include "base/thread_pool.h"

#include <utility>

namespace zlayer {

ThreadPool::ThreadPool(size_t threads) : places_(threads) {
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this](std::stop_token stop) { Work(std::move(stop)); });
  }
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(&mutex_);
    ending_ = true;
  }
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
      ready_.Wait(&mutex_, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return !tasks_.empty() && busy_ < places_;
      });
      if (tasks_.empty()) {
        return;
      }
      task = std::move(tasks_.front());
      tasks_.pop_front();
      ++busy_;
    }
    task();
    MutexLock lock(&mutex_);
    --busy_;
    ready_.NotifyOne();
  }
}

void ThreadPool::Outside(const std::function<void()>& wait) {
  {
    MutexLock lock(&mutex_);
    --busy_;
    ++outside_;
    if (!ending_ && threads_.size() - outside_ < places_) {
      threads_.emplace_back([this](std::stop_token stop) { Work(std::move(stop)); });
    }
  }
  ready_.NotifyOne();
  wait();
  MutexLock lock(&mutex_);
  --outside_;
  ++busy_;
}

}  // namespace zlayer
