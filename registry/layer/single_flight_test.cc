#include "registry/layer/single_flight.h"

#include <latch>
#include <optional>
#include <thread>
#include <vector>

#include "base/thread_pool.h"
#include "tests/status_matchers.h"

#ifdef __SANITIZE_THREAD__
// Copies of a status share it by a counter that the library counts, which is not built for TSan: it
// does not see that the last owner comes after the others.
extern "C" const char* __tsan_default_suppressions() { return "race:absl::*Status::Unref"; }
#endif

namespace zlayer {
namespace {

const Digest kKey = Digest::Of("key");

TEST(SingleFlightTest, CallsAtOnceShareOneRun) {
  SingleFlight<int> flights;
  std::latch started(1), finish(1);
  std::jthread first([&] {
    EXPECT_THAT(flights.Do(kKey, {},
                           [&]() -> absl::StatusOr<int> {
                             started.count_down();
                             finish.wait();
                             return 1;
                           }),
                IsOkAndHolds(1));
  });
  started.wait();
  // Another key is not held up.
  EXPECT_THAT(flights.Do(Digest::Of("other"), {}, []() -> absl::StatusOr<int> { return 2; }),
              IsOkAndHolds(2));
  // Whether this one joins or comes after the end, it never runs beside the first.
  std::jthread second([&] {
    absl::StatusOr<int> result = flights.Do(kKey, {}, [&]() -> absl::StatusOr<int> {
      EXPECT_TRUE(finish.try_wait());
      return 1;
    });
    EXPECT_THAT(result, IsOkAndHolds(1));
  });
  finish.count_down();
}

TEST(SingleFlightTest, AWaitEndsWithItsStopToken) {
  SingleFlight<int> flights;
  std::latch started(1), finish(1);
  std::jthread first([&] {
    EXPECT_OK(flights.Do(kKey, {}, [&]() -> absl::StatusOr<int> {
      started.count_down();
      finish.wait();
      return 1;
    }));
  });
  started.wait();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(flights.Do(kKey, stop.get_token(), []() -> absl::StatusOr<int> { return 2; }),
              StatusIs(absl::StatusCode::kCancelled));
  finish.count_down();
}

TEST(SingleFlightTest, CancelledWorkIsTakenOver) {
  SingleFlight<int> flights;
  std::latch started(1), finish(1);
  std::jthread first([&] {
    EXPECT_THAT(flights.Do(kKey, {},
                           [&]() -> absl::StatusOr<int> {
                             started.count_down();
                             finish.wait();
                             return absl::CancelledError("stopped");
                           }),
                StatusIs(absl::StatusCode::kCancelled));
  });
  started.wait();
  std::jthread second([&] {
    EXPECT_THAT(flights.Do(kKey, {}, []() -> absl::StatusOr<int> { return 2; }), IsOkAndHolds(2));
  });
  finish.count_down();
}

TEST(SingleFlightTest, ResultsAreNotKept) {
  SingleFlight<int> flights;
  EXPECT_THAT(
      flights.Do(kKey, {}, []() -> absl::StatusOr<int> { return absl::DataLossError("bad"); }),
      StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flights.Do(kKey, {}, []() -> absl::StatusOr<int> { return 3; }), IsOkAndHolds(3));
}

TEST(SingleFlightTest, WhoWaitsGivesUpItsPlace) {
  std::latch started(1), finish(1);
  std::optional<ThreadPool> pool(2);
  SingleFlight<int> flights(&*pool);
  pool->Submit([&] {
    EXPECT_THAT(flights.Do(kKey, {},
                           [&]() -> absl::StatusOr<int> {
                             started.count_down();
                             finish.wait();
                             return 1;
                           }),
                IsOkAndHolds(1));
  });
  started.wait();
  // The second place is that of one who waits, or else none could end the wait.
  pool->Submit([&] {
    EXPECT_THAT(flights.Do(kKey, {}, []() -> absl::StatusOr<int> { return 1; }), IsOkAndHolds(1));
  });
  pool->Submit([&] { finish.count_down(); });
  pool.reset();
}

}  // namespace
}  // namespace zlayer
