#include "daemon/queue/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "daemon/events/event_log.h"
#include "daemon/queue/build_queue.h"
#include "proto/error_detail.h"
#include "registry/meta/database.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Runs builds by name (their first tag): each succeeds at once unless told otherwise.
class FakeRunner : public BuildRunner {
 public:
  absl::StatusOr<v1::BuildComplete> Run(const QueuedBuild& build, EventSink& events,
                                        std::stop_token stop) override {
    const std::string name = build.request.spec().tags(0);
    v1::BuildEvent started;
    started.mutable_build_started()->set_backend("fake");
    events.Emit(started);
    MutexLock lock(&mutex_);
    started_.push_back(name);
    most_at_once_ = std::max(most_at_once_, ++active_);
    changed_.NotifyAll();
    bool held = held_.contains(name) &&
                !changed_.Wait(&mutex_, stop, [&] { return !held_.contains(name); });
    --active_;
    if (held) {
      return Cancelled("the runner was stopped");
    }
    if (auto result = results_.find(name); result != results_.end()) {
      return result->second;
    }
    v1::BuildComplete complete;
    complete.set_image_id("image of " + name);
    return complete;
  }

  // The build waits in Run for Release or its stop token.
  void Hold(const std::string& name) {
    MutexLock lock(&mutex_);
    held_.insert(name);
  }
  void Release(const std::string& name) {
    MutexLock lock(&mutex_);
    held_.erase(name);
    changed_.NotifyAll();
  }
  void Fail(const std::string& name, absl::Status status) {
    MutexLock lock(&mutex_);
    results_.emplace(name, std::move(status));
  }
  void AwaitStarted(size_t count) {
    MutexLock lock(&mutex_);
    changed_.Wait(&mutex_, {}, [&] { return started_.size() >= count; });
  }
  std::vector<std::string> started() {
    MutexLock lock(&mutex_);
    return started_;
  }
  int most_at_once() {
    MutexLock lock(&mutex_);
    return most_at_once_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::set<std::string> held_;
  std::map<std::string, absl::Status> results_;
  std::vector<std::string> started_;
  int active_ = 0;
  int most_at_once_ = 0;
};

// Real logs; `on_append` sees each event first and may refuse it.
class FaultyLogs : public EventLogs {
 public:
  explicit FaultyLogs(std::unique_ptr<EventLogs> logs) : logs_(std::move(logs)) {}

  absl::StatusOr<v1::BuildEvent> Append(const std::string& id, v1::BuildEvent event) override {
    if (on_append) {
      RETURN_IF_ERROR(on_append(id, event));
    }
    return logs_->Append(id, std::move(event));
  }
  absl::StatusOr<v1::BuildEvent> Last(const std::string& id) override { return logs_->Last(id); }
  absl::StatusOr<std::unique_ptr<EventReader>> Read(const std::string& id,
                                                    uint64_t after) override {
    return logs_->Read(id, after);
  }
  std::unique_ptr<Subscription> Subscribe(const std::string& id,
                                          std::function<void()> wake) override {
    return logs_->Subscribe(id, std::move(wake));
  }
  absl::Status Remove(const std::string& id) override { return logs_->Remove(id); }
  void Close(const std::string& id) override { logs_->Close(id); }

  // Set while no scheduler runs. Called from several threads.
  std::function<absl::Status(const std::string& id, const v1::BuildEvent& event)> on_append;

