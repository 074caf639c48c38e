// Calls with one request and one answer.
#ifndef ZLAYER_DAEMON_SERVICE_UNARY_CALL_H_
#define ZLAYER_DAEMON_SERVICE_UNARY_CALL_H_

#include <absl/status/statusor.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <stop_token>
#include <utility>

#include "base/thread_pool.h"
#include "daemon/service/request_limits.h"
#include "proto/grpc_status.h"

namespace zlayer {

// `stop` is requested when the client went away or its deadline passed.
template <typename Request, typename Response>
using UnaryHandler = std::function<absl::StatusOr<Response>(const Request&, std::stop_token stop)>;

template <typename Request, typename Response>
class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(ThreadPool* pool, const Request* request, Response* response,
            UnaryHandler<Request, Response> handler)
      : request_(request), response_(response), handler_(std::move(handler)) {
    pool->Submit([this] { Run(); });
  }

  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override { delete this; }

 private:
  void Run() {
    absl::Status within = CheckLimits(*request_);
    absl::StatusOr<Response> result =
        within.ok() ? handler_(*request_, stop_.get_token()) : absl::StatusOr<Response>(within);
    if (result.ok()) {
      *response_ = *std::move(result);
    }
    Finish(ToGrpc(result.status()));
  }

  const Request* const request_;
  Response* const response_;
  const UnaryHandler<Request, Response> handler_;
  std::stop_source stop_;
};

// Runs `handler` on `pool` and ends the call with what it returns, or with what is too large in the
// request (request_limits.h). The result
// goes to gRPC.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* RunUnary(ThreadPool* pool, const Request* request, Response* response,
                                   UnaryHandler<Request, Response> handler) {
  return new UnaryCall<Request, Response>(pool, request, response, std::move(handler));
}

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_UNARY_CALL_H_
