// `healthcheck` of a ZImagefile.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_HEALTHCHECK_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_HEALTHCHECK_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/yaml/field.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// kValidation where it has not exactly one of `cmd`, `test` and `disable`, or where a duration is
// none or shorter than 1ms.
absl::StatusOr<v1::Healthcheck> ReadHealthcheck(const Field& value);

std::vector<std::string> HealthcheckKeys();

// Nanoseconds of "30s", "1m30s", "1.5h", and of numbers with units one after the other, with spaces
// or without: "1m 30s", "2 hours 5min". nullopt: it is none, or does not fit 64 bits.
std::optional<int64_t> ParseDurationText(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_HEALTHCHECK_H_