 private:
  std::unique_ptr<EventLogs> logs_;
};

v1::SubmitBuildRequest Request(const std::string& name, int32_t priority = 0) {
  v1::SubmitBuildRequest request;
  request.set_priority(priority);
  request.mutable_spec()->add_tags(name);
  return request;
}

v1::BuildEvent Queued(uint32_t attempt) {
  v1::BuildEvent event;
  event.mutable_build_queued()->set_attempt(attempt);
  return event;
}

v1::BuildEvent Started() {
  v1::BuildEvent event;
  event.mutable_build_started();
  return event;
}

class SchedulerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(testing::TempDir(), "scheduler"));
    ASSERT_OK(MakeDirectories(directory_.path() + "/builds"));
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(directory_.path() + "/meta.db"));
    queue_ = OpenBuildQueue(database_.get(), SystemClock());
    logs_ =
        std::make_unique<FaultyLogs>(OpenEventLogs(directory_.path() + "/builds", SystemClock()));
    options_.drain_timeout = std::chrono::hours(1);
  }

  void TearDown() override { scheduler_.reset(); }

  void Start() {
    scheduler_.reset();
    ASSERT_OK_AND_ASSIGN(scheduler_, StartScheduler(options_, queue_.get(), logs_.get(), &runner_));
  }

  std::string Submit(const v1::SubmitBuildRequest& request) {
    return std::move(scheduler_->Submit(request)).value();
  }

  // A row as a daemon that died left it: taken, with these events in its log.
  std::string LeaveRunning(const std::vector<v1::BuildEvent>& events, uint32_t attempt = 1) {
    std::string id = LeaveQueued("app", {});
    EXPECT_EQ(std::move(queue_->Take()).value()->id, id);
    if (attempt > 1) {
      EXPECT_OK(queue_->Requeue(id, attempt));
      EXPECT_EQ(std::move(queue_->Take()).value()->id, id);
    }
    AppendAll(id, events);
    return id;
  }
  std::string LeaveQueued(const std::string& name, const std::vector<v1::BuildEvent>& events) {
    std::string id = std::move(queue_->Submit(Request(name))).value().id;
    AppendAll(id, events);
    return id;
  }
  void AppendAll(const std::string& id, const std::vector<v1::BuildEvent>& events) {
    for (const v1::BuildEvent& event : events) {
      EXPECT_OK(logs_->Append(id, event));
    }
    logs_->Close(id);
  }

  v1::BuildStatus Get(const std::string& id) { return std::move(queue_->Get(id)).value(); }

  // The build's status once it neither waits nor runs.
  v1::BuildStatus AwaitEnd(const std::string& id) {
    while (true) {
      v1::BuildStatus status = Get(id);
      if (status.state() != v1::QUEUED && status.state() != v1::RUNNING) {
        return status;
      }
      std::this_thread::yield();
    }
  }

  std::vector<v1::BuildEvent> Events(const std::string& id) {
    auto reader = std::move(logs_->Read(id, 0)).value();
    std::vector<v1::BuildEvent> events;
    v1::BuildEvent event;
    while (true) {
      absl::StatusOr<bool> found = reader->Next(&event);
      EXPECT_OK(found);
      if (!found.ok() || !*found) {
        return events;
      }
      events.push_back(event);
    }
  }

  // "queued 1", "started", ... of the log.
  std::vector<std::string> Kinds(const std::string& id) {
    std::vector<std::string> kinds;
    for (const v1::BuildEvent& event : Events(id)) {
      if (event.has_build_queued()) {
        kinds.push_back("queued " + std::to_string(event.build_queued().attempt()));
      } else if (event.has_build_started()) {
        kinds.push_back("started");
      } else if (event.has_build_complete()) {
        kinds.push_back("complete");
      } else if (event.has_build_failed()) {
        kinds.push_back("failed");
      } else if (event.has_build_canceled()) {
        kinds.push_back("canceled");
      } else {
        kinds.push_back("other");
      }
    }
    return kinds;
  }

  void DrainAtOnce() {
    std::stop_source hurry;
    hurry.request_stop();
    scheduler_->Drain(hurry.get_token());
  }

  ScopedDirectory directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<BuildQueue> queue_;
  std::unique_ptr<FaultyLogs> logs_;
  FakeRunner runner_;
  SchedulerOptions options_;
  std::unique_ptr<Scheduler> scheduler_;
};

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
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started"));

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
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started"));
}

TEST_F(SchedulerTest, CancelStillWorksAfterADrain) {
  runner_.Hold("app");
  Start();
  std::string id = Submit(Request("app"));
  runner_.AwaitStarted(1);
  DrainAtOnce();
  ASSERT_OK_AND_ASSIGN(v1::BuildStatus status, scheduler_->Cancel(id));
  EXPECT_EQ(status.state(), v1::CANCELED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "canceled"));
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

TEST_F(SchedulerTest, AFirstEventThatCouldNotBeWrittenIsWrittenByTheRun) {
  std::atomic<int> refusals{0};
  logs_->on_append = [&](const std::string&, const v1::BuildEvent& event) {
    return event.has_build_queued() && refusals++ == 0 ? ResourceExhausted("no space left")
                                                       : absl::OkStatus();
  };
  Start();
  std::string id = Submit(Request("app"));
  EXPECT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "complete"));
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

// Recovery.

TEST_F(SchedulerTest, QueuedBuildsRunAfterARestart) {
  std::string id = LeaveQueued("app", {Queued(1)});
  Start();
  EXPECT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "complete"));
}

TEST_F(SchedulerTest, AQueuedBuildWithoutALogGetsItsFirstEvent) {
  std::string id = LeaveQueued("app", {});
  Start();
  AwaitEnd(id);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "complete"));
}

TEST_F(SchedulerTest, AnInterruptedBuildIsTriedAgain) {
  std::string id = LeaveRunning({Queued(1), Started()});
  Start();
  EXPECT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
  EXPECT_EQ(Get(id).attempt(), 2u);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "queued 2", "started", "complete"));
}

TEST_F(SchedulerTest, ABuildThatWasTakenOnlyIsTriedAgain) {
  std::string id = LeaveRunning({Queued(1)});
  Start();
  AwaitEnd(id);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "queued 2", "started", "complete"));
}

