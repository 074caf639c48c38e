// What tests of the scheduler share: a runner that does as told, logs that can fail, and a queue
// and logs on disk that outlive one scheduler after the other.
#ifndef ZLAYER_DAEMON_QUEUE_SCHEDULER_FIXTURE_H_
#define ZLAYER_DAEMON_QUEUE_SCHEDULER_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "daemon/events/event_log.h"
#include "daemon/queue/build_queue.h"
#include "daemon/queue/scheduler.h"
#include "registry/meta/database.h"
#include "tests/status_matchers.h"

namespace zlayer {

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
  absl::StatusOr<v1::BuildEvent> Begin(const std::string& id, v1::BuildEvent first) override {
    if (on_append) {
      RETURN_IF_ERROR(on_append(id, first));
    }
    return logs_->Begin(id, std::move(first));
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
  std::vector<std::string> Watched() override { return logs_->Watched(); }
  absl::StatusOr<std::vector<std::string>> Ids() override { return logs_->Ids(); }
  absl::Status Remove(const std::string& id) override { return logs_->Remove(id); }
  void Close(const std::string& id) override { logs_->Close(id); }

  // Set while no scheduler runs. Called from several threads.
  std::function<absl::Status(const std::string& id, const v1::BuildEvent& event)> on_append;

 private:
  std::unique_ptr<EventLogs> logs_;
};

inline v1::SubmitBuildRequest Request(const std::string& name, int32_t priority = 0) {
  v1::SubmitBuildRequest request;
  request.set_priority(priority);
  request.mutable_spec()->add_tags(name);
  return request;
}

inline v1::SubmitBuildRequest RequestOf(const std::string& name_space, const std::string& name) {
  v1::SubmitBuildRequest request = Request(name);
  request.set_namespace_(name_space);
  return request;
}

inline v1::BuildEvent Queued(uint32_t attempt) {
  v1::BuildEvent event;
  event.mutable_build_queued()->set_attempt(attempt);
  return event;
}

inline v1::BuildEvent Started() {
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
    EXPECT_OK(queue_->Take(id));
    if (attempt > 1) {
      EXPECT_OK(queue_->Requeue(id, attempt));
      EXPECT_OK(queue_->Take(id));
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
      } else if (event.has_build_waiting()) {
        kinds.push_back("waiting " + std::to_string(event.build_waiting().position()));
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

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_SCHEDULER_FIXTURE_H_
