// absl::Status over gRPC: the one mapping that the daemon and its clients share. The codes are the
// same numbers; what error_detail.h put on a status travels in the trailing metadata
// `grpc-status-details-bin`, as a google.rpc.Status with one zlayer.v1.ErrorDetail.
#ifndef ZLAYER_PROTO_GRPC_STATUS_H_
#define ZLAYER_PROTO_GRPC_STATUS_H_

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

namespace zlayer {

// For the end of a call. A message that is not UTF-8 has its bad bytes replaced, and one that is
// longer than what fits into metadata is cut.
grpc::Status ToGrpc(const absl::Status& status);

// What a call ended with. A number that is no code of gRPC becomes kUnknown; details that do not
// parse are left out.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace zlayer

#endif  // ZLAYER_PROTO_GRPC_STATUS_H_
