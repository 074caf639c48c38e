#include "daemon/service/event_stream.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "base/errors.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "proto/grpc_status.h"

namespace zlayer {
namespace {

// Either idle, or busy: a pump is submitted or running, or a write is in flight. Whoever makes it
// busy starts the pump; the pump passes on to the write, the write's end to the next pump. So only
// one of them touches the reader and the event, without a lock.
class EventStream : public grpc::ServerWriteReactor<v1::BuildEvent> {
 public:
  EventStream(const CallHost& host, EventLogs* logs,
              std::function<absl::StatusOr<WatchPosition>()> start)
      : host_(host), logs_(logs), start_(std::move(start)) {
    host_.quick->Submit([this] { Begin(); });
  }

  // Where nothing is left to send, without a thread of the pool: a thousand watchers of one build
  // come by here at once.
  void OnWriteDone(bool ok) override {
    if (ok && follow_ && !ended_ && !reader_->MayHaveNext() && GoIdle()) {
      return;
    }
    if (!ok) {
      write_failed_ = true;
    }
    host_.quick->Submit([this] { Pump(); });
  }

  void OnCancel() override {
    {
      MutexLock lock(&mutex_);
      canceled_ = true;
    }
    Wake();
  }

  void OnDone() override { delete this; }

 private:
  void Begin() {
    absl::Status status = Open();
    if (!status.ok() || ended_) {
      return End(status);
    }
    on_stopping_.emplace(host_.stopping, [this] { Wake(); });
    Pump();
  }

  // Subscribes before it looks at the log, so that no event, nor its removal, is missed in between.
  absl::Status Open() {
    ASSIGN_OR_RETURN(WatchPosition position, start_());
    after_ = position.after;
    follow_ = position.follow;
    subscription_ = logs_->Subscribe(position.build_id, [this] { Wake(); });
    if (position.subscribed) {
      RETURN_IF_ERROR(position.subscribed());
    }
    ASSIGN_OR_RETURN(v1::BuildEvent last, logs_->Last(position.build_id));
    ended_ = IsTerminal(last) && last.sequence() <= after_;
    // A log that lost its newest events to a power failure is shorter than what the client saw.
    ASSIGN_OR_RETURN(reader_, logs_->Read(position.build_id, std::min(after_, last.sequence())));
    return absl::OkStatus();
  }

  void Wake() {
    {
      MutexLock lock(&mutex_);
      if (busy_) {
        woken_ = true;
        return;
      }
      busy_ = true;
    }
    host_.quick->Submit([this] { Pump(); });
  }

  // Sends the next event, or ends the call, or goes idle. After any of them `this` may be gone.
  void Pump() {
    while (true) {
      if (ended_) {
        return End(absl::OkStatus());
      }
      if (host_.stopping.stop_requested()) {
        return End(
            Unavailable("the daemon is stopping; the build can be watched again after that"));
      }
      if (write_failed_ || Canceled()) {
        return End(Cancelled("the client went away"));
      }
      absl::StatusOr<bool> next = reader_->Next(&event_);
      if (!next.ok()) {
        return End(next.status());
      }
      if (*next) {
        ended_ = IsTerminal(event_);
        if (event_.sequence() > after_) {
          return StartWrite(&event_);
        }
      } else if (!follow_) {
        return End(absl::OkStatus());
      } else if (GoIdle()) {
        return;
      }
    }
  }

  bool Canceled() {
    MutexLock lock(&mutex_);
    return canceled_;
  }

  // False where something happened since the last look at the log.
  bool GoIdle() {
    MutexLock lock(&mutex_);
    busy_ = std::exchange(woken_, false);
    return !busy_;
  }

  // Nobody wakes this stream once both registrations are gone.
  void End(const absl::Status& status) {
    on_stopping_.reset();
    subscription_.reset();
    reader_.reset();
    Finish(ToGrpc(status));
  }

  const CallHost host_;
  EventLogs* const logs_;
  const std::function<absl::StatusOr<WatchPosition>()> start_;

  // Of whoever keeps the stream busy.
  uint64_t after_ = 0;
  bool follow_ = true;
  std::unique_ptr<EventReader> reader_;
  std::unique_ptr<EventLogs::Subscription> subscription_;
  std::optional<std::stop_callback<std::function<void()>>> on_stopping_;
  v1::BuildEvent event_;
  bool ended_ = false;
  bool write_failed_ = false;

  Mutex mutex_;
  bool busy_ ABSL_GUARDED_BY(mutex_) = true;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool canceled_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerWriteReactor<v1::BuildEvent>* StreamEvents(
    const CallHost& host, EventLogs* logs, std::function<absl::StatusOr<WatchPosition>()> start) {
  return new EventStream(host, logs, std::move(start));
}

}  // namespace zlayer
