#include "base/clock.h"

#include <gtest/gtest.h>
#include <time.h>

namespace zlayer {
namespace {

TEST(FormatTimeTest, IsRfc3339WithoutTrailingZeros) {
  EXPECT_EQ(FormatTime(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatTime(1'795'221'002'123'456'789), "2026-11-21T00:30:02.123456789Z");
  EXPECT_EQ(FormatTime(1'795'221'002'120'000'000), "2026-11-21T00:30:02.12Z");
  EXPECT_EQ(FormatTime(1), "1970-01-01T00:00:00.000000001Z");
}

TEST(FormatTimeTest, TimesBefore1970) {
  EXPECT_EQ(FormatTime(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(FormatTime(-1'000'000'000), "1969-12-31T23:59:59Z");
  EXPECT_EQ(FormatTime(-1'500'000'000), "1969-12-31T23:59:58.5Z");
}

TEST(FormatTimeTest, TheEndsOfTheRange) {
  EXPECT_EQ(FormatTime(INT64_MIN), "1677-09-21T00:12:43.145224192Z");
  EXPECT_EQ(FormatTime(INT64_MAX), "2262-04-11T23:47:16.854775807Z");
}

TEST(ClockTest, TheSystemClockTellsTheTime) {
  int64_t before = int64_t{time(nullptr)} - 1;
  int64_t now = SystemClock()->NowNs() / 1'000'000'000;
  EXPECT_GE(now, before);
  EXPECT_LE(now, int64_t{time(nullptr)} + 1);
}

TEST(ClockTest, MonotonicTimeDoesNotGoBack) {
  int64_t before = MonotonicNs();
  EXPECT_GE(MonotonicNs(), before);
}

}  // namespace
}  // namespace zlayer
