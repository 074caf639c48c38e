#include "daemon/queue/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/errors.h"
#include "base/mutex.h"
#include "daemon/queue/scheduler_fixture.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(SchedulerTest, ABuildRunsToItsEnd) {
  Start();
  std::string id = Submit(Request("app"));
  v1::BuildStatus status = AwaitEnd(id);
  EXPECT_EQ(status.state(), v1::SUCCEEDED);
  EXPECT_EQ(status.result().image_id(), "image of app");
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "complete"));
  EXPECT_GT(Events(id).back().build_complete().seconds(), 0);
  EXPECT_LT(Events(id).back().build_complete().seconds(), 3600);
}

TEST_F(SchedulerTest, AFailureHasItsCodeAndDetail) {
  v1::ErrorDetail detail;
  detail.set_reason("RUN_FAILED");
  detail.set_exit_code(7);
  runner_.Fail("app", WithDetail(InvalidArgument("Dockerfile:3: it exits with 7"), detail));
  Start();
  std::string id = Submit(Request("app"));
  EXPECT_EQ(AwaitEnd(id).state(), v1::FAILED);
  v1::BuildFailed failed = Events(id).back().build_failed();
  EXPECT_EQ(failed.error(), "Dockerfile:3: it exits with 7");
  EXPECT_EQ(failed.code(), 3);
  EXPECT_EQ(failed.detail().reason(), "RUN_FAILED");
  EXPECT_EQ(failed.detail().exit_code(), 7);
  EXPECT_EQ(Get(id).failure().SerializeAsString(), failed.SerializeAsString());
}

TEST_F(SchedulerTest, ARunnersOwnCancelledIsAFailure) {
  runner_.Fail("app", Cancelled("the server hung up"));
  Start();
  std::string id = Submit(Request("app"));
  EXPECT_EQ(AwaitEnd(id).state(), v1::FAILED);
  EXPECT_EQ(Events(id).back().build_failed().code(), 1);
}

TEST_F(SchedulerTest, RunsByPriority) {
  options_.max_running = 1;
  runner_.Hold("first");
  Start();
  Submit(Request("first"));
  runner_.AwaitStarted(1);
  std::vector<std::string> ids = {Submit(Request("low", -1)), Submit(Request("high", 5)),
                                  Submit(Request("middle"))};
  runner_.Release("first");
  for (const std::string& id : ids) {
    AwaitEnd(id);
  }
  EXPECT_THAT(runner_.started(), ElementsAre("first", "high", "middle", "low"));
}

TEST_F(SchedulerTest, RunsNAtOnceAndNoMore) {
  options_.max_running = 3;
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    runner_.Hold(std::to_string(i));
  }
  Start();
  for (int i = 0; i < 8; ++i) {
    ids.push_back(Submit(Request(std::to_string(i))));
  }
  runner_.AwaitStarted(3);
  EXPECT_EQ(std::move(queue_->Counts()).value().running, 3u);
  EXPECT_EQ(std::move(queue_->Counts()).value().queued, 5u);
  for (int i = 0; i < 3; ++i) {
    runner_.Release(std::to_string(i));
  }
  for (const std::string& id : ids) {
    EXPECT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
  }
  EXPECT_EQ(runner_.most_at_once(), 3);
}

TEST_F(SchedulerTest, AKeyAnswersWithTheFirstBuild) {
  runner_.Hold("app");
  Start();
  v1::SubmitBuildRequest request = Request("app");
  request.set_idempotency_key("key");
  std::string id = Submit(request);
  EXPECT_EQ(Submit(request), id);
  request.set_priority(3);
  EXPECT_THAT(scheduler_->Submit(request), StatusIs(absl::StatusCode::kAlreadyExists));
  runner_.Release("app");
  AwaitEnd(id);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "complete"));
  EXPECT_THAT(runner_.started(), ElementsAre("app"));
}

TEST_F(SchedulerTest, CancelOfAQueuedBuildEndsItAtOnce) {
  options_.max_running = 1;
  runner_.Hold("first");
  Start();
  std::string first = Submit(Request("first"));
  runner_.AwaitStarted(1);
  std::string second = Submit(Request("second"));
  std::string third = Submit(Request("third"));
  ASSERT_OK_AND_ASSIGN(v1::BuildStatus status, scheduler_->Cancel(second));
  EXPECT_EQ(status.state(), v1::CANCELED);
  EXPECT_THAT(Kinds(second), ElementsAre("queued 1", "canceled"));
  runner_.Release("first");
  AwaitEnd(third);
  EXPECT_THAT(runner_.started(), ElementsAre("first", "third"));
}

