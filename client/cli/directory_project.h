// Which runtime template fits a directory.
#ifndef ZLAYER_CLIENT_CLI_DIRECTORY_PROJECT_H_
#define ZLAYER_CLIENT_CLI_DIRECTORY_PROJECT_H_

#include <absl/status/statusor.h>

#include <string>

#include "daemon/frontend/template/detect.h"

namespace zlayer {

// As DetectRuntime, and kNotFound or kInvalidArgument where there is no such directory. What is
// read lies below it, also where links lead elsewhere.
absl::StatusOr<DetectedRuntime> DetectRuntimeOf(const std::string& directory);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_DIRECTORY_PROJECT_H_
