// What a request asks of its outputs.
#ifndef ZLAYER_DAEMON_BUILD_OUTPUTS_H_
#define ZLAYER_DAEMON_BUILD_OUTPUTS_H_

#include <absl/status/statusor.h>

#include <string_view>

#include "zlayer/v1/build.pb.h"

namespace zlayer {

// Attribute of an image: no time in the tars of the layers that the build makes is later than
// SOURCE_DATE_EPOCH. Layers of the base stay as they are.
inline constexpr std::string_view kRewriteTimestamp = "rewrite-timestamp";

// Whether the request sets it. kInvalidArgument where its value is neither true nor false.
absl::StatusOr<bool> RewritesTimestamps(const v1::BuildSpec& spec);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_OUTPUTS_H_
