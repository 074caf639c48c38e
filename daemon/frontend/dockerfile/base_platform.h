// Which platforms a stage and its base image may have.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_BASE_PLATFORM_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_BASE_PLATFORM_H_

#include <absl/status/status.h>

#include <string>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

struct BasePlatform {
  std::string image;    // as written
  v1::Platform actual;  // what it is for
  v1::Platform wanted;  // what the stage is for
  // FROM asks for a platform that is not the build's.
  bool is_asked_for = false;
};

// Only an image of a platform that was asked for by name must be of it; but no stage is of Windows
// and of another system, since its files lie elsewhere in a layer. kFailedPrecondition (reason
// WRONG_PLATFORM).
absl::Status CheckBasePlatform(const BasePlatform& base);

// Windows runs images of its own version alone, so that an image for it says the one of its base.
// kFailedPrecondition (reason OS_VERSION_UNRESOLVED) where the base says none.
absl::Status CheckWindowsVersion(const std::string& image, const v1::Platform& platform);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_BASE_PLATFORM_H_
