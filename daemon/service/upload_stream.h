// Calls in which the client sends a stream: UploadStream answers while it receives, UploadCall once
// at the end. One message is read while the one before it is handled, so a fast client waits and no
// memory grows; replies go out meanwhile, so that a client that sends before it reads does not
// stand still. How many bytes a call may send is its handler's to say; how large the parts of a
// message may be is in request_limits.h, and how many messages there may be in call_host.h.
#ifndef ZLAYER_DAEMON_SERVICE_UPLOAD_STREAM_H_
#define ZLAYER_DAEMON_SERVICE_UPLOAD_STREAM_H_

#include <absl/status/status.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/mutex.h"
#include "daemon/service/call_host.h"
#include "daemon/service/idle_timer.h"
#include "daemon/service/request_limits.h"
#include "daemon/service/upload_handler.h"
#include "proto/grpc_status.h"

namespace zlayer {

// What both kinds share. `Reactor` is gRPC's base class.
//
// Reads and steps alternate: a step takes the message that was read and begins the next read, whose
// end waits for the step's. What a read brings after the last step is dropped.
//
// The call has a result as soon as the handler is done or failed, the client is gone, nothing
// moves, or the daemon stops. It finishes when it has a result, no step runs, nobody is about to
// call gRPC and no write is in flight; Settle decides that under the lock, and gRPC is called
// outside it. Tasks and callbacks hold the object through `self_`, which OnDone gives up.
template <typename Reactor, typename Request, typename Response>
class UploadBase : public Reactor {
 public:
  using Handler = UploadHandler<Request, Response>;

  UploadBase(const CallHost& host, grpc::CallbackServerContext* context,
             std::unique_ptr<Handler> handler)
      : host_(host), context_(context), handler_(std::move(handler)) {}

  // Once, after construction.
  void Begin(std::shared_ptr<UploadBase> self) {
    self_ = std::move(self);
    timer_.emplace(host_.idle_limit, [this] { return OnIdle(); });
    on_stopping_.emplace(host_.stopping, [this] {
      Abort(Unavailable("the daemon is stopping; send the upload again after that"));
    });
    Read();
  }

  void OnReadDone(bool ok) override {
    {
      MutexLock lock(&mutex_);
      if (result_.has_value()) {
        return;
      }
      if (stepping_) {
        read_ = ok;
        return;
      }
      stepping_ = true;
    }
    timer_->Touch();
    host_.transfers->Submit([this, self = self_, ok] { Work(ok); });
  }

  void OnCancel() override {
    stop_.request_stop();
    Abort(Cancelled("the client went away"));
  }

  // What the handler holds may take time to drop, and the timer may be calling.
  void OnDone() override {
    host_.transfers->Submit([self = std::move(self_)] {
      self->on_stopping_.reset();
      self->timer_.reset();
    });
  }

 protected:
  // Says what becomes of replies; called with the lock held. Returns whether a write must begin.
  virtual bool Queue(std::vector<Response> replies) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // Whether replies are still on their way.
  virtual bool Writing() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // Begins the write that Queue asked for.
  virtual void Write() = 0;

  void Abort(const absl::Status& status) {
    {
      MutexLock lock(&mutex_);
      if (!result_.has_value()) {
        result_ = status;
      }
    }
    Settle();
  }

  // Finishes where it is time to.
  void Settle() {
    std::optional<absl::Status> result;
    {
      MutexLock lock(&mutex_);
      if (!result_.has_value() || finished_ || stepping_ || holds_ > 0 || Writing()) {
        return;
      }
      finished_ = true;
      result = result_;
    }
    this->Finish(ToGrpc(*result));
  }

  Mutex mutex_;
  std::optional<absl::Status> result_ ABSL_GUARDED_BY(mutex_);
  std::optional<IdleTimer> timer_;

 private:
  void Read() {
    {
      MutexLock lock(&mutex_);
      if (result_.has_value()) {
        return;
      }
      ++holds_;
    }
    this->StartRead(&message_);
    Release(std::nullopt);
  }

  // Steps as long as messages are there.
  void Work(bool ok) {
    for (std::optional<bool> next = ok; next.has_value();) {
      next = Step(*next);
    }
    Settle();
  }

  // `ok` is false where the client sent its last message or is gone; OnCancel tells the latter.
  // Returns the same of the next message where it was read meanwhile.
  std::optional<bool> Step(bool ok) {
    std::vector<Response> replies;
    absl::Status status;
    if (ok) {
      std::swap(message_, current_);
      Read();
      status = CheckMessage();
      if (status.ok()) {
        status = handler_->Receive(current_, &replies, stop_.get_token());
      }
    } else if (!context_->IsCancelled()) {
      status = handler_->End(&replies, stop_.get_token());
    }
    bool over = !ok || !status.ok() || handler_->Done();
    timer_->Touch();
    bool write = false;
    std::optional<bool> next;
    {
      MutexLock lock(&mutex_);
      if (status.ok() && !result_.has_value()) {
        write = Queue(std::move(replies));
      }
      if (over && !result_.has_value()) {
        result_ = status;
      }
      if (!result_.has_value()) {
        next = std::exchange(read_, std::nullopt);
      }
      stepping_ = next.has_value();
    }
    if (write) {
      Write();
    }
    return next;
  }

