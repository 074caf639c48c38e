#include "registry/client/upload_session.h"

#include <chrono>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "registry/client/retry.h"
#include "registry/client/urls.h"

namespace zlayer {
namespace {

constexpr std::chrono::seconds kGrace{3};
constexpr int kNotFound = 404;

// A stop some time after another one, for what ends an upload well.
class LaterStop {
 public:
  explicit LaterStop(std::stop_token first)
      : thread_([this, first = std::move(first)](std::stop_token gone) {
          const std::stop_callback wake(first, [this] {
            MutexLock lock(&mutex_);
            changed_.NotifyAll();
          });
          MutexLock lock(&mutex_);
          if (changed_.Wait(&mutex_, gone, [&] { return first.stop_requested(); })) {
            changed_.WaitFor(&mutex_, kGrace, gone, [] { return false; });
          }
          later_.request_stop();
        }) {}

  std::stop_token token() const { return later_.get_token(); }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::stop_source later_;
  std::jthread thread_;  // the last, so that it ends first
};

// One that has begun to run out.
std::stop_token Requested() {
  std::stop_source source;
  source.request_stop();
  return source.get_token();
}

}  // namespace

Outcome UploadSession::Begin(std::stop_token stop) {
  return Follow(
      route_.host->Send(route_.Request("POST", "blobs/uploads/", "pull,push"), std::move(stop)));
}

HostReply UploadSession::Send(const HostRequest& request, std::stop_token stop) {
  HostReply reply = route_.host->Send(request, std::move(stop));
  if (reply.reply.status == kNotFound) {
    url_.clear();
    reply.outcome.may_pass = true;
  }
  return reply;
}

Outcome UploadSession::Follow(const HostReply& reply) {
  if (!reply.outcome.ok()) {
    return reply.outcome;
  }
  absl::StatusOr<std::string> location = route_.host->LocationOf(reply);
  if (!location.ok()) {
    return {.status = location.status()};
  }
  url_ = *std::move(location);
  return {};
}

Outcome UploadSession::Append(
    const std::function<absl::Status(const std::function<absl::Status(std::string_view)>& sink)>&
        source,
    std::stop_token stop) {
  absl::Status written;
  HostRequest request = Request("PATCH");
  request.http.source = [&](const auto& sink) {
    written = source([&](std::string_view piece) {
      return stop.stop_requested() ? TransferCancelled() : sink(piece);
    });
    return absl::OkStatus();
  };
  const LaterStop later(stop);
  Outcome sent = Follow(Send(request, later.token()));
  return sent.ok() ? Outcome{.status = std::move(written)} : sent;
}

HostRequest UploadSession::Request(std::string_view method) const {
  HostRequest request = route_.Request(method, "", "pull,push");
  request.http.url = url_;
  if (method == "PATCH" || method == "PUT") {
    request.http.headers.emplace_back("Content-Type: application/octet-stream");
  }
  return request;
}

HostRequest UploadSession::CompleteRequest(const Digest& digest) const {
  HostRequest request = Request("PUT");
  request.http.url = WithParameter(url_, "digest", digest.ToString());
  return request;
}

Outcome UploadSession::Complete(const HostReply& reply, const Digest& digest) {
  if (!reply.outcome.ok()) {
    return reply.outcome;
  }
  url_.clear();
  return {.status = CheckSaidDigest(reply.reply, digest)};
}

void UploadSession::Cancel() {
  if (open()) {
    const LaterStop stop(Requested());
    (void)route_.host->Send(Request("DELETE"), stop.token());
    url_.clear();
  }
}

}  // namespace zlayer
