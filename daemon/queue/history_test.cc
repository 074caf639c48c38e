#include "daemon/queue/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "registry/meta/database.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr int64_t kHourNs = 3'600'000'000'000;

class FakeClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns; }
  std::atomic<int64_t> now_ns{1'750'000'000'000'000'000};
};

class HistoryTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(testing::TempDir(), "history"));
    ASSERT_OK(MakeDirectories(directory_.path() + "/builds"));
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(directory_.path() + "/meta.db"));
    queue_ = OpenBuildQueue(database_.get(), &clock_);
    logs_ = OpenEventLogs(directory_.path() + "/builds", &clock_);
    parts_ = {queue_.get(), logs_.get(), &clock_};
  }

  std::string Submit() {
    v1::SubmitBuildRequest request;
    request.mutable_spec()->add_tags("app");
    clock_.now_ns += 1'000'000;
    return std::move(queue_->Submit(request)).value().id;
  }

  // A build that has ended, with its log.
  std::string SubmitEnded() {
    std::string id = Submit();
    v1::BuildEvent event;
    event.mutable_build_queued();
    EXPECT_OK(logs_->Begin(id, event));
    event.mutable_build_canceled();
    absl::StatusOr<v1::BuildEvent> end = logs_->Append(id, event);
    EXPECT_OK(end);
    EXPECT_OK(queue_->Finish(*end));
    logs_->Close(id);
    return id;
  }

  std::vector<std::string> Builds() {
    std::vector<std::string> ids;
    BuildListing all;
    all.limit = 1000;
    const BuildPage page = std::move(queue_->List(all)).value();
    for (const v1::BuildStatus& build : page.builds) {
      ids.push_back(build.id());
    }
    return ids;
  }

  FakeClock clock_;
  ScopedDirectory directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<BuildQueue> queue_;
  std::unique_ptr<EventLogs> logs_;
  HistoryParts parts_;
};

TEST_F(HistoryTest, OldBuildsGoWithTheirLogs) {
  SubmitEnded();
  std::string queued = Submit();
  clock_.now_ns += kHourNs;
  std::string young = SubmitEnded();
  HistoryOptions options;
  options.max_age = std::chrono::hours(2);
  ASSERT_OK(SweepHistory(options, parts_, {}));
  EXPECT_EQ(Builds().size(), 3u);
  clock_.now_ns += kHourNs + 1'000'000'000;
  ASSERT_OK(SweepHistory(options, parts_, {}));
  EXPECT_THAT(Builds(), ElementsAre(young, queued));
  EXPECT_THAT(logs_->Ids(), IsOkAndHolds(ElementsAre(young)));
}

TEST_F(HistoryTest, TheNewestBuildsStay) {
  for (int i = 0; i < 230; ++i) {  // more than two steps
    SubmitEnded();
  }
  std::string last_but_one = SubmitEnded();
  std::string last = SubmitEnded();
  HistoryOptions options;
  options.max_builds = 2;
  ASSERT_OK(SweepHistory(options, parts_, {}));
  EXPECT_THAT(Builds(), ElementsAre(last, last_but_one));
  EXPECT_THAT(logs_->Ids(), IsOkAndHolds(UnorderedElementsAre(last, last_but_one)));
}

TEST_F(HistoryTest, WithoutLimitsAllStay) {
  SubmitEnded();
  clock_.now_ns += 1'000'000 * kHourNs;
  ASSERT_OK(SweepHistory({}, parts_, {}));
  EXPECT_EQ(Builds().size(), 1u);
}

TEST_F(HistoryTest, WhatIsWatchedStays) {
  std::string watched = SubmitEnded();
  std::string other = SubmitEnded();
  HistoryOptions options;
  options.max_age = std::chrono::hours(1);
  clock_.now_ns += 2 * kHourNs;
  auto subscription = logs_->Subscribe(watched, [] {});
  ASSERT_OK(SweepHistory(options, parts_, {}));
  EXPECT_THAT(Builds(), ElementsAre(watched));
  EXPECT_THAT(logs_->Ids(), IsOkAndHolds(ElementsAre(watched)));
  subscription.reset();
  ASSERT_OK(SweepHistory(options, parts_, {}));
  EXPECT_THAT(Builds(), IsEmpty());
  EXPECT_THAT(logs_->Ids(), IsOkAndHolds(IsEmpty()));
}

// The row is gone, the log is not: as a crash leaves it, or a watch that began in between.
TEST_F(HistoryTest, OrphansGoOnceNobodyWatchesThem) {
  std::string orphan = SubmitEnded();
  std::string watched = SubmitEnded();
  std::string build = SubmitEnded();
  std::string queued = Submit();
  v1::BuildEvent first;
  first.mutable_build_queued();
  ASSERT_OK(logs_->Begin(queued, first));
  ASSERT_OK(queue_->RemoveEnded({orphan, watched}));
  auto subscription = logs_->Subscribe(watched, [] {});
  ASSERT_OK(RemoveOrphans(parts_, {}));
  EXPECT_THAT(logs_->Ids(), IsOkAndHolds(UnorderedElementsAre(watched, build, queued)));
  subscription.reset();
  ASSERT_OK(RemoveOrphans(parts_, {}));
  EXPECT_THAT(logs_->Ids(), IsOkAndHolds(UnorderedElementsAre(build, queued)));
}

TEST_F(HistoryTest, AStopEndsASweep) {
  for (int i = 0; i < 3; ++i) {
    SubmitEnded();
  }
  HistoryOptions options;
  options.max_builds = 1;
  std::stop_source stop;
  stop.request_stop();
  ASSERT_OK(SweepHistory(options, parts_, stop.get_token()));
  EXPECT_EQ(Builds().size(), 3u);
}

TEST_F(HistoryTest, TheThreadSweepsAtItsStartAndEndsWhenTold) {
  std::string orphan = SubmitEnded();
  ASSERT_OK(queue_->RemoveEnded({orphan}));
  SubmitEnded();
  std::string last = SubmitEnded();
  HistoryOptions options;
  options.max_builds = 1;
  auto history = KeepHistory(options, parts_);
  while (std::move(logs_->Ids()).value().size() != 1) {
    std::this_thread::yield();
  }
  history.reset();
  EXPECT_THAT(Builds(), ElementsAre(last));
  EXPECT_THAT(logs_->Ids(), IsOkAndHolds(ElementsAre(last)));
}

}  // namespace
}  // namespace zlayer
