// What waits, in which order, for what, and who is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/queue/scheduler.h"
#include "daemon/queue/scheduler_fixture.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kOneRuns[] = "1 build runs, which is the most (queue.max_running)";

class WaitingTest : public SchedulerTest {
 protected:
  void SetUp() override {
    SchedulerTest::SetUp();
    options_.max_running = 1;
    options_.waiting_interval = std::chrono::milliseconds(5);
  }

  // A build "running" keeps all others waiting until it is released.
  void StartBusy() {
    runner_.Hold("running");
    Start();
    running_ = Submit(RequestOf("busy", "running"));
    runner_.AwaitStarted(1);
  }

  // As the service does.
  std::unique_ptr<EventLogs::Subscription> Watch(const std::string& id) {
    auto subscription = logs_->Subscribe(id, [] {});
    EXPECT_OK(scheduler_->BeginWatch(id));
    return subscription;
  }

  void AwaitKinds(const std::string& id, const std::vector<std::string>& kinds) {
    while (Kinds(id) != kinds) {
      std::this_thread::yield();
    }
  }

  v1::BuildWaiting Waiting(const std::string& id) {
    std::vector<v1::BuildStatus> builds = {Get(id)};
    scheduler_->DescribeWaiting(builds);
    return builds[0].waiting();
  }

  std::string running_;
};

TEST_F(WaitingTest, NamespacesTakeTurns) {
  StartBusy();
  std::vector<std::string> ids;
  for (const char* name : {"a1", "a2", "a3"}) {
    ids.push_back(Submit(RequestOf("a", name)));
  }
  ids.push_back(Submit(RequestOf("b", "b1")));
  runner_.Release("running");
  for (const std::string& id : ids) {
    AwaitEnd(id);
  }
  EXPECT_THAT(runner_.started(), ElementsAre("running", "a1", "b1", "a2", "a3"));
}

TEST_F(WaitingTest, ARestartKeepsTurnsAndOrder) {
  StartBusy();
  std::vector<std::string> ids = {Submit(RequestOf("a", "a1"))};
  runner_.Hold("a1");
  runner_.Release("running");
  runner_.AwaitStarted(2);
  ids.push_back(Submit(RequestOf("a", "a2")));
  ids.push_back(Submit(RequestOf("b", "b1")));
  ids.push_back(Submit(RequestOf("busy", "later")));
  {
    std::jthread drain([this] { scheduler_->Drain({}); });
    runner_.Release("a1");
  }
  Start();
  for (const std::string& id : ids) {
    AwaitEnd(id);
  }
  // b has started nothing yet, and a started something after busy.
  EXPECT_THAT(runner_.started(), ElementsAre("running", "a1", "b1", "later", "a2"));
}

TEST_F(WaitingTest, ANamespaceRunsItsShareAndNoMore) {
  options_.max_running = 3;
  options_.max_running_per_namespace = 1;
  for (const char* name : {"a1", "b1"}) {
    runner_.Hold(name);
  }
  Start();
  std::string a1 = Submit(RequestOf("a", "a1"));
  runner_.AwaitStarted(1);
  std::string a2 = Submit(RequestOf("a", "a2"));
  Submit(RequestOf("b", "b1"));
  runner_.AwaitStarted(2);
  EXPECT_EQ(Get(a2).state(), v1::QUEUED);
  EXPECT_EQ(Waiting(a2).position(), 0u);
  EXPECT_EQ(Waiting(a2).reason(),
            "1 build of namespace \"a\" runs, which is the most for one namespace "
            "(queue.max_running_per_namespace)");
  runner_.Release("a1");
  EXPECT_EQ(AwaitEnd(a2).state(), v1::SUCCEEDED);
}

TEST_F(WaitingTest, TooManyAreRefused) {
  options_.max_queued = 3;
  options_.max_queued_per_namespace = 2;
  StartBusy();
  std::string first = Submit(RequestOf("a", "a1"));
  Submit(RequestOf("a", "a2"));
  absl::Status status = scheduler_->Submit(RequestOf("a", "a3")).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               "2 builds of namespace \"a\" wait, which is the most for one "
                               "namespace (queue.max_queued_per_namespace); submit the build "
                               "again later"));
  EXPECT_EQ(DetailOf(status).reason(), "QUEUE_FULL");
  Submit(RequestOf("b", "b1"));
  status = scheduler_->Submit(RequestOf("c", "c1")).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               "3 builds wait, which is the most (queue.max_queued); submit the "
                               "build again later"));
  EXPECT_EQ(DetailOf(status).reason(), "QUEUE_FULL");
  ASSERT_OK(scheduler_->Cancel(first));
  EXPECT_OK(scheduler_->Submit(RequestOf("a", "a3")));
}

TEST_F(WaitingTest, NoMoreThanTheLimitGetInAtOnce) {
  options_.max_queued = 20;
  options_.max_queued_per_namespace = 20;
  StartBusy();
  std::atomic<int> accepted{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 10; ++j) {
          accepted += scheduler_->Submit(RequestOf("a", "x")).ok() ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(accepted, 20);
}

TEST_F(WaitingTest, WhatNobodyWatchesHasNoLog) {
  StartBusy();
  std::string id = Submit(RequestOf("a", "a1"));
  std::string other = Submit(RequestOf("a", "a2"));
  EXPECT_THAT(logs_->Ids(), IsOkAndHolds(ElementsAre(running_)));
  ASSERT_OK(scheduler_->Cancel(id));
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "canceled"));
  EXPECT_EQ(Events(id)[0].time().SerializeAsString(), Get(id).created().SerializeAsString());
  EXPECT_THAT(Kinds(other), IsEmpty());
}