  absl::Status CheckMessage() {
    if (++messages_ > host_.max_messages) {
      return ResourceExhausted("the upload has more messages than can be; send larger ones");
    }
    return CheckLimits(current_);
  }

  bool OnIdle() {
    bool writing = false;
    {
      MutexLock lock(&mutex_);
      if (stepping_) {
        return true;
      }
      writing = Writing();
      ++holds_;
    }
    if (writing) {
      // The client does not read: no status would reach it.
      context_->TryCancel();
    }
    Release(absl::DeadlineExceededError("no message came for too long; the upload was dropped"));
    return false;
  }

  void Release(std::optional<absl::Status> result) {
    {
      MutexLock lock(&mutex_);
      --holds_;
      if (!result_.has_value()) {
        result_ = std::move(result);
      }
    }
    Settle();
  }

  const CallHost host_;
  grpc::CallbackServerContext* const context_;
  const std::unique_ptr<Handler> handler_;
  std::shared_ptr<UploadBase> self_;
  std::optional<std::stop_callback<std::function<void()>>> on_stopping_;
  std::stop_source stop_;
  Request message_;  // of the read
  Request current_;  // of the step
  uint64_t messages_ = 0;

  bool stepping_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<bool> read_ ABSL_GUARDED_BY(mutex_);  // how a read ended that a step is to see
  int holds_ ABSL_GUARDED_BY(mutex_) = 0;             // of those about to call gRPC
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

template <typename Request, typename Response>
class UploadStream
    : public UploadBase<grpc::ServerBidiReactor<Request, Response>, Request, Response> {
 public:
  using Base = UploadBase<grpc::ServerBidiReactor<Request, Response>, Request, Response>;
  using Base::Base;

  void OnWriteDone(bool ok) override {
    bool more = false;
    {
      MutexLock lock(&this->mutex_);
      out_.pop_front();
      if (!ok || (this->result_.has_value() && !this->result_->ok())) {
        out_.clear();
      }
      more = !out_.empty();
    }
    this->timer_->Touch();
    if (more) {
      Write();
    } else {
      this->Settle();
    }
  }

 protected:
  bool Queue(std::vector<Response> replies) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(this->mutex_) {
    bool idle = out_.empty();
    for (Response& reply : replies) {
      out_.push_back(std::move(reply));
    }
    return idle && !out_.empty();
  }

  bool Writing() const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(this->mutex_) {
    return !out_.empty();
  }

  void Write() override {
    const Response* next = nullptr;
    {
      MutexLock lock(&this->mutex_);
      next = &out_.front();
    }
    this->StartWrite(next);
  }

 private:
  // The first is in flight.
  std::deque<Response> out_ ABSL_GUARDED_BY(this->mutex_);
};

template <typename Request, typename Response>
class UploadCall : public UploadBase<grpc::ServerReadReactor<Request>, Request, Response> {
 public:
  using Base = UploadBase<grpc::ServerReadReactor<Request>, Request, Response>;

  UploadCall(const CallHost& host, grpc::CallbackServerContext* context, Response* response,
             std::unique_ptr<UploadHandler<Request, Response>> handler)
      : Base(host, context, std::move(handler)), response_(response) {}

 protected:
  bool Queue(std::vector<Response> replies) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(this->mutex_) {
    if (!replies.empty()) {
      *response_ = std::move(replies.back());
    }
    return false;
  }
  bool Writing() const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(this->mutex_) { return false; }
  void Write() override {}

 private:
  Response* const response_;
};

// Starts the call; the result goes to gRPC.
template <typename Request, typename Response>
grpc::ServerBidiReactor<Request, Response>* ReceiveStream(
    const CallHost& host, grpc::CallbackServerContext* context,
    std::unique_ptr<UploadHandler<Request, Response>> handler) {
  auto call = std::make_shared<UploadStream<Request, Response>>(host, context, std::move(handler));
  call->Begin(call);
  return call.get();
}

template <typename Request, typename Response>
grpc::ServerReadReactor<Request>* ReceiveOnce(
    const CallHost& host, grpc::CallbackServerContext* context, Response* response,
    std::unique_ptr<UploadHandler<Request, Response>> handler) {
  auto call =
      std::make_shared<UploadCall<Request, Response>>(host, context, response, std::move(handler));
  call->Begin(call);
  return call.get();
}

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_UPLOAD_STREAM_H_
