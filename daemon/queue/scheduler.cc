#include "daemon/queue/scheduler.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "daemon/queue/build_end.h"

namespace zlayer {
namespace {

constexpr std::chrono::seconds kRetryDelay{1};
constexpr int kEndAttempts = 10;

// Appends what a runner reports; keeps the first error.
class LogSink : public EventSink {
 public:
  LogSink(const std::string& id, EventLogs* logs)
      : id_(id), logs_(*logs), started_ns_(MonotonicNs()) {}

  void Emit(v1::BuildEvent event) override {
    if (event.has_build_started()) {
      started_ns_ = MonotonicNs();
    }
    absl::Status status = IsTerminal(event) ? Internal("the runner emitted a terminal event")
                                            : logs_.Append(id_, std::move(event)).status();
    if (!status.ok()) {
      Keep(status);
    }
  }

  absl::Status error() {
    MutexLock lock(&mutex_);
    return error_;
  }

  // Since BuildStarted.
  double Seconds() const { return static_cast<double>(MonotonicNs() - started_ns_) / 1e9; }

 private:
  void Keep(const absl::Status& status) {
    {
      MutexLock lock(&mutex_);
      if (!error_.ok()) {
        return;
      }
      error_ = Annotate(status, "the build's events cannot be recorded");
    }
    spdlog::error("build {} will fail: an event is lost: {}", id_, Message(status));
  }

  const std::string id_;
  EventLogs& logs_;
  std::atomic<int64_t> started_ns_;

  Mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

class QueueScheduler : public Scheduler {
 public:
  QueueScheduler(const SchedulerOptions& options, BuildQueue* queue, EventLogs* logs,
                 BuildRunner* runner, uint64_t waiting)
      : drain_timeout_(options.drain_timeout),
        queue_(*queue),
        logs_(*logs),
        runner_(*runner),
        waiting_(waiting) {
    for (uint32_t i = 0; i < std::max<uint32_t>(options.max_running, 1); ++i) {
      threads_.emplace_back([this](std::stop_token stop) { Work(std::move(stop)); });
    }
  }

  ~QueueScheduler() override {
    std::stop_source hurry;
    hurry.request_stop();
    Drain(hurry.get_token());
    threads_.clear();
  }

  absl::StatusOr<std::string> Submit(const v1::SubmitBuildRequest& request) override {
    uint64_t ticket;
    {
      MutexLock lock(&mutex_);
      if (draining_) {
        return Unavailable("the daemon is shutting down; submit the build again later");
      }
      ticket = next_ticket_++;
      submissions_.insert(ticket);
    }
    absl::StatusOr<BuildQueue::Submission> submission = queue_.Submit(request);
    bool is_new = submission.ok() && !submission->existing;
    if (is_new) {
      AppendFirst(submission->id);
    }
    EndSubmission(ticket, is_new);
    RETURN_IF_ERROR(submission.status());
    return submission->id;
  }

  absl::StatusOr<v1::BuildStatus> Cancel(const std::string& id) override {
    ASSIGN_OR_RETURN(v1::BuildStatus status, queue_.RequestCancel(id));
    if (status.state() == v1::RUNNING) {
      StopRunning(id);
      return status;
    }
    if (status.state() == v1::QUEUED) {
      AwaitSubmissions();
      RETURN_IF_ERROR(EndBuild(id, CanceledEvent(), &queue_, &logs_));
      return queue_.Get(id);
    }
    return status;
  }

  void Drain(std::stop_token hurry) override {
    std::vector<std::stop_source> stops;
    {
      MutexLock lock(&mutex_);
      draining_ = true;
      changed_.WaitFor(&mutex_, drain_timeout_, std::move(hurry),
                       [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return busy_ == 0; });
      for (auto& [id, running] : running_) {
        running.drained = true;
        stops.push_back(running.stop);
      }
    }
    for (std::stop_source& stop : stops) {
      stop.request_stop();
    }
    MutexLock lock(&mutex_);
    // Ends because runners end when they are stopped.
    changed_.Wait(&mutex_, {}, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return busy_ == 0; });
  }

