#include "registry/gc/sweep_schedule.h"

#include <gtest/gtest.h>

namespace zlayer {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// A daemon that was started at some time, with a look at the disk every ten seconds.
class SweepScheduleTest : public ::testing::Test {
 protected:
  bool IsDue() {
    return schedule_.IsDue(now_, disk_, [this] {
      ++looks_;
      return counts_;
    });
  }
  // Looks for so long; how often it swept.
  int Pass(nanoseconds time) {
    int sweeps = 0;
    for (const int64_t end = now_ + time.count(); now_ < end;) {
      now_ += nanoseconds(seconds(10)).count();
      if (IsDue()) {
        ++sweeps;
        schedule_.Ended(now_, counts_);
      }
    }
    return sweeps;
  }

  int64_t now_ = nanoseconds(hours(500)).count();
  DiskSpace disk_{.total = 1000, .free = 500};
  SweepSchedule::Counts counts_{1, 2, 3};
  int looks_ = 0;
  SweepSchedule schedule_{minutes(5), {{.bytes = 100}, {.percent = 20}}, now_};
};

TEST_F(SweepScheduleTest, SweepsOnceAMinuteAfterTheStart) {
  EXPECT_EQ(Pass(seconds(50)), 0);
  EXPECT_EQ(Pass(seconds(10)), 1);
  EXPECT_EQ(Pass(minutes(50)), 0);
}

TEST_F(SweepScheduleTest, AShortIntervalHoldsForTheStartToo) {
  SweepSchedule schedule(seconds(1), {}, now_);
  const auto count = [this] { return counts_; };
  EXPECT_FALSE(schedule.IsDue(now_, disk_, count));
  EXPECT_TRUE(schedule.IsDue(now_ + nanoseconds(seconds(1)).count(), disk_, count));
}

TEST_F(SweepScheduleTest, SweepsWhereSomethingChanged) {
  Pass(minutes(1));
  counts_ = {1, 2, 4};
  EXPECT_EQ(Pass(minutes(5) - seconds(10)), 0);
  EXPECT_EQ(Pass(seconds(10)), 1);
  EXPECT_EQ(Pass(minutes(30)), 0);
  counts_ = {1, 1, 4};  // fewer is a change, too
  EXPECT_EQ(Pass(minutes(5)), 1);
  counts_ = {0, 1, 4};
  EXPECT_EQ(Pass(minutes(5)), 1);
  EXPECT_EQ(Pass(minutes(30)), 0);
}

// As where a build was under way, which may have left something since.
TEST_F(SweepScheduleTest, SweepsAgainWhereThatIsAskedFor) {
  Pass(minutes(1));
  schedule_.Ended(now_, std::nullopt);
  EXPECT_EQ(Pass(minutes(5) - seconds(10)), 0);
  EXPECT_EQ(Pass(seconds(10)), 1);
  EXPECT_EQ(Pass(minutes(30)), 0);
}

// What nothing changed may be too old meanwhile.
TEST_F(SweepScheduleTest, SweepsOnceAnHour) {
  Pass(minutes(1));
  EXPECT_EQ(Pass(minutes(59)), 0);
  EXPECT_EQ(Pass(minutes(6)), 1);
  EXPECT_EQ(Pass(hours(10)), 10);
}

TEST_F(SweepScheduleTest, LooksForChangesOnceAnInterval) {
  Pass(minutes(1));
  looks_ = 0;
  Pass(minutes(50));
  EXPECT_EQ(looks_, 10);
}

TEST_F(SweepScheduleTest, SweepsWhenTheDiskFillsUp) {
  Pass(minutes(2));
  disk_.free = 200;  // as much as is wanted
  EXPECT_EQ(Pass(minutes(3)), 0);
  disk_.free = 199;
  EXPECT_EQ(Pass(seconds(10)), 1);
  disk_.free = 500;
  EXPECT_EQ(Pass(minutes(30)), 0);
}

TEST_F(SweepScheduleTest, BytesAreALimitToo) {
  SweepSchedule schedule(minutes(5), {{.bytes = 600}}, now_);
  EXPECT_TRUE(schedule.IsDue(now_, disk_, [this] { return counts_; }));
  disk_.free = 600;
  EXPECT_FALSE(schedule.IsDue(now_, disk_, [this] { return counts_; }));
}

// Where a sweep does not help, because others fill the disk, the next one is not at once.
TEST_F(SweepScheduleTest, AFullDiskIsSweptOnceAMinute) {
  disk_.free = 0;
  EXPECT_EQ(Pass(seconds(10)), 1);
  EXPECT_EQ(Pass(seconds(50)), 0);
  EXPECT_EQ(Pass(minutes(10)), 10);
}

TEST_F(SweepScheduleTest, WithoutALimitTheDiskDoesNotMatter) {
  SweepSchedule schedule(minutes(5), {{}, {}}, now_);
  disk_.free = 0;
  EXPECT_FALSE(schedule.IsDue(now_, disk_, [this] { return counts_; }));
}

}  // namespace
}  // namespace zlayer
