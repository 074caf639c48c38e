#include "client/lib/pipeline_stub.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include "base/status_macros.h"

namespace zlayer {

absl::StatusOr<std::unique_ptr<v1::PipelineService::StubInterface>> MakePipelineStub(
    Connection& connection) {
  RETURN_IF_ERROR(connection.Connect(std::chrono::seconds(5)));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return v1::PipelineService::NewStub(grpc::CreateCustomChannel(
      connection.address(), grpc::InsecureChannelCredentials(), arguments));
}

}  // namespace zlayer
