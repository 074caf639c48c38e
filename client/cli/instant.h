// Times as users write them.
#ifndef ZLAYER_CLIENT_CLI_INSTANT_H_
#define ZLAYER_CLIENT_CLI_INSTANT_H_

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace zlayer {

// Seconds of "90s", "30m", "2h", "7d", "1h30m", up to 100 years; nullopt for anything else.
std::optional<uint64_t> ParseSeconds(std::string_view text);

// A duration as above, before `now_ns` (nanoseconds since 1970); or a time of RFC 3339: "2026-11-21T10:00:00Z", "2026-11-21T10:00:00+01:00", or a day, "2026-11-21", that
// begins in UTC. Nullopt where it is neither.
std::optional<google::protobuf::Timestamp> ParseInstant(std::string_view text, int64_t now_ns);

// Seconds of a duration, as above.
std::optional<uint64_t> ParseSeconds(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_INSTANT_H_
