#include "daemon/queue/scheduler.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "daemon/queue/build_end.h"
#include "daemon/queue/fair_order.h"
#include "daemon/queue/recovery.h"
#include "daemon/queue/stored_request.h"
#include "daemon/queue/waiting_teller.h"

namespace zlayer {
namespace {

using google::protobuf::util::TimeUtil;

constexpr std::chrono::seconds kRetryDelay{1};
constexpr int kEndAttempts = 10;
constexpr Log kLog(LogModule::kQueue);

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
    kLog.Error("a build will fail: an event is lost", {{"build", id_}, {"error", status}});
  }

  const std::string id_;
  EventLogs& logs_;
  std::atomic<int64_t> started_ns_;

  Mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

absl::Status QueueFull(std::string_view message) {
  return WithReason(ResourceExhausted(message), "QUEUE_FULL");
}

class QueueScheduler : public Scheduler, private WaitingSource {
 public:
  QueueScheduler(const SchedulerOptions& options, BuildQueue* queue, EventLogs* logs,
                 BuildRunner* runner)
      : options_(options),
        queue_(*queue),
        logs_(*logs),
        runner_(*runner),
        order_({options.max_running, options.max_running_per_namespace}) {}

  void Start(Recovered recovered) {
    {
      MutexLock lock(&mutex_);
      for (const std::string& name_space : recovered.starts) {
        order_.NoteStart(name_space);
      }
      for (WaitingBuild& build : recovered.queued) {
        order_.Add(std::move(build));
      }
    }
    teller_ = StartWaitingTeller(this, &logs_, options_.waiting_interval);
    for (uint32_t i = 0; i < std::max<uint32_t>(options_.max_running, 1); ++i) {
      threads_.emplace_back([this](std::stop_token stop) { Work(stop); });
    }
    if (!recovered.endings.empty()) {
      threads_.emplace_back([this, ends = std::move(recovered.endings)](std::stop_token stop) {
        for (size_t i = 0; i < ends.size() && !stop.stop_requested(); ++i) {
          End(ends[i], stop);
        }
      });
    }
  }

  ~QueueScheduler() override {
    std::stop_source hurry;
    hurry.request_stop();
    Drain(hurry.get_token());
    threads_.clear();
    teller_.reset();
  }

  absl::StatusOr<std::string> Submit(const v1::SubmitBuildRequest& request) override {
    ASSIGN_OR_RETURN(uint64_t ticket, BeginSubmission(NamespaceOf(request)));
    absl::StatusOr<BuildQueue::Submission> submission = queue_.Submit(request);
    EndSubmission(ticket, request, submission);
    RETURN_IF_ERROR(submission.status());
    return submission->id;
  }

  absl::StatusOr<v1::BuildStatus> Cancel(const std::string& id) override {
    ASSIGN_OR_RETURN(v1::BuildStatus status, queue_.RequestCancel(id));
    if (status.state() == v1::RUNNING) {
      if (StopRunning(id)) {
        return status;
      }
      // It has ended since, or went back to the queue.
      ASSIGN_OR_RETURN(status, queue_.Get(id));
    }
    if (status.state() == v1::QUEUED) {
      Withdraw(id);
      absl::Status ended = EndBuild({id, CreatedNs(status), CanceledEvent()}, &queue_, &logs_);
      if (absl::IsDataLoss(ended)) {
        ended = EndDamagedBuild(id, ended, &queue_);
      }
      RETURN_IF_ERROR(ended);
      return queue_.Get(id);
    }
    return status;
  }

  absl::Status BeginWatch(const std::string& id) override {
    ASSIGN_OR_RETURN(v1::BuildStatus status, queue_.Get(id));
    if (status.state() == v1::QUEUED) {
      RETURN_IF_ERROR(EnsureFirstEvent(id, CreatedNs(status), &logs_).status());
      teller_->WatchBegan();
    }
    return absl::OkStatus();
  }

  void DescribeWaiting(std::span<v1::BuildStatus> builds) override {
    std::vector<std::string> ids;
    for (const v1::BuildStatus& build : builds) {
      if (build.state() == v1::QUEUED) {
        ids.push_back(build.id());
      }
    }
    const std::map<std::string, v1::BuildWaiting> waiting = Waiting(ids);
    for (v1::BuildStatus& build : builds) {
      auto what = waiting.find(build.id());
      if (what != waiting.end() && !what->second.reason().empty()) {
        *build.mutable_waiting() = what->second;
      }
    }
  }

