// The calls of PipelineService.
#ifndef ZLAYER_CLIENT_LIB_PIPELINE_STUB_H_
#define ZLAYER_CLIENT_LIB_PIPELINE_STUB_H_

#include <absl/status/statusor.h>

#include <memory>

#include "client/lib/connection.h"
#include "zlayer/v1/pipeline.grpc.pb.h"

namespace zlayer {

// Of the daemon that the connection, which is made now, goes to; errors of calls are for
// Connection::Explain, as Call does it. kUnavailable where no daemon answers.
absl::StatusOr<std::unique_ptr<v1::PipelineService::StubInterface>> MakePipelineStub(
    Connection& connection);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_PIPELINE_STUB_H_
