// Streams that send what is recorded, in order, then what comes, until the end: the events of
// builds and of pipelines.
#ifndef ZLAYER_DAEMON_SERVICE_FOLLOWED_STREAM_H_
#define ZLAYER_DAEMON_SERVICE_FOLLOWED_STREAM_H_

#include <absl/status/statusor.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "base/errors.h"
#include "base/mutex.h"
#include "daemon/service/call_host.h"
#include "proto/grpc_status.h"

namespace zlayer {

// What a stream reads. Used by one thread at a time, but for the subscription.
template <typename Event>
struct Feed {
  // The next event that is recorded; false where there is none yet.
  std::function<absl::StatusOr<bool>(Event*)> next;
  // False where `next` would find nothing, as far as memory tells; must not wait.
  std::function<bool()> may_have_next;
  // Whether this event is the last one.
  std::function<bool(const Event&)> is_last;
  uint64_t after = 0;  // events with a greater number are sent
  bool follow = true;  // else the stream ends after what is recorded
  bool ended = false;  // nothing is left to send
  // Goes before all else: after that nobody wakes the stream.
  std::shared_ptr<void> subscription;
};

// Learns what to read and subscribes `wake` to it, in this order: subscribe, look. So no event, nor
// a removal, is missed in between. An error ends the call.
template <typename Event>
using FeedOpener = std::function<absl::StatusOr<Feed<Event>>(std::function<void()> wake)>;

// Either idle, or busy: a pump is submitted or running, or a write is in flight. Whoever makes it
// busy starts the pump; the pump passes on to the write, the write's end to the next pump. So only
// one of them touches the feed and the event, without a lock.
template <typename Event>
class FollowedStream : public grpc::ServerWriteReactor<Event> {
 public:
  FollowedStream(const CallHost& host, FeedOpener<Event> open)
      : host_(host), open_(std::move(open)) {
    host_.quick->Submit([this] { Begin(); });
  }

  // Where nothing is left to send, without a thread of the pool: a thousand watchers of one build
  // come by here at once.
  void OnWriteDone(bool ok) override {
    if (ok && feed_.follow && !feed_.ended && !feed_.may_have_next() && GoIdle()) {
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
    absl::StatusOr<Feed<Event>> feed = open_([this] { Wake(); });
    if (!feed.ok()) {
      return End(feed.status());
    }
    feed_ = *std::move(feed);
    if (feed_.ended) {
      return End(absl::OkStatus());
    }
    on_stopping_.emplace(host_.stopping, [this] { Wake(); });
    Pump();
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
      if (feed_.ended) {
        return End(absl::OkStatus());
      }
      if (host_.stopping.stop_requested()) {
        return End(Unavailable("the daemon is stopping; this can be watched again after that"));
      }
      if (write_failed_ || Canceled()) {
        return End(Cancelled("the client went away"));
      }
      absl::StatusOr<bool> next = feed_.next(&event_);
      if (!next.ok()) {
        return End(next.status());
      }
      if (*next) {
        feed_.ended = feed_.is_last(event_);
        if (event_.sequence() > feed_.after) {
          return this->StartWrite(&event_);
        }
      } else if (!feed_.follow) {
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

  // False where something happened since the last look.
  bool GoIdle() {
    MutexLock lock(&mutex_);
    busy_ = std::exchange(woken_, false);
    return !busy_;
  }

  // Nobody wakes this stream once both registrations are gone.
  void End(const absl::Status& status) {
    on_stopping_.reset();
    feed_.subscription.reset();
    feed_.next = nullptr;
    this->Finish(ToGrpc(status));
  }

  const CallHost host_;
  const FeedOpener<Event> open_;

  // Of whoever keeps the stream busy.
  Feed<Event> feed_;
  std::optional<std::stop_callback<std::function<void()>>> on_stopping_;
  Event event_;
  bool write_failed_ = false;

  Mutex mutex_;
  bool busy_ ABSL_GUARDED_BY(mutex_) = true;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool canceled_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_FOLLOWED_STREAM_H_