  void Drain(std::stop_token hurry) override {
    std::vector<std::stop_source> stops;
    {
      MutexLock lock(&mutex_);
      draining_ = true;
      pause_.NotifyAll();
      OrderChanged();
      idle_.WaitFor(&mutex_, options_.drain_timeout, std::move(hurry),
                    [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return running_.empty(); });
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
    idle_.Wait(&mutex_, {}, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return running_.empty(); });
  }

 private:
  // A build that a worker has: from the moment at which it was chosen until all of it is done.
  struct Running {
    std::stop_source stop;
    bool canceled = false;    // `stop` is or will be requested because of Cancel
    bool drained = false;     // ... because of Drain
    bool given_back = false;  // its row is queued again; Cancel must end it
  };

  static std::string NamespaceOf(const v1::SubmitBuildRequest& request) {
    return request.namespace_().empty() ? "default" : request.namespace_();
  }
  static int64_t CreatedNs(const v1::BuildStatus& status) {
    return TimeUtil::TimestampToNanoseconds(status.created());
  }

  // A place in the queue, which counts until EndSubmission.
  absl::StatusOr<uint64_t> BeginSubmission(const std::string& name_space) {
    MutexLock lock(&mutex_);
    if (draining_) {
      return Unavailable("the daemon is shutting down; submit the build again later");
    }
    if (order_.waiting() + submissions_.size() >= options_.max_queued) {
      return QueueFull(fmt::format(
          "{} builds wait, which is the most (queue.max_queued); submit the build again later",
          options_.max_queued));
    }
    auto same = std::count_if(submissions_.begin(), submissions_.end(),
                              [&](const auto& other) { return other.second == name_space; });
    if (order_.waiting(name_space) + static_cast<size_t>(same) >=
        options_.max_queued_per_namespace) {
      return QueueFull(
          fmt::format("{} builds of namespace \"{}\" wait, which is the most for one namespace "
                      "(queue.max_queued_per_namespace); submit the build again later",
                      options_.max_queued_per_namespace, name_space));
    }
    submissions_.emplace(next_ticket_, name_space);
    return next_ticket_++;
  }

  void EndSubmission(uint64_t ticket, const v1::SubmitBuildRequest& request,
                     const absl::StatusOr<BuildQueue::Submission>& submission) {
    MutexLock lock(&mutex_);
    submissions_.erase(ticket);
    if (withdrawals_ > 0) {
      submitted_.NotifyAll();
    }
    if (submission.ok() && !submission->existing) {
      kLog.Info("build queued", {{"build", submission->id},
                                 {"namespace", NamespaceOf(request)},
                                 {"priority", request.priority()},
                                 {"title", TitleOf(request.spec())}});
      if (request.spec().registry_credentials_size() > 0) {
        credentials_[submission->id] = request.spec().registry_credentials();
      }
      order_.Add(
          {submission->id, NamespaceOf(request), request.priority(), submission->created_ns});
      startable_.NotifyOne();
      OrderChanged();
    }
  }

  // A build whose row says that it waits and is to be canceled leaves the order. Where it is not
  // in it, it is being taken, or its submission may not have put it there yet.
  void Withdraw(const std::string& id) {
    MutexLock lock(&mutex_);
    if (!order_.Remove(id)) {
      const uint64_t barrier = next_ticket_;
      ++withdrawals_;
      // Ends because each Submit takes its ticket out, whatever happens.
      submitted_.Wait(&mutex_, {}, [this, barrier]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return submissions_.empty() || submissions_.begin()->first >= barrier;
      });
      --withdrawals_;
      order_.Remove(id);
    }
    credentials_.erase(id);
    OrderChanged();
  }

  // False where nothing is left to stop.
  bool StopRunning(const std::string& id) {
    std::stop_source stop(std::nostopstate);
    {
      MutexLock lock(&mutex_);
      auto running = running_.find(id);
      if (running == running_.end() || running->second.given_back) {
        return false;
      }
      running->second.canceled = true;
      stop = running->second.stop;
    }
    stop.request_stop();
    return true;
  }

  void OrderChanged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { teller_->OrderChanged(); }

  std::map<std::string, v1::BuildWaiting> Waiting(const std::vector<std::string>& ids) override {
    std::map<std::string, v1::BuildWaiting> result;
    if (ids.empty()) {
      return result;
    }
    MutexLock lock(&mutex_);
    for (const auto& [id, place] : order_.Places(ids)) {
      v1::BuildWaiting& waiting = result[id];
      waiting.set_position(place.position);
      waiting.set_reason(Reason(place.hindrance, order_.Find(id)->name_space));
    }
    return result;
  }

