// The way to a daemon: one channel, its stubs, and calls whose errors are ours.
#ifndef ZLAYER_CLIENT_LIB_CONNECTION_H_
#define ZLAYER_CLIENT_LIB_CONNECTION_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "proto/grpc_status.h"
#include "zlayer/v1/build.grpc.pb.h"
#include "zlayer/v1/cache.grpc.pb.h"
#include "zlayer/v1/image.grpc.pb.h"
#include "zlayer/v1/pipeline.grpc.pb.h"
#include "zlayer/v1/registry.grpc.pb.h"
#include "zlayer/v1/system.grpc.pb.h"

namespace zlayer {

// `flag` where it is not empty, else the environment's ZLAYER_ADDRESS (null or empty: not set),
// else DefaultAddress().
std::string ChooseAddress(std::string_view flag, const char* environment);

// Thread-safe. The stubs live as long as the connection.
class Connection {
 public:
  // Nothing is sent before the first call. kInvalidArgument: not a "unix:" address, or a path
  // longer than a socket's address can be.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(std::string address);

  const std::string& address() const { return address_; }
  v1::BuildService::StubInterface& builds() { return *builds_; }
  v1::PipelineService::StubInterface& pipelines() { return *pipelines_; }
  v1::ImageService::StubInterface& images() { return *images_; }
  v1::RegistryService::StubInterface& registries() { return *registries_; }
  v1::CacheService::StubInterface& cache() { return *cache_; }
  v1::SystemService::StubInterface& system() { return *system_; }

  // Connects now rather than with the first call. kUnavailable where no daemon answers within
  // `timeout`.
  absl::Status Connect(std::chrono::seconds timeout);

  // Whether the connection stands. Connects to nothing.
  bool IsReady() const;

  // The status of an ended call, for people: where no daemon was reached, kUnavailable with a
  // sentence that names the address and says what to do; where the daemon does not know the call,
  // kUnimplemented with one that says so.
  absl::Status Explain(const grpc::Status& status) const;

 private:
  Connection(std::string address, std::shared_ptr<grpc::Channel> channel);

  absl::Status Unreachable() const;

  const std::string address_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::BuildService::StubInterface> builds_;
  const std::unique_ptr<v1::PipelineService::StubInterface> pipelines_;
  const std::unique_ptr<v1::ImageService::StubInterface> images_;
  const std::unique_ptr<v1::RegistryService::StubInterface> registries_;
  const std::unique_ptr<v1::CacheService::StubInterface> cache_;
  const std::unique_ptr<v1::SystemService::StubInterface> system_;
};

// Makes `context` end with CANCELLED when `stop` is requested, for as long as this object lives.
class CancelOnStop {
 public:
  CancelOnStop(std::stop_token stop, grpc::ClientContext* context)
      : callback_(std::move(stop), Cancel{context}) {}

 private:
  struct Cancel {
    grpc::ClientContext* context;
    void operator()() const { context->TryCancel(); }
  };
  std::stop_callback<Cancel> callback_;
};

inline constexpr std::chrono::seconds kCallTimeout{60};

// One unary call: Call(connection, connection.images(), &v1::ImageService::StubInterface::TagImage,
// request, kCallTimeout, stop). kDeadlineExceeded after `timeout`, kCancelled once `stop` is
// requested, else what the daemon or Connection::Explain says.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(const Connection& connection, Stub& stub,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                           Response*),
                              const Request& request, std::chrono::milliseconds timeout,
                              std::stop_token stop) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  CancelOnStop cancel(std::move(stop), &context);
  Response response;
  grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) {
    return connection.Explain(status);
  }
  return response;
}

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_CONNECTION_H_
