// The platforms that a request names.
#ifndef ZLAYER_DAEMON_BUILD_REQUEST_PLATFORM_H_
#define ZLAYER_DAEMON_BUILD_REQUEST_PLATFORM_H_

#include <absl/status/statusor.h>

#include <vector>

#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// All that `platforms` names, each once and canonical, in its order. An entry may be a list with
// commas; what is empty is left out. What is said of a system or an architecture alone is completed
// by the host's. kInvalidArgument: an entry does not read.
absl::StatusOr<std::vector<v1::Platform>> RequestPlatforms(const v1::BuildSpec& spec);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_REQUEST_PLATFORM_H_
