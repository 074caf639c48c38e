#include "base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <numeric>
#include <vector>

namespace zlayer {
namespace {

TEST(ThreadPoolTest, DestructionRunsEverythingToItsEnd) {
  std::atomic<int> done = 0;
  {
    ThreadPool pool(3);
    for (int i = 0; i < 1000; ++i) {
      pool.Submit([&] { ++done; });
    }
  }
  EXPECT_EQ(done, 1000);
}

TEST(ThreadPoolTest, OneThreadRunsTasksInTheOrderSubmitted) {
  std::vector<int> order;
  {
    ThreadPool pool(1);
    for (int i = 0; i < 100; ++i) {
      pool.Submit([&order, i] { order.push_back(i); });
    }
  }
  std::vector<int> expected(100);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
}

// Each task waits for all others: fewer threads would never come to an end.
TEST(ThreadPoolTest, AsManyTasksRunAtOnceAsThereAreThreads) {
  std::latch all(4);
  ThreadPool pool(4);
  for (int i = 0; i < 4; ++i) {
    pool.Submit([&] { all.arrive_and_wait(); });
  }
  all.wait();
}

TEST(ThreadPoolTest, ATaskMaySubmitAnother) {
  std::latch second(1);
  ThreadPool pool(1);
  pool.Submit([&] { pool.Submit([&] { second.count_down(); }); });
  second.wait();
}

}  // namespace
}  // namespace zlayer