TEST_F(SchedulerTest, CancelOfARunningBuildStopsIt) {
  runner_.Hold("app");
  Start();
  std::string id = Submit(Request("app"));
  runner_.AwaitStarted(1);
  ASSERT_OK_AND_ASSIGN(v1::BuildStatus status, scheduler_->Cancel(id));
  EXPECT_EQ(status.id(), id);
  EXPECT_EQ(AwaitEnd(id).state(), v1::CANCELED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "canceled"));
  EXPECT_EQ(Events(id).back().build_canceled().reason(), "canceled by request");
}

TEST_F(SchedulerTest, CancelOfEndedAndUnknownBuilds) {
  Start();
  std::string id = Submit(Request("app"));
  AwaitEnd(id);
  ASSERT_OK_AND_ASSIGN(v1::BuildStatus status, scheduler_->Cancel(id));
  EXPECT_EQ(status.state(), v1::SUCCEEDED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "complete"));
  EXPECT_THAT(scheduler_->Cancel("nobody"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(SchedulerTest, DrainLetsRunningBuildsEndAndStartsNoMore) {
  options_.max_running = 1;
  runner_.Hold("running");
  Start();
  std::string running = Submit(Request("running"));
  runner_.AwaitStarted(1);
  std::string waiting = Submit(Request("waiting"));
  std::jthread drain([this] { scheduler_->Drain({}); });
  // Refused from the moment at which the drain begins.
  v1::SubmitBuildRequest probe = Request("probe", -100);
  probe.set_idempotency_key("probe");
  while (scheduler_->Submit(probe).ok()) {
    std::this_thread::yield();
  }
  EXPECT_THAT(scheduler_->Submit(probe),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("shutting down")));
  runner_.Release("running");
  drain.join();
  EXPECT_EQ(Get(running).state(), v1::SUCCEEDED);
  EXPECT_EQ(Get(waiting).state(), v1::QUEUED);
  EXPECT_THAT(runner_.started(), ElementsAre("running"));
}

TEST_F(SchedulerTest, WhatADrainStopsGoesOnAfterTheRestart) {
  runner_.Hold("app");
  Start();
  std::string id = Submit(Request("app"));
  runner_.AwaitStarted(1);
  DrainAtOnce();
  EXPECT_EQ(Get(id).state(), v1::QUEUED);
  EXPECT_EQ(Get(id).attempt(), 1u);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "queued 1"));

  // As often as it takes: no attempt is counted.
  for (int restart = 0; restart < 5; ++restart) {
    Start();
    runner_.AwaitStarted(static_cast<size_t>(restart) + 2);
    DrainAtOnce();
  }
  runner_.Release("app");
  Start();
  EXPECT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
  EXPECT_EQ(Get(id).attempt(), 1u);
  std::vector<v1::BuildEvent> events = Events(id);
  EXPECT_EQ(events.size(), 15u);
  EXPECT_EQ(events.back().sequence(), 15u);
}

TEST_F(SchedulerTest, TheTimeToDrainIsLimited) {
  options_.drain_timeout = std::chrono::nanoseconds(1);
  runner_.Hold("app");
  Start();
  std::string id = Submit(Request("app"));
  runner_.AwaitStarted(1);
  scheduler_->Drain({});
  EXPECT_EQ(Get(id).state(), v1::QUEUED);
}

TEST_F(SchedulerTest, DestructionDrains) {
  runner_.Hold("app");
  Start();
  std::string id = Submit(Request("app"));
  runner_.AwaitStarted(1);
  scheduler_.reset();
  EXPECT_EQ(Get(id).state(), v1::QUEUED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "queued 1"));
}

TEST_F(SchedulerTest, CancelStillWorksAfterADrain) {
  runner_.Hold("app");
  Start();
  std::string id = Submit(Request("app"));
  runner_.AwaitStarted(1);
  DrainAtOnce();
  ASSERT_OK_AND_ASSIGN(v1::BuildStatus status, scheduler_->Cancel(id));
  EXPECT_EQ(status.state(), v1::CANCELED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "queued 1", "canceled"));
}

TEST_F(SchedulerTest, TheLogEndsBeforeTheRow) {
  std::atomic<int> state_at_end{v1::BUILD_STATE_UNSPECIFIED};
  logs_->on_append = [&](const std::string& id, const v1::BuildEvent& event) {
    if (IsTerminal(event)) {
      state_at_end = Get(id).state();
    }
    return absl::OkStatus();
  };
  Start();
  AwaitEnd(Submit(Request("app")));
  EXPECT_EQ(state_at_end, v1::RUNNING);
}