  std::string Reason(FairOrder::Hindrance hindrance, std::string_view name_space) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (draining_) {
      return "the daemon is shutting down";
    }
    auto builds = [](uint32_t count) {
      return count == 1 ? "1 build" : fmt::format("{} builds", count);
    };
    auto run = [](uint32_t count) { return count == 1 ? "runs" : "run"; };
    const FairOrder::Limits& limits = order_.limits();
    switch (hindrance) {
      case FairOrder::Hindrance::kRunning:
        return fmt::format("{} {}, which is the most (queue.max_running)", builds(limits.running),
                           run(limits.running));
      case FairOrder::Hindrance::kRunningPerNamespace:
        return fmt::format(
            "{} of namespace \"{}\" {}, which is the most for one namespace "
            "(queue.max_running_per_namespace)",
            builds(limits.running_per_namespace), name_space, run(limits.running_per_namespace));
      case FairOrder::Hindrance::kNone:
        break;
    }
    return "";
  }

  std::optional<int64_t> Hold(const std::string& id) override {
    MutexLock lock(&mutex_);
    const WaitingBuild* build = order_.Find(id);
    if (build == nullptr) {
      return std::nullopt;
    }
    held_ = id;
    return build->created_ns;
  }

  void Release() override {
    {
      MutexLock lock(&mutex_);
      held_.clear();
    }
    released_.NotifyAll();
  }

  void Work(const std::stop_token& stop) {
    while (std::optional<WaitingBuild> build = AwaitNext(stop)) {
      const bool again = TryRun(*build, stop);
      logs_.Close(build->id);
      Leave(*std::move(build), again);
    }
  }

  // The next build, which counts as one that runs from here on.
  std::optional<WaitingBuild> AwaitNext(const std::stop_token& stop) {
    MutexLock lock(&mutex_);
    bool ready = startable_.Wait(&mutex_, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return !draining_ && order_.Next() != nullptr;
    });
    if (!ready) {
      return std::nullopt;
    }
    WaitingBuild build = *order_.Next();
    order_.Start(build.id);
    running_.try_emplace(build.id);
    OrderChanged();
    // Ends because the teller releases what it holds.
    released_.Wait(&mutex_, {}, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return held_ != build.id; });
    return build;
  }

  // The build is done with, or waits again. Each end makes room for one more.
  void Leave(WaitingBuild build, bool again) {
    MutexLock lock(&mutex_);
    order_.End(build.id);
    running_.erase(build.id);
    if (again) {
      order_.Add(std::move(build));
      teller_->WatchBegan();
    }
    OrderChanged();
    startable_.NotifyOne();
    if (running_.empty()) {
      idle_.NotifyAll();
    }
  }

  // Returns whether the build waits again.
  bool TryRun(const WaitingBuild& waiting, const std::stop_token& stop) {
    // Before the row says that it runs: whoever watches a build that runs finds a log.
    absl::StatusOr<v1::BuildEvent> last = EnsureFirstEvent(waiting.id, waiting.created_ns, &logs_);
    absl::StatusOr<std::optional<QueuedBuild>> build = queue_.Take(waiting.id);
    if (!build.ok()) {
      kLog.Error("a build cannot be taken from the queue",
                 {{"build", waiting.id}, {"error", build.status()}});
      MutexLock lock(&mutex_);
      pause_.WaitFor(&mutex_, kRetryDelay, stop,
                     [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return draining_; });
      return true;
    }
    if (!build->has_value()) {
      return false;  // Cancel ends it
    }
    if (last.ok() && IsTerminal(*last)) {
      End({waiting.id, waiting.created_ns, *last}, stop);
      return false;
    }
    GiveCredentials(&**build);
    return RunTaken(waiting, **build, last, stop);
  }

  // Those that came with the request, which the row does not have.
  void GiveCredentials(QueuedBuild* build) {
    MutexLock lock(&mutex_);
    if (auto kept = credentials_.find(build->id); kept != credentials_.end()) {
      build->request.mutable_spec()->mutable_registry_credentials()->Swap(&kept->second);
      credentials_.erase(kept);
    }
  }

  bool RunTaken(const WaitingBuild& waiting, const QueuedBuild& build,
                const absl::StatusOr<v1::BuildEvent>& last, const std::stop_token& stop) {
    LogSink sink(build.id, &logs_);
    absl::StatusOr<v1::BuildComplete> result = Run(build, last, sink);
    if (!sink.error().ok()) {
      result = sink.error();
    }
    const Running running = Find(build.id);
    if (absl::IsCancelled(result.status()) && running.drained && !running.canceled) {
      if (!GiveBack(build)) {
        return false;
      }
      if (!MarkGivenBack(build.id)) {
        return true;
      }
      End({build.id, waiting.created_ns, CanceledEvent()}, stop);
    } else {
      End({build.id, waiting.created_ns, TerminalEvent(result, running.canceled, sink),
           sink.Seconds()},
          stop);
    }
    return false;
  }

  absl::StatusOr<v1::BuildComplete> Run(const QueuedBuild& build,
                                        const absl::StatusOr<v1::BuildEvent>& last, LogSink& sink) {
    RETURN_IF_ERROR(last.status());
    if (!last->has_build_waiting() && last->build_queued().attempt() != build.attempt) {
      RETURN_IF_ERROR(logs_.Append(build.id, QueuedEvent(build.attempt)).status());
    }
    const std::stop_token stop = Find(build.id).stop.get_token();
    if (stop.stop_requested()) {
      return Cancelled("the build was stopped before it began");
    }
    kLog.Info("build started", {{"build", build.id}, {"attempt", build.attempt}});
    return runner_.Run(build, sink, stop);
  }

  static v1::BuildEvent TerminalEvent(const absl::StatusOr<v1::BuildComplete>& result,
                                      bool canceled, const LogSink& sink) {
    if (!result.ok()) {
      return canceled && absl::IsCancelled(result.status()) ? CanceledEvent()
                                                            : FailedEvent(result.status());
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

  // Returns whether it was canceled before; from now on Cancel ends it.
  bool MarkGivenBack(const std::string& id) {
    MutexLock lock(&mutex_);
    Running& running = running_[id];
    running.given_back = true;
    return running.canceled;
  }

  // With the log first: a daemon that dies in between counts an attempt, and loses no event.
  bool GiveBack(const QueuedBuild& build) {
    absl::Status logged = logs_.Append(build.id, QueuedEvent(build.attempt)).status();
    if (!logged.ok()) {
      kLog.Warn("a build waits again, its log does not say so",
                {{"build", build.id}, {"error", logged}});
    }
    absl::Status status = queue_.Requeue(build.id, build.attempt);
    if (!status.ok()) {
      kLog.Error("a build cannot go back to the queue before the next start",
                 {{"build", build.id}, {"error", status}});
    } else {
      kLog.Info("build stopped; it goes back to the queue", {{"build", build.id}});
    }
    return status.ok();
  }

  // Tries for a while: a full disk may have room again. After that the build is put right by the
  // next start.
  void End(const BuildEnd& end, const std::stop_token& stop) {
    for (int attempt = 1; attempt <= kEndAttempts && !stop.stop_requested(); ++attempt) {
      absl::Status status = EndBuild(end, &queue_, &logs_);
      if (absl::IsDataLoss(status)) {
        status = EndDamagedBuild(end.id, status, &queue_);
      }
      if (status.ok() || absl::IsNotFound(status)) {
        return;
      }
      kLog.Error("the end of a build cannot be recorded", {{"build", end.id}, {"error", status}});
      MutexLock lock(&mutex_);
      pause_.WaitFor(&mutex_, kRetryDelay, stop, [] { return false; });
    }
    kLog.Error("a build remains without an end until the next start", {{"build", end.id}});
  }

  // Constant after construction.
  const SchedulerOptions options_;
  BuildQueue& queue_;
  EventLogs& logs_;
  BuildRunner& runner_;
  std::unique_ptr<WaitingTeller> teller_;

  Mutex mutex_;
  // One for each reason to wait, so that a submission wakes one worker and nobody else.
  CondVar startable_;  // a build may start
  CondVar released_;   // `held_` is empty
  CondVar submitted_;  // a ticket is gone
  CondVar idle_;       // nothing runs
  CondVar pause_;      // it drains
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  FairOrder order_ ABSL_GUARDED_BY(mutex_);
  // Of builds that wait. In memory only.
  std::map<std::string, google::protobuf::RepeatedPtrField<v1::RegistryCredential>> credentials_
      ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Running> running_ ABSL_GUARDED_BY(mutex_);
  std::string held_ ABSL_GUARDED_BY(mutex_);  // the build whose log the teller writes
  // Submissions under way, in the order in which they began, with their namespaces.
  uint64_t next_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, std::string> submissions_ ABSL_GUARDED_BY(mutex_);
  uint64_t withdrawals_ ABSL_GUARDED_BY(mutex_) = 0;  // that wait for them

  std::vector<std::jthread> threads_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Scheduler>> StartScheduler(const SchedulerOptions& options,
                                                          BuildQueue* queue, EventLogs* logs,
                                                          BuildRunner* runner) {
  ASSIGN_OR_RETURN(Recovered recovered, RecoverBuilds(options.max_attempts, queue, logs));
  auto scheduler = std::make_unique<QueueScheduler>(options, queue, logs, runner);
  scheduler->Start(std::move(recovered));
  return scheduler;
}

}  // namespace zlayer
