#include "daemon/queue/waiting_teller.h"

#include <algorithm>
#include <atomic>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/errors.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "daemon/queue/build_end.h"

namespace zlayer {
namespace {

using std::chrono::nanoseconds;

// Between two looks at the order, so that many watches that begin at once share one.
constexpr std::chrono::milliseconds kPause{20};

bool IsSame(const v1::BuildWaiting& a, const v1::BuildWaiting& b) {
  return a.position() == b.position() && a.reason() == b.reason();
}

class ThreadWaitingTeller : public WaitingTeller {
 public:
  ThreadWaitingTeller(WaitingSource* source, EventLogs* logs, nanoseconds interval)
      : source_(*source), logs_(*logs), interval_(interval) {
    thread_ = std::jthread([this](std::stop_token stop) { Run(std::move(stop)); });
  }

  void WatchBegan() override {
    {
      MutexLock lock(&mutex_);
      watching_ = true;
      began_ = true;
      changed_ = true;
    }
    wake_.NotifyOne();
  }

  void OrderChanged() override {
    if (!watching_) {
      return;
    }
    {
      MutexLock lock(&mutex_);
      changed_ = true;
    }
    wake_.NotifyOne();
  }

 private:
  struct Told {
    v1::BuildWaiting waiting;
    int64_t time_ns = 0;
  };

  void Run(const std::stop_token& stop) {
    nanoseconds delay{0};
    while (Await(delay, stop)) {
      delay = Look();
    }
  }

  // Waits until there is something to look at, and for `delay` unless a watch begins.
  bool Await(nanoseconds delay, const std::stop_token& stop) {
    MutexLock lock(&mutex_);
    wake_.Wait(&mutex_, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return changed_; });
    wake_.WaitFor(&mutex_, delay, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return began_; });
    wake_.WaitFor(&mutex_, kPause, stop, [] { return false; });
    changed_ = false;
    began_ = false;
    return !stop.stop_requested();
  }

  // Tells whom there is something to tell. Returns how long to wait before the next look.
  nanoseconds Look() {
    const std::map<std::string, v1::BuildWaiting> waiting = source_.Waiting(logs_.Watched());
    std::erase_if(told_, [&](const auto& told) { return !waiting.contains(told.first); });
    nanoseconds delay = interval_;
    for (const auto& [id, what] : waiting) {
      const nanoseconds left = TimeLeft(id);
      delay = std::min(delay, std::max(left, interval_ / 5));
      if (!IsNews(id, what)) {
        continue;
      }
      if (left.count() > 0) {
        LookAgain();
      } else {
        Tell(id, what);
      }
    }
    MutexLock lock(&mutex_);
    watching_ = began_ || !waiting.empty();
    return delay;
  }

  // Until the build may be told of again.
  nanoseconds TimeLeft(const std::string& id) const {
    auto told = told_.find(id);
    return told == told_.end() ? nanoseconds(0)
                               : interval_ - nanoseconds(MonotonicNs() - told->second.time_ns);
  }

  bool IsNews(const std::string& id, const v1::BuildWaiting& what) const {
    auto told = told_.find(id);
    return !what.reason().empty() && (told == told_.end() || !IsSame(what, told->second.waiting));
  }

  void LookAgain() {
    MutexLock lock(&mutex_);
    changed_ = true;
  }

  void Tell(const std::string& id, const v1::BuildWaiting& what) {
    std::optional<int64_t> created_ns = source_.Hold(id);
    if (!created_ns.has_value()) {
      return;
    }
    absl::Status status = Append(id, *created_ns, what);
    source_.Release();
    // A build that was canceled meanwhile is not told of any more.
    if (!status.ok() && !absl::IsFailedPrecondition(status)) {
      Log(LogModule::kQueue)
          .Warn("what a build waits for cannot be recorded", {{"build", id}, {"error", status}});
    }
    told_[id] = {what, MonotonicNs()};
  }

  absl::Status Append(const std::string& id, int64_t created_ns, const v1::BuildWaiting& what) {
    ASSIGN_OR_RETURN(v1::BuildEvent last, EnsureFirstEvent(id, created_ns, &logs_));
    // Somebody else may have watched before.
    if (last.has_build_waiting() && IsSame(last.build_waiting(), what)) {
      return absl::OkStatus();
    }
    v1::BuildEvent event;
    *event.mutable_build_waiting() = what;
    absl::Status status = logs_.Append(id, std::move(event)).status();
    logs_.Close(id);
    return status;
  }

  WaitingSource& source_;
  EventLogs& logs_;
  const nanoseconds interval_;

  // Of the thread: what those who watch know.
  std::map<std::string, Told> told_;

  std::atomic<bool> watching_{false};  // a queued build, perhaps; written with the mutex held
  Mutex mutex_;
  CondVar wake_;
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;  // since the last look
  bool began_ ABSL_GUARDED_BY(mutex_) = false;    // a watch

  std::jthread thread_;  // last: ends before what it uses
};

}  // namespace

std::unique_ptr<WaitingTeller> StartWaitingTeller(WaitingSource* source, EventLogs* logs,
                                                  nanoseconds interval) {
  return std::make_unique<ThreadWaitingTeller>(source, logs, interval);
}

}  // namespace zlayer