TEST_F(SchedulerTest, ALostEventFailsTheBuild) {
  logs_->on_append = [](const std::string&, const v1::BuildEvent& event) {
    return event.has_build_started() ? ResourceExhausted("no space left") : absl::OkStatus();
  };
  Start();
  std::string id = Submit(Request("app"));
  EXPECT_EQ(AwaitEnd(id).state(), v1::FAILED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "failed"));
  EXPECT_THAT(Get(id).failure().error(), "the build's events cannot be recorded: no space left");
}

TEST_F(SchedulerTest, ABuildWhoseLogCannotBeMadeFails) {
  std::atomic<int> refusals{0};
  logs_->on_append = [&](const std::string&, const v1::BuildEvent& event) {
    return event.has_build_queued() && refusals++ == 0 ? ResourceExhausted("no space left")
                                                       : absl::OkStatus();
  };
  Start();
  std::string id = Submit(Request("app"));
  EXPECT_EQ(AwaitEnd(id).state(), v1::FAILED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "failed"));
  EXPECT_EQ(Get(id).failure().error(), "no space left");
}

TEST_F(SchedulerTest, AnEndThatCouldNotBeWrittenIsTriedAgain) {
  std::atomic<int> refusals{0};
  logs_->on_append = [&](const std::string&, const v1::BuildEvent& event) {
    return IsTerminal(event) && refusals++ == 0 ? ResourceExhausted("no space left")
                                                : absl::OkStatus();
  };
  Start();
  std::string id = Submit(Request("app"));
  EXPECT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "complete"));
}

TEST_F(SchedulerTest, RunnersMayNotEndBuilds) {
  class EndingRunner : public BuildRunner {
    absl::StatusOr<v1::BuildComplete> Run(const QueuedBuild&, EventSink& events,
                                          std::stop_token) override {
      v1::BuildEvent event;
      event.mutable_build_canceled();
      events.Emit(event);
      return v1::BuildComplete();
    }
  } runner;
  ASSERT_OK_AND_ASSIGN(auto scheduler,
                       StartScheduler(options_, queue_.get(), logs_.get(), &runner));
  std::string id = std::move(scheduler->Submit(Request("app"))).value();
  EXPECT_EQ(AwaitEnd(id).state(), v1::FAILED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "failed"));
}

// Races.

TEST_F(SchedulerTest, CancelAgainstEndGivesOneTerminalEvent) {
  options_.max_running = 2;
  Start();
  int canceled = 0;
  for (int i = 0; i < 200; ++i) {
    std::string id = Submit(Request("app"));
    {
      std::jthread one([&] { EXPECT_OK(scheduler_->Cancel(id)); });
      std::jthread other([&] { EXPECT_OK(scheduler_->Cancel(id)); });
    }
    v1::BuildState state = AwaitEnd(id).state();
    canceled += state == v1::CANCELED ? 1 : 0;
    std::vector<v1::BuildEvent> events = Events(id);
    ASSERT_TRUE(events.front().has_build_queued()) << i;
    ASSERT_EQ(std::count_if(events.begin(), events.end(), IsTerminal), 1) << i;
    ASSERT_TRUE(IsTerminal(events.back())) << i;
    ASSERT_EQ(events.back().has_build_canceled(), state == v1::CANCELED) << i;
  }
  RecordProperty("canceled", canceled);
}

TEST_F(SchedulerTest, CancelAgainstDrainAndRestart) {
  options_.max_running = 2;
  runner_.Hold("app");
  for (int i = 0; i < 50; ++i) {
    Start();
    std::string id = Submit(Request("app"));
    {
      std::jthread cancel([&] { EXPECT_OK(scheduler_->Cancel(id)); });
      std::jthread drain([&] { DrainAtOnce(); });
    }
    Start();
    ASSERT_EQ(AwaitEnd(id).state(), v1::CANCELED) << i;
    std::vector<v1::BuildEvent> events = Events(id);
    ASSERT_TRUE(events.front().has_build_queued()) << i;
    ASSERT_EQ(std::count_if(events.begin(), events.end(), IsTerminal), 1) << i;
  }
}

TEST_F(SchedulerTest, ManySubmittersLoseNothing) {
  options_.max_running = 3;
  Start();
  Mutex mutex;
  std::vector<std::string> ids;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 25; ++j) {
          std::string id = Submit(Request("app"));
          MutexLock lock(&mutex);
          ids.push_back(id);
        }
      });
    }
  }
  for (const std::string& id : ids) {
    ASSERT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
    ASSERT_THAT(Kinds(id), ElementsAre("queued 1", "started", "complete"));
  }
  EXPECT_EQ(runner_.started().size(), 100u);
}

}  // namespace
}  // namespace zlayer
