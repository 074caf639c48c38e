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
  MutexLock lock(&mutex_);
  tasks_.push_back(std::move(task));
  CallOne();
}

void ThreadPool::CallOne() {
  if (!tasks_.empty() && busy_ < places_ && !idle_.empty()) {
    idle_.back()->called = true;
    idle_.back()->woken.NotifyOne();
    idle_.pop_back();
  }
}

void ThreadPool::Work(std::stop_token stop) {
  Idle self;
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(&mutex_);
      while ((tasks_.empty() || busy_ >= places_) && !stop.stop_requested()) {
        self.called = false;
        idle_.push_back(&self);
        if (!self.woken.Wait(&mutex_, stop, [&self] { return self.called; })) {
          std::erase(idle_, &self);
        }
      }
      if (tasks_.empty()) {
        return;
      }
      task = std::move(tasks_.front());
      tasks_.pop_front();
      ++busy_;
    }
    task();
    // Who ends a task looks for the next one itself: nobody else needs to be called.
    MutexLock lock(&mutex_);
    --busy_;
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
    CallOne();
  }
  wait();
  MutexLock lock(&mutex_);
  --outside_;
  ++busy_;
}

}  // namespace zlayer
