#include "base/errors.h"

#include <absl/strings/cord.h>

#include <cerrno>
#include <cstring>

namespace zlayer {
namespace {

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::Status Make(absl::StatusCode code, std::string_view message) {
  return absl::Status(code, View(message));
}

absl::StatusCode CodeOf(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status ErrnoError(int error_number, std::string_view what) {
  std::string message = std::string(what) + ": " + strerror(error_number);
  if (error_number == ENOSPC || error_number == EDQUOT) {
    message += "; make room there";
  }
  return Make(CodeOf(error_number), message);
}

absl::Status ErrnoError(std::string_view what) { return ErrnoError(errno, what); }

absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) {
    return status;
  }
  absl::Status annotated =
      Make(status.code(), std::string(context) + ": " + std::string(Message(status)));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

std::string_view Message(const absl::Status& status) {
  absl::string_view message = status.message();
  return {message.data(), message.size()};
}

absl::Status InvalidArgument(std::string_view message) {
  return Make(absl::StatusCode::kInvalidArgument, message);
}
absl::Status NotFound(std::string_view message) {
  return Make(absl::StatusCode::kNotFound, message);
}
absl::Status FailedPrecondition(std::string_view message) {
  return Make(absl::StatusCode::kFailedPrecondition, message);
}
absl::Status Unimplemented(std::string_view message) {
  return Make(absl::StatusCode::kUnimplemented, message);
}
absl::Status Internal(std::string_view message) {
  return Make(absl::StatusCode::kInternal, message);
}
absl::Status DataLoss(std::string_view message) {
  return Make(absl::StatusCode::kDataLoss, message);
}
absl::Status ResourceExhausted(std::string_view message) {
  return Make(absl::StatusCode::kResourceExhausted, message);
}
absl::Status AlreadyExists(std::string_view message) {
  return Make(absl::StatusCode::kAlreadyExists, message);
}
absl::Status Cancelled(std::string_view message) {
  return Make(absl::StatusCode::kCancelled, message);
}
absl::Status Unavailable(std::string_view message) {
  return Make(absl::StatusCode::kUnavailable, message);
}

}  // namespace zlayer
