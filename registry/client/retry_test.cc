#include "registry/client/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "base/errors.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

constexpr int64_t kNoon = 1'795'780'800'000'000'000;  // 2026-11-27T12:00:00Z

TEST(Retry, OnlyWhatMayPass) {
  for (const int status : {429, 500, 502, 503, 504}) {
    EXPECT_TRUE(MayPass(status)) << status;
  }
  for (const int status : {0, 200, 400, 401, 404, 408, 501, 505}) {
    EXPECT_FALSE(MayPass(status)) << status;
  }
}

TEST(Retry, RetryAfterIsSecondsOrDate) {
  EXPECT_EQ(ParseRetryAfter("7", kNoon), 7000);
  EXPECT_EQ(ParseRetryAfter(" 0 ", kNoon), 0);
  EXPECT_EQ(ParseRetryAfter("Fri, 27 Nov 2026 12:00:30 GMT", kNoon), 30'000);
  EXPECT_EQ(ParseRetryAfter("Fri, 27 Nov 2026 11:00:00 GMT", kNoon), 0);
  EXPECT_GT(ParseRetryAfter("99999999999999999", kNoon), 0);
  for (const char* wrong : {"", "-1", "soon", "1.5", "Fri, 27 Nov 2026 12:00:30 GMT x"}) {
    EXPECT_EQ(ParseRetryAfter(wrong, kNoon), std::nullopt) << wrong;
  }
}

TEST(Retry, DelaysDoubleWithJitterUpToALimit) {
  Retry retry({.attempts = 9, .delay_ms = 100, .max_delay_ms = 1000}, 7);
  for (int round = 0; round < 100; ++round) {
    const int64_t most[] = {100, 200, 400, 800, 1000, 1000};
    for (int attempt = 1; attempt <= 6; ++attempt) {
      const int64_t delay = retry.DelayMs(attempt, 0);
      EXPECT_GE(delay, most[attempt - 1] / 2);
      EXPECT_LE(delay, most[attempt - 1]);
    }
  }
  EXPECT_EQ(retry.DelayMs(1, 700), 700);
  EXPECT_EQ(retry.DelayMs(1, 50'000), 50'000);
}

TEST(Retry, SameSeedSameDelays) {
  Retry a({}, 42);
  Retry b({}, 42);
  for (int attempt = 1; attempt < 20; ++attempt) {
    EXPECT_EQ(a.DelayMs(attempt, 0), b.DelayMs(attempt, 0));
  }
}

TEST(Retry, GivesUpAfterTheAttempts) {
  Retry retry({.attempts = 3, .delay_ms = 1}, 7);
  int calls = 0;
  const auto fail = [&] {
    ++calls;
    return Outcome{.status = Unavailable("gone"), .may_pass = true};
  };
  EXPECT_THAT(retry.Run("r/app", fail, {}), StatusIs(absl::StatusCode::kUnavailable, "gone"));
  EXPECT_EQ(calls, 3);
}

TEST(Retry, WhatDoesNotPassIsNotTriedAgain) {
  Retry retry({.delay_ms = 1}, 7);
  int calls = 0;
  const auto fail = [&] {
    ++calls;
    return Outcome{.status = NotFound("none")};
  };
  EXPECT_THAT(retry.Run("r/app", fail, {}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(calls, 1);
}

TEST(Retry, ProgressCountsAnew) {
  Retry retry({.attempts = 2, .delay_ms = 1}, 7);
  int calls = 0;
  const auto advance = [&] {
    ++calls;
    return Outcome{.status = Unavailable("gone"), .may_pass = true, .advanced = calls < 5};
  };
  EXPECT_FALSE(retry.Run("r/app", advance, {}).ok());
  EXPECT_EQ(calls, 5);
}

TEST(Retry, WaitsAsLongAsTheServerAsks) {
  Retry retry({.delay_ms = 1, .max_delay_ms = 1, .max_asked_ms = 1000}, 7);
  const auto begin = std::chrono::steady_clock::now();
  int calls = 0;
  const auto busy = [&] {
    return ++calls == 1
               ? Outcome{.status = Unavailable("busy"), .may_pass = true, .retry_after_ms = 300}
               : Outcome();
  };
  EXPECT_OK(retry.Run("r/app", busy, {}));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(300));
}

TEST(Retry, WhatTheServerWantsTooLateIsSaidAtOnce) {
  Retry retry({.max_asked_ms = 300'000}, 7);
  int calls = 0;
  const auto busy = [&] {
    ++calls;
    return Outcome{
        .status = Unavailable("it answered 429"), .may_pass = true, .retry_after_ms = 300'001};
  };
  EXPECT_THAT(
      retry.Run("r/app", busy, {}),
      StatusIs(absl::StatusCode::kUnavailable,
               ::testing::HasSubstr("it answered 429; it wants to be asked again in 301 s")));
  EXPECT_EQ(calls, 1);
}

TEST(Retry, StopEndsTheWait) {
  Retry retry({.delay_ms = 1'000'000, .max_delay_ms = 1'000'000}, 7);
  std::stop_source stop;
  const auto fail = [&] {
    stop.request_stop();
    return Outcome{.status = Unavailable("gone"), .may_pass = true};
  };
  EXPECT_THAT(retry.Run("r/app", fail, stop.get_token()), StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace zlayer
