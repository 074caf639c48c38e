#include "base/thread_pool.h"

#include <stop_token>
#include <utility>

namespace zlayer {

ThreadPool::ThreadPool(size_t places, std::chrono::nanoseconds idle)
    : places_(places), longest_idle_(idle) {}

ThreadPool::~ThreadPool() {
  MutexLock lock(&mutex_);
  ending_ = true;
  for (Idle* idle : idle_) {
    idle->called = true;
    idle->woken.NotifyOne();
  }
  idle_.clear();
  last_ended_.Wait(&mutex_, std::stop_token(),
                   [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return threads_.empty(); });
}

void ThreadPool::Submit(std::function<void()> task) {
  MutexLock lock(&mutex_);
  tasks_.push_back(std::move(task));
  CallOne();
}

void ThreadPool::CallOne() {
  if (tasks_.empty() || busy_ >= places_) {
    return;
  }
  if (!idle_.empty()) {
    idle_.back()->called = true;
    idle_.back()->woken.NotifyOne();
    idle_.pop_back();
  } else if (threads_.size() - outside_ < places_) {
    const auto self = threads_.emplace(threads_.end());
    *self = std::jthread([this, self] { Work(self); });
  }
}

bool ThreadPool::AwaitTask(Idle* self) {
  while (tasks_.empty() || busy_ >= places_) {
    if (ending_) {
      return false;
    }
    self->called = false;
    idle_.push_back(self);
    if (!self->woken.WaitFor(&mutex_, longest_idle_, std::stop_token(),
                             [self] { return self->called; })) {
      std::erase(idle_, self);
      return false;
    }
  }
  return true;
}

void ThreadPool::Work(Threads::iterator self) {
  Idle idle;
  std::jthread ended_before;  // joined when the mutex is free again
  MutexLock lock(&mutex_);
  while (AwaitTask(&idle)) {
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    ++busy_;
    mutex_.Unlock();
    task();
    task = nullptr;
    mutex_.Lock();
    // Who ends a task looks for the next one itself: nobody else needs to be called.
    --busy_;
  }
  ended_before = std::exchange(ended_, std::move(*self));
  threads_.erase(self);
  if (threads_.empty()) {
    last_ended_.NotifyAll();
  }
}

void ThreadPool::Outside(const std::function<void()>& wait) {
  {
    MutexLock lock(&mutex_);
    --busy_;
    ++outside_;
    CallOne();
  }
  wait();
  MutexLock lock(&mutex_);
  --outside_;
  ++busy_;
}

}  // namespace zlayer