 private:
  struct Running {
    std::stop_source stop;
    bool canceled = false;  // `stop` is or will be requested because of Cancel
    bool drained = false;   // ... because of Drain
  };

  void AppendFirst(const std::string& id) {
    absl::Status status = logs_.Append(id, QueuedEvent(1)).status();
    if (!status.ok()) {
      spdlog::warn("build {} is queued, its log cannot be written yet: {}", id, Message(status));
    }
    logs_.Close(id);
  }

  void EndSubmission(uint64_t ticket, bool is_new) {
    {
      MutexLock lock(&mutex_);
      submissions_.erase(ticket);
      waiting_ += is_new ? 1 : 0;
    }
    changed_.NotifyAll();
  }

  // Waits for the submissions that are under way. A build found in the queue before this call has
  // its BuildQueued, if it can be written, after it.
  void AwaitSubmissions() {
    MutexLock lock(&mutex_);
    const uint64_t barrier = next_ticket_;
    // Ends because each Submit takes its ticket out, whatever happens.
    changed_.Wait(&mutex_, {}, [this, barrier]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return submissions_.empty() || *submissions_.begin() >= barrier;
    });
  }

  void StopRunning(const std::string& id) {
    std::stop_source stop(std::nostopstate);
    {
      MutexLock lock(&mutex_);
      auto running = running_.find(id);
      if (running != running_.end()) {
        running->second.canceled = true;
        stop = running->second.stop;
      } else if (taking_ > 0) {
        canceled_while_taken_.insert(id);
      }
    }
    stop.request_stop();
  }

  void Work(std::stop_token stop) {
    while (AwaitWork(stop)) {
      RunNext(stop);
      {
        MutexLock lock(&mutex_);
        --busy_;
      }
      changed_.NotifyAll();
    }
  }

  // Each build that waits is worth one attempt at taking one.
  bool AwaitWork(const std::stop_token& stop) {
    MutexLock lock(&mutex_);
    bool ready = changed_.Wait(&mutex_, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return waiting_ > 0 && !draining_;
    });
    if (!ready) {
      return false;
    }
    --waiting_;
    ++taking_;
    ++busy_;
    return true;
  }

  void RunNext(const std::stop_token& stop) {
    absl::StatusOr<std::optional<QueuedBuild>> build = queue_.Take();
    if (build.ok() && build->has_value()) {
      RunBuild(**build, stop);
      return;
    }
    MutexLock lock(&mutex_);
    EndTaking();
    if (!build.ok()) {
      spdlog::error("taking a build from the queue failed: {}", Message(build.status()));
      changed_.WaitFor(&mutex_, kRetryDelay, stop,
                       [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return draining_; });
      ++waiting_;
    }
  }

  void RunBuild(const QueuedBuild& build, const std::stop_token& stop) {
    AwaitSubmissions();
    std::stop_source cancel = BeginRunning(build.id);
    LogSink sink(build.id, &logs_);
    absl::Status first = EnsureFirstEvent(build.id, &logs_);
    absl::StatusOr<v1::BuildComplete> result =
        first.ok() ? Cancelled("the build was stopped before it began") : first;
    if (first.ok() && !cancel.stop_requested()) {
      result = runner_.Run(build, sink, cancel.get_token());
    }
    Conclude(build, sink, std::move(result), stop);
  }

  std::stop_source BeginRunning(const std::string& id) {
    MutexLock lock(&mutex_);
    Running& running = running_[id];
    running.canceled = canceled_while_taken_.erase(id) > 0;
    running.drained = draining_;
    EndTaking();
    if (running.canceled || running.drained) {
      running.stop.request_stop();
    }
    return running.stop;
  }