TEST_F(SchedulerTest, ADaemonThatDiedInRecoveryLeavesNothingTwice) {
  // Requeued with attempt 2, BuildQueued written, then it died.
  std::string id = LeaveRunning({Queued(1), Started(), Queued(2)});
  ASSERT_OK(queue_->Requeue(id, 2));
  Start();
  AwaitEnd(id);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "queued 2", "started", "complete"));
}

TEST_F(SchedulerTest, AnEndInTheLogIsCarriedOver) {
  v1::BuildEvent complete;
  complete.mutable_build_complete()->set_image_id("sha256:1");
  std::string id = LeaveRunning({Queued(1), Started(), complete});
  Start();
  EXPECT_EQ(Get(id).state(), v1::SUCCEEDED);
  EXPECT_EQ(Get(id).result().image_id(), "sha256:1");
  EXPECT_TRUE(Get(id).has_ended());
  DrainAtOnce();
  EXPECT_THAT(runner_.started(), IsEmpty());
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "complete"));
}

TEST_F(SchedulerTest, ATornEndIsNoEnd) {
  v1::BuildEvent complete;
  complete.mutable_build_complete();
  std::string id = LeaveRunning({Queued(1), complete});
  std::string path = directory_.path() + "/builds/" + id + "/events";
  ASSERT_OK_AND_ASSIGN(std::string content, ReadFile(path));
  ASSERT_OK(WriteFileAtomically(path, content.substr(0, content.size() - 1)));
  Start();
  EXPECT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "queued 2", "started", "complete"));
}

TEST_F(SchedulerTest, TooManyAttemptsFail) {
  options_.max_attempts = 3;
  std::string id = LeaveRunning({Queued(3), Started()}, 3);
  Start();
  EXPECT_EQ(Get(id).state(), v1::FAILED);
  EXPECT_EQ(Get(id).failure().error(), "the daemon died 3 times while it ran this build");
  EXPECT_EQ(Get(id).failure().detail().reason(), "DAEMON_DIED");
  EXPECT_THAT(Kinds(id), ElementsAre("queued 3", "started", "failed"));
  DrainAtOnce();
  EXPECT_THAT(runner_.started(), IsEmpty());
}

TEST_F(SchedulerTest, TheLastAttemptStillRuns) {
  options_.max_attempts = 3;
  std::string id = LeaveRunning({Queued(2), Started()}, 2);
  Start();
  EXPECT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
  EXPECT_EQ(Get(id).attempt(), 3u);
}

TEST_F(SchedulerTest, SecretsAreLostByARestart) {
  v1::SubmitBuildRequest request = Request("app");
  request.mutable_spec()->add_secrets()->set_id("token");
  std::string id = std::move(queue_->Submit(request)).value().id;
  AppendAll(id, {Queued(1)});
  Start();
  EXPECT_EQ(Get(id).state(), v1::FAILED);
  EXPECT_EQ(Get(id).failure().detail().reason(), "SECRETS_LOST");
  EXPECT_EQ(Get(id).failure().code(), 9);
  DrainAtOnce();
  EXPECT_THAT(runner_.started(), IsEmpty());
}

TEST_F(SchedulerTest, ACancelThatTheDaemonDidNotLiveToCarryOutIsCarriedOut) {
  std::string running = LeaveRunning({Queued(1), Started()});
  std::string queued = LeaveQueued("queued", {Queued(1)});
  std::string fresh = LeaveQueued("fresh", {});
  for (const std::string& id : {running, queued, fresh}) {
    ASSERT_OK(queue_->RequestCancel(id));
  }
  Start();
  for (const std::string& id : {running, queued, fresh}) {
    EXPECT_EQ(Get(id).state(), v1::CANCELED);
  }
  EXPECT_THAT(Kinds(running), ElementsAre("queued 1", "started", "canceled"));
  EXPECT_THAT(Kinds(queued), ElementsAre("queued 1", "canceled"));
  EXPECT_THAT(Kinds(fresh), ElementsAre("queued 1", "canceled"));
  DrainAtOnce();
  EXPECT_THAT(runner_.started(), IsEmpty());
}

TEST_F(SchedulerTest, ADamagedLogEndsItsBuildAndNoOther) {
  std::string running = LeaveRunning({Queued(1), Started()});
  std::string queued = LeaveQueued("queued", {Queued(1), Started()});
  std::string other = LeaveQueued("other", {Queued(1)});
  for (const std::string& id : {running, queued}) {
    std::string path = directory_.path() + "/builds/" + id + "/events";
    ASSERT_OK_AND_ASSIGN(std::string content, ReadFile(path));
    content[15] ^= 1;
    ASSERT_OK(WriteFileAtomically(path, content));
  }
  Start();
  for (const std::string& id : {running, queued}) {
    EXPECT_EQ(Get(id).state(), v1::FAILED);
    EXPECT_EQ(Get(id).failure().code(), 15);
    EXPECT_THAT(Get(id).failure().error(), HasSubstr("the build's event log is damaged"));
  }
  EXPECT_EQ(AwaitEnd(other).state(), v1::SUCCEEDED);
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
