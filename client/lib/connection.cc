#include "client/lib/connection.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <sys/un.h>

#include <utility>

#include "base/default_address.h"
#include "base/errors.h"

namespace zlayer {
namespace {

constexpr std::string_view kUnix = "unix:";

absl::Status CheckAddress(std::string_view address) {
  if (!address.starts_with(kUnix)) {
    return InvalidArgument(
        fmt::format("the address \"{}\" is of no known kind: it must be unix:///PATH", address));
  }
  std::string_view path = address.substr(kUnix.size());
  if (path.starts_with("//")) {
    path.remove_prefix(2);
    if (!path.starts_with("/")) {
      return InvalidArgument(fmt::format(
          "the address \"{}\" has no absolute path: write unix:///PATH or unix:PATH", address));
    }
  }
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return InvalidArgument(fmt::format("the path of the address \"{}\" must have 1 to {} bytes",
                                       address, sizeof(sockaddr_un::sun_path) - 1));
  }
  return absl::OkStatus();
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A daemon that restarts is found again within a second. "Min" is not a pause but the time that
  // an attempt has: behind a service manager's socket a connection waits until the daemon is up.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

std::string ChooseAddress(std::string_view flag, const char* environment) {
  if (!flag.empty()) {
    return std::string(flag);
  }
  if (environment != nullptr && *environment != '\0') {
    return environment;
  }
  return DefaultAddress();
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(std::string address) {
  if (absl::Status status = CheckAddress(address); !status.ok()) {
    return status;
  }
  auto channel = MakeChannel(address);
  return std::unique_ptr<Connection>(new Connection(std::move(address), std::move(channel)));
}

Connection::Connection(std::string address, std::shared_ptr<grpc::Channel> channel)
    : address_(std::move(address)),
      channel_(std::move(channel)),
      builds_(v1::BuildService::NewStub(channel_)),
      pipelines_(v1::PipelineService::NewStub(channel_)),
      images_(v1::ImageService::NewStub(channel_)),
      registries_(v1::RegistryService::NewStub(channel_)),
      cache_(v1::CacheService::NewStub(channel_)),
      system_(v1::SystemService::NewStub(channel_)) {}

absl::Status Connection::Unreachable() const {
  return Unavailable(fmt::format(
      "no daemon answers at {}: start zlayerd, or name another with --address", address_));
}

absl::Status Connection::Connect(std::chrono::seconds timeout) {
  auto deadline = std::chrono::system_clock::now() + timeout;
  grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
  while (state == GRPC_CHANNEL_IDLE || state == GRPC_CHANNEL_CONNECTING) {
    if (!channel_->WaitForStateChange(state, deadline)) {
      return Unreachable();
    }
    state = channel_->GetState(/*try_to_connect=*/true);
  }
  return state == GRPC_CHANNEL_READY ? absl::OkStatus() : Unreachable();
}

bool Connection::IsReady() const {
  return channel_->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY;
}

absl::Status Connection::Explain(const grpc::Status& status) const {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      if (!IsReady()) {
        return Unreachable();
      }
      return FromGrpc(status);
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::DeadlineExceededError(
          fmt::format("the daemon at {} did not answer in time", address_));
    case grpc::StatusCode::UNIMPLEMENTED:
      if (status.error_message().empty()) {  // gRPC's own answer to a call that it does not know
        return Unimplemented(fmt::format(
            "the daemon at {} cannot do this: it is older than this program", address_));
      }
      return FromGrpc(status);
    default:
      return FromGrpc(status);
  }
}

}  // namespace zlayer
