// How large each part of a request may be. The one table of that: every string, bytes, repeated and
// map field that a client can send has a row in it, and the comments of the protos say the same in
// brackets.
#ifndef ZLAYER_DAEMON_SERVICE_REQUEST_LIMITS_H_
#define ZLAYER_DAEMON_SERVICE_REQUEST_LIMITS_H_

#include <absl/status/status.h>
#include <google/protobuf/message.h>

#include <cstddef>
#include <optional>
#include <string_view>

namespace zlayer {

// kInvalidArgument (reason INVALID_OPTION, subject the field) for the first field of `message`, or
// of a message in it, that is larger than its limit, and for a NUL byte in a string: "build_args:
// there are 100000, and 1000 are the most". A field without a row may hold nothing. Entries of
// contexts are looked at by who takes them (context_entries.h).
//
// Every call checks what it receives with this, before anything else.
absl::Status CheckLimits(const google::protobuf::Message& message);

// A row: the full name of a field ("zlayer.v1.BuildSpec.target"), and the most bytes of each of its
// values (of a string or bytes field) or the most values (of a repeated or map field of messages).
struct FieldLimit {
  std::string_view field;
  size_t bytes = 0;   // 0: no string or bytes field
  size_t values = 1;  // 1: not repeated
};

// The row of a field; nullopt where it has none.
std::optional<FieldLimit> LimitOf(std::string_view field);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_REQUEST_LIMITS_H_
