#include "base/parallel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <set>

#include "base/mutex.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

TEST(ParallelTest, EachIsDoneOnce) {
  Mutex mutex;
  std::multiset<size_t> seen;
  EXPECT_OK(ForEachInParallel(100, 7, {}, [&](size_t index, std::stop_token) {
    MutexLock lock(&mutex);
    seen.insert(index);
    return absl::OkStatus();
  }));
  EXPECT_EQ(seen.size(), 100);
  EXPECT_EQ(std::set<size_t>(seen.begin(), seen.end()).size(), 100);
  EXPECT_OK(ForEachInParallel(
      0, 7, {}, [](size_t, std::stop_token) { return absl::InternalError("nothing to do"); }));
}

TEST(ParallelTest, TheyRunAtOnce) {
  std::latch all(3);
  EXPECT_OK(ForEachInParallel(3, 3, {}, [&](size_t, std::stop_token) {
    all.arrive_and_wait();
    return absl::OkStatus();
  }));
}

TEST(ParallelTest, TheFirstErrorStopsTheRest) {
  std::atomic<int> begun = 0;
  const absl::Status status = ForEachInParallel(1000, 2, {}, [&](size_t index, std::stop_token s) {
    ++begun;
    if (index == 0) {
      return absl::DataLossError("broken");
    }
    while (!s.stop_requested()) {
    }
    return absl::CancelledError("stopped");
  });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_LE(begun, 2);
}

TEST(ParallelTest, AStopReachesThem) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(ForEachInParallel(2, 2, stop.get_token(),
                                [](size_t, std::stop_token s) {
                                  return s.stop_requested() ? absl::CancelledError("stopped")
                                                            : absl::OkStatus();
                                }),
              StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace zlayer
