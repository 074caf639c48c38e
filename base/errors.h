// Making and enriching errors. The convention of the whole project:
//
// * Functions that can fail return absl::Status or absl::StatusOr; nothing of ours throws.
// * A message is a sentence without final dot that says what happened and to what; where the user
//   can do something about it, it says what.
// * A layer that knows more adds it once, in front ("importing image.tar: ..."), and keeps the code.
#ifndef ZLAYER_BASE_ERRORS_H_
#define ZLAYER_BASE_ERRORS_H_

#include <absl/status/status.h>

#include <string>
#include <string_view>

namespace zlayer {

// A status for a failed system call: "`what`: No such file or directory"; where the disk is full it
// says what to do, too. The code follows from `error_number` (ENOENT is kNotFound, ENOSPC is
// kResourceExhausted, ...).
absl::Status ErrnoError(int error_number, std::string_view what);

// The same for the current `errno`.
absl::Status ErrnoError(std::string_view what);

// The same status with "`context`: " before its message. Payloads stay. OK stays OK.
absl::Status Annotate(const absl::Status& status, std::string_view context);

// The message as a std::string_view (Abseil's own view type does not convert).
std::string_view Message(const absl::Status& status);

// Shorthands that take what fmt::format returns.
absl::Status InvalidArgument(std::string_view message);
absl::Status NotFound(std::string_view message);
absl::Status FailedPrecondition(std::string_view message);
absl::Status Unimplemented(std::string_view message);
absl::Status Internal(std::string_view message);
absl::Status DataLoss(std::string_view message);
absl::Status ResourceExhausted(std::string_view message);
absl::Status AlreadyExists(std::string_view message);
absl::Status Cancelled(std::string_view message);
absl::Status Unavailable(std::string_view message);

}  // namespace zlayer

#endif  // ZLAYER_BASE_ERRORS_H_