  void EndTaking() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (--taking_ == 0) {
      canceled_while_taken_.clear();
    }
  }

  void Conclude(const QueuedBuild& build, LogSink& sink, absl::StatusOr<v1::BuildComplete> result,
                const std::stop_token& stop) {
    const Running running = Find(build.id);
    const absl::Status status = sink.error().ok() ? result.status() : sink.error();
    const bool stopped = absl::IsCancelled(status);
    const bool give_back = stopped && running.drained && !running.canceled;
    if (give_back) {
      GiveBack(build);
    } else {
      End(build.id, TerminalEvent(status, result, stopped && running.canceled, sink), stop);
    }
    logs_.Close(build.id);
    // A cancel that came while the build was given back may have found it neither here nor queued.
    if (Forget(build.id).canceled && give_back) {
      End(build.id, CanceledEvent(), stop);
    }
  }

  static v1::BuildEvent TerminalEvent(const absl::Status& status,
                                      const absl::StatusOr<v1::BuildComplete>& result,
                                      bool canceled, const LogSink& sink) {
    if (!status.ok()) {
      return canceled ? CanceledEvent() : FailedEvent(status);
    }
    v1::BuildEvent event;
    *event.mutable_build_complete() = *result;
    event.mutable_build_complete()->set_seconds(sink.Seconds());
    return event;
  }

  Running Find(const std::string& id) {
    MutexLock lock(&mutex_);
    return running_[id];
  }

  Running Forget(const std::string& id) {
    MutexLock lock(&mutex_);
    Running running = running_[id];
    running_.erase(id);
    return running;
  }

  void GiveBack(const QueuedBuild& build) {
    absl::Status status = queue_.Requeue(build.id, build.attempt);
    if (!status.ok()) {
      spdlog::error("build {} cannot go back to the queue before the next start: {}", build.id,
                    Message(status));
    }
  }

  // Tries for a while: a full disk may have room again. After that the build is put right by the
  // next start.
  void End(const std::string& id, const v1::BuildEvent& event, const std::stop_token& stop) {
    for (int attempt = 1; attempt <= kEndAttempts && !stop.stop_requested(); ++attempt) {
      absl::Status status = EndBuild(id, event, &queue_, &logs_);
      if (absl::IsDataLoss(status)) {
        status = EndDamagedBuild(id, status, &queue_);
      }
      if (status.ok() || absl::IsNotFound(status)) {
        return;
      }
      spdlog::error("the end of build {} cannot be recorded: {}", id, Message(status));
      MutexLock lock(&mutex_);
      changed_.WaitFor(&mutex_, kRetryDelay, stop, [] { return false; });
    }
    spdlog::error("build {} remains without an end until the next start", id);
  }

  // Constant after construction.
  const std::chrono::nanoseconds drain_timeout_;
  BuildQueue& queue_;
  EventLogs& logs_;
  BuildRunner& runner_;

  Mutex mutex_;
  CondVar changed_;  // of any of what follows
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t waiting_ ABSL_GUARDED_BY(mutex_);     // builds that are queued, or more
  uint64_t busy_ ABSL_GUARDED_BY(mutex_) = 0;    // threads that take or run a build
  uint64_t taking_ ABSL_GUARDED_BY(mutex_) = 0;  // those of them that are not in `running_` yet
  std::map<std::string, Running> running_ ABSL_GUARDED_BY(mutex_);
  // Builds that Cancel found running when they were not in `running_`.
  std::set<std::string> canceled_while_taken_ ABSL_GUARDED_BY(mutex_);
  // Submissions under way, in the order in which they began.
  uint64_t next_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<uint64_t> submissions_ ABSL_GUARDED_BY(mutex_);

  std::vector<std::jthread> threads_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Scheduler>> StartScheduler(const SchedulerOptions& options,
                                                          BuildQueue* queue, EventLogs* logs,
                                                          BuildRunner* runner) {
  ASSIGN_OR_RETURN(uint64_t waiting, RecoverBuilds(options.max_attempts, queue, logs));
  return std::make_unique<QueueScheduler>(options, queue, logs, runner, waiting);
}

}  // namespace zlayer
