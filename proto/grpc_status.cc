#include "proto/grpc_status.h"

#include <grpcpp/support/status_code_enum.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/strings.h"
#include "proto/error_detail.h"
#include "zlayer/internal/rpc_status.pb.h"

namespace zlayer {
namespace {

// Both the message and the details travel as metadata, which gRPC limits to 8 KiB in all.
constexpr size_t kMaxMessage = 2048;
constexpr size_t kMaxDetails = 5120;

constexpr bool Same(absl::StatusCode ours, grpc::StatusCode theirs) {
  return static_cast<int>(ours) == static_cast<int>(theirs);
}
static_assert(Same(absl::StatusCode::kOk, grpc::StatusCode::OK));
static_assert(Same(absl::StatusCode::kCancelled, grpc::StatusCode::CANCELLED));
static_assert(Same(absl::StatusCode::kUnknown, grpc::StatusCode::UNKNOWN));
static_assert(Same(absl::StatusCode::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT));
static_assert(Same(absl::StatusCode::kDeadlineExceeded, grpc::StatusCode::DEADLINE_EXCEEDED));
static_assert(Same(absl::StatusCode::kNotFound, grpc::StatusCode::NOT_FOUND));
static_assert(Same(absl::StatusCode::kAlreadyExists, grpc::StatusCode::ALREADY_EXISTS));
static_assert(Same(absl::StatusCode::kPermissionDenied, grpc::StatusCode::PERMISSION_DENIED));
static_assert(Same(absl::StatusCode::kResourceExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED));
static_assert(Same(absl::StatusCode::kFailedPrecondition, grpc::StatusCode::FAILED_PRECONDITION));
static_assert(Same(absl::StatusCode::kAborted, grpc::StatusCode::ABORTED));
static_assert(Same(absl::StatusCode::kOutOfRange, grpc::StatusCode::OUT_OF_RANGE));
static_assert(Same(absl::StatusCode::kUnimplemented, grpc::StatusCode::UNIMPLEMENTED));
static_assert(Same(absl::StatusCode::kInternal, grpc::StatusCode::INTERNAL));
static_assert(Same(absl::StatusCode::kUnavailable, grpc::StatusCode::UNAVAILABLE));
static_assert(Same(absl::StatusCode::kDataLoss, grpc::StatusCode::DATA_LOSS));
static_assert(Same(absl::StatusCode::kUnauthenticated, grpc::StatusCode::UNAUTHENTICATED));

// The first `limit` bytes as valid UTF-8: protobuf and gRPC take nothing else in a string.
std::string Presentable(std::string_view text, size_t limit) {
  return ToUtf8(text.substr(0, limit));
}

void Shorten(v1::ErrorDetail& detail) {
  detail.set_reason(Presentable(detail.reason(), 128));
  detail.set_instruction(Presentable(detail.instruction(), 512));
  detail.set_stage(Presentable(detail.stage(), 256));
  detail.set_subject(Presentable(detail.subject(), 512));
  if (detail.has_source()) {
    detail.mutable_source()->set_file(Presentable(detail.source().file(), 512));
  }
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) {
    return grpc::Status::OK;
  }
  std::string message = Presentable(Message(status), kMaxMessage);
  auto code = static_cast<grpc::StatusCode>(status.code());
  v1::ErrorDetail detail = DetailOf(status);
  if (detail.ByteSizeLong() == 0) {
    return grpc::Status(code, message);
  }
  Shorten(detail);
  internal::RpcStatus details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(message);
  details.add_details()->PackFrom(detail);
  std::string bytes = details.SerializeAsString();
  return bytes.size() <= kMaxDetails ? grpc::Status(code, message, bytes)
                                     : grpc::Status(code, message);
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) {
    return absl::OkStatus();
  }
  int number = static_cast<int>(status.error_code());
  bool known = number > 0 && number <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  absl::Status result(known ? static_cast<absl::StatusCode>(number) : absl::StatusCode::kUnknown,
                      status.error_message());
  internal::RpcStatus details;
  if (!details.ParseFromString(status.error_details())) {
    return result;
  }
  for (const auto& any : details.details()) {
    v1::ErrorDetail detail;
    if (any.UnpackTo(&detail)) {
      return WithDetail(std::move(result), detail);
    }
  }
  return result;
}

}  // namespace zlayer
