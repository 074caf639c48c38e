#include "base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <latch>
#include <numeric>
#include <set>
#include <thread>
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

TEST(ThreadPoolTest, AWaitOutsideLeavesItsPlaceToOthers) {
  std::latch others(20);
  std::atomic<int> waited = 0;
  {
    ThreadPool pool(1);
    for (int i = 0; i < 3; ++i) {
      pool.Submit([&] {
        pool.Outside([&] { others.wait(); });
        ++waited;
      });
    }
    for (int i = 0; i < 20; ++i) {
      pool.Submit([&] { others.count_down(); });
    }
  }
  EXPECT_EQ(waited, 3);
}

TEST(ThreadPoolTest, AfterAWaitOutsideNoMoreTasksRunAtOnceThanBefore) {
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  {
    ThreadPool pool(1);
    pool.Submit([&] { pool.Outside([] {}); });
    for (int i = 0; i < 200; ++i) {
      pool.Submit([&] {
        most = std::max(most.load(), ++running);
        --running;
      });
    }
  }
  EXPECT_EQ(most, 1);
}

TEST(ThreadPoolTest, WhoRanLastRunsNext) {
  std::set<std::thread::id> ran;
  {
    ThreadPool pool(8);
    for (int i = 0; i < 50; ++i) {
      std::latch done(1);
      pool.Submit([&] {
        ran.insert(std::this_thread::get_id());
        done.count_down();
      });
      done.wait();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  // All eight, in turns, where the longest idle one is called.
  EXPECT_LE(ran.size(), 4);
}

TEST(ThreadPoolTest, IdleThreadsEndAndOthersTakeTheirPlace) {
  struct AtEnd {
    explicit AtEnd(std::atomic<int>* count) : ended(count) {}
    ~AtEnd() { ++*ended; }
    std::atomic<int>* const ended;
  };
  std::atomic<int> ended = 0;
  ThreadPool pool(3, std::chrono::milliseconds(1));
  for (int threads = 3; threads <= 9; threads += 3) {
    std::latch all(3);
    for (int i = 0; i < 3; ++i) {
      pool.Submit([&] {
        thread_local const AtEnd at_end(&ended);
        all.arrive_and_wait();
      });
    }
    all.wait();
    for (int waits = 0; waits < 10'000 && ended < threads; ++waits) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_EQ(ended, threads);
  }
}

TEST(ThreadPoolTest, ATaskMaySubmitAnother) {
  std::latch second(1);
  ThreadPool pool(1);
  pool.Submit([&] { pool.Submit([&] { second.count_down(); }); });
  second.wait();
}

}  // namespace
}  // namespace zlayer
