// Calls that send as many messages as a producer makes.
#ifndef ZLAYER_DAEMON_SERVICE_DOWNLOAD_STREAM_H_
#define ZLAYER_DAEMON_SERVICE_DOWNLOAD_STREAM_H_

#include <absl/status/status.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

#include "base/errors.h"
#include "base/mutex.h"
#include "daemon/service/call_host.h"
#include "daemon/service/idle_timer.h"
#include "proto/grpc_status.h"

namespace zlayer {

// Makes the messages, on a thread of the transfer pool. `write` waits until the client took the
// message before; an error of it (kCancelled: the client is gone) is to be returned.
template <typename Response>
using Producer = std::function<absl::Status(const std::function<absl::Status(Response)>& write,
                                            std::stop_token stop)>;

template <typename Response>
class DownloadStream : public grpc::ServerWriteReactor<Response> {
 public:
  DownloadStream(const CallHost& host, grpc::CallbackServerContext* context,
                 Producer<Response> producer)
      : host_(host), context_(context), producer_(std::move(producer)) {
    host_.transfers->Submit([this] { Run(); });
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(&mutex_);
    writing_ = false;
    broken_ = broken_ || !ok;
    written_.NotifyAll();
  }
  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override { delete this; }

 private:
  void Run() {
    absl::Status status;
    {
      // A client that stops reading must not hold the thread for ever. A canceled write ends.
      timer_.emplace(host_.idle_limit, [this] { return OnIdle(); });
      std::stop_callback on_stopping(host_.stopping, [this] { stop_.request_stop(); });
      status = producer_([this](Response message) { return Write(std::move(message)); },
                         stop_.get_token());
      absl::Status last = WaitUntilWritten();
      status.Update(last);
      timer_.reset();
    }
    if (absl::IsCancelled(status) && host_.stopping.stop_requested()) {
      status = Unavailable("the daemon is stopping; ask again after that");
    }
    this->Finish(ToGrpc(status));
  }

  absl::Status Write(Response message) {
    if (absl::Status last = WaitUntilWritten(); !last.ok()) {
      return last;
    }
    message_ = std::move(message);
    timer_->Touch();
    {
      MutexLock lock(&mutex_);
      writing_ = true;
    }
    this->StartWrite(&message_);
    return absl::OkStatus();
  }

  // gRPC ends each write: sent, or failed once the call is canceled, by the client, its deadline,
  // the idle timer or the end of the daemon.
  absl::Status WaitUntilWritten() {
    MutexLock lock(&mutex_);
    written_.Wait(&mutex_, std::stop_token(),
                  [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !writing_; });
    return broken_ ? Cancelled("the client went away") : absl::OkStatus();
  }

  // Run does not finish the call while this runs: it ends the timer first.
  bool OnIdle() {
    {
      MutexLock lock(&mutex_);
      if (!writing_) {
        return true;
      }
    }
    context_->TryCancel();
    return false;
  }

  const CallHost host_;
  grpc::CallbackServerContext* const context_;
  const Producer<Response> producer_;
  std::stop_source stop_;
  std::optional<IdleTimer> timer_;
  Response message_;

  Mutex mutex_;
  CondVar written_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

// Starts the call; the result goes to gRPC.
template <typename Response>
grpc::ServerWriteReactor<Response>* SendStream(const CallHost& host,
                                               grpc::CallbackServerContext* context,
                                               Producer<Response> producer) {
  return new DownloadStream<Response>(host, context, std::move(producer));
}

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_DOWNLOAD_STREAM_H_