TEST_F(WaitingTest, AWatcherIsToldWhereItsBuildStands) {
  StartBusy();
  std::string first = Submit(RequestOf("a", "a1"));
  std::string second = Submit(RequestOf("a", "a2"));
  auto watch = Watch(second);
  AwaitKinds(second, {"queued 1", "waiting 1"});
  EXPECT_EQ(Events(second)[0].time().SerializeAsString(),
            Get(second).created().SerializeAsString());
  EXPECT_EQ(Events(second)[1].build_waiting().reason(), kOneRuns);
  ASSERT_OK(scheduler_->Cancel(first));
  AwaitKinds(second, {"queued 1", "waiting 1", "waiting 0"});
  // Another watch, and changes that do not concern it, are no news.
  auto again = Watch(second);
  std::string third = Submit(RequestOf("a", "a3"));
  auto watch_third = Watch(third);
  AwaitKinds(third, {"queued 1", "waiting 1"});
  runner_.Release("running");
  AwaitEnd(third);
  EXPECT_THAT(Kinds(second),
              ElementsAre("queued 1", "waiting 1", "waiting 0", "started", "complete"));
}

TEST_F(WaitingTest, ARestartTellsNothingTwice) {
  StartBusy();
  std::string id = Submit(RequestOf("a", "a1"));
  auto watch = Watch(id);
  AwaitKinds(id, {"queued 1", "waiting 0"});
  watch.reset();
  runner_.Hold("other");
  DrainAtOnce();
  Start();
  runner_.AwaitStarted(2);
  watch = Watch(id);
  std::string other = Submit(RequestOf("a", "a2"));
  auto watch_other = Watch(other);
  AwaitKinds(other, {"queued 1", "waiting 1"});
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "waiting 0"));
}

TEST_F(WaitingTest, ABuildThatStartsAtOnceIsNotSaidToWait) {
  Start();
  runner_.Hold("a1");
  std::string id = Submit(RequestOf("a", "a1"));
  auto watch = Watch(id);
  runner_.AwaitStarted(1);
  // One that waits is told of after it, so there was time to.
  std::string other = Submit(RequestOf("a", "a2"));
  auto watch_other = Watch(other);
  AwaitKinds(other, {"queued 1", "waiting 0"});
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started"));
}

TEST_F(WaitingTest, ADrainIsAReason) {
  StartBusy();
  std::string id = Submit(RequestOf("a", "a1"));
  auto watch = Watch(id);
  AwaitKinds(id, {"queued 1", "waiting 0"});
  std::jthread drain([this] { scheduler_->Drain({}); });
  AwaitKinds(id, {"queued 1", "waiting 0", "waiting 0"});
  EXPECT_EQ(Events(id)[2].build_waiting().reason(), "the daemon is shutting down");
  EXPECT_EQ(Waiting(id).reason(), "the daemon is shutting down");
  runner_.Release("running");
}

TEST_F(WaitingTest, StatusesSayPositionAndReason) {
  StartBusy();
  std::string first = Submit(RequestOf("a", "a1"));
  std::string second = Submit(RequestOf("a", "a2"));
  std::vector<v1::BuildStatus> builds = {Get(second), Get(running_), Get(first)};
  scheduler_->DescribeWaiting(builds);
  EXPECT_EQ(builds[0].waiting().position(), 1u);
  EXPECT_EQ(builds[0].waiting().reason(), kOneRuns);
  EXPECT_FALSE(builds[1].has_waiting());
  EXPECT_EQ(builds[2].waiting().position(), 0u);
}

TEST_F(WaitingTest, WatchesOfRunningEndedAndUnknownBuilds) {
  StartBusy();
  EXPECT_OK(scheduler_->BeginWatch(running_));
  EXPECT_THAT(scheduler_->BeginWatch("nobody"), StatusIs(absl::StatusCode::kNotFound));
  runner_.Release("running");
  AwaitEnd(running_);
  ASSERT_OK(scheduler_->BeginWatch(running_));
  EXPECT_THAT(Kinds(running_), ElementsAre("queued 1", "started", "complete"));
}

// Watches, cancels, submissions and runs at once: every log is in order and has one end.
TEST_F(WaitingTest, NobodyIsToldThatARunningBuildWaits) {
  options_.max_running = 2;
  options_.waiting_interval = std::chrono::microseconds(1);
  Start();
  std::vector<std::string> ids;
  std::vector<std::unique_ptr<EventLogs::Subscription>> watches;
  for (int i = 0; i < 60; ++i) {
    ids.push_back(Submit(RequestOf(i % 2 == 0 ? "a" : "b", "x")));
    watches.push_back(Watch(ids.back()));
    if (i % 5 == 0) {
      EXPECT_OK(scheduler_->Cancel(ids.back()));
    }
  }
  for (const std::string& id : ids) {
    AwaitEnd(id);
    bool began = false;
    for (const v1::BuildEvent& event : Events(id)) {
      EXPECT_FALSE(began && event.has_build_waiting());
      began = began || event.has_build_started() || IsTerminal(event);
    }
    EXPECT_TRUE(Events(id)[0].has_build_queued());
    EXPECT_TRUE(IsTerminal(Events(id).back()));
  }
}

}  // namespace
}  // namespace zlayer
