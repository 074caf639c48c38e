#include "base/mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace zlayer {
namespace {

TEST(MutexTest, KeepsOthersOut) {
  Mutex mutex;
  int count = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 1000; ++j) {
          MutexLock lock(&mutex);
          ++count;
        }
      });
    }
  }
  EXPECT_EQ(count, 4000);
}

TEST(CondVarTest, AWaitEndsWhenItsConditionHolds) {
  Mutex mutex;
  CondVar changed;
  bool ready = false;
  std::jthread setter([&] {
    MutexLock lock(&mutex);
    ready = true;
    changed.NotifyAll();
  });
  MutexLock lock(&mutex);
  EXPECT_TRUE(changed.Wait(&mutex, {}, [&] { return ready; }));
  EXPECT_TRUE(ready);
}

TEST(CondVarTest, AWaitEndsWhenItIsStopped) {
  Mutex mutex;
  CondVar changed;
  bool waiting = false, result = true;
  std::jthread waiter([&](std::stop_token stop) {
    MutexLock lock(&mutex);
    result = changed.Wait(&mutex, stop, [&] {
      waiting = true;
      changed.NotifyAll();
      return false;
    });
  });
  {
    MutexLock lock(&mutex);
    changed.Wait(&mutex, {}, [&] { return waiting; });
  }
  waiter.request_stop();
  waiter.join();
  EXPECT_FALSE(result);
}

TEST(CondVarTest, TheMutexIsHeldAfterAWait) {
  Mutex mutex;
  CondVar changed;
  int value = 0;
  std::stop_source stopped;
  stopped.request_stop();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 500; ++j) {
          MutexLock lock(&mutex);
          changed.Wait(&mutex, stopped.get_token(), [] { return false; });
          ++value;
        }
      });
    }
  }
  EXPECT_EQ(value, 2000);
}

TEST(CondVarTest, ATimeLimitEndsAWait) {
  Mutex mutex;
  CondVar changed;
  MutexLock lock(&mutex);
  EXPECT_FALSE(changed.WaitFor(&mutex, std::chrono::milliseconds(1), {}, [] { return false; }));
  EXPECT_TRUE(changed.WaitFor(&mutex, std::chrono::hours(1), {}, [] { return true; }));
}

}  // namespace
}  // namespace zlayer
