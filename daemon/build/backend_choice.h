// Which backend runs a build.
#ifndef ZLAYER_DAEMON_BUILD_BACKEND_CHOICE_H_
#define ZLAYER_DAEMON_BUILD_BACKEND_CHOICE_H_

#include <absl/status/statusor.h>

#include <string_view>

namespace zlayer {

enum class BackendKind { kNative, kBuildahCli, kBuildahSidecar, kSandbox, kHcs };

// What is known where a backend is chosen. Systems are those of Platform.os; empty is "linux".
struct BackendWish {
  std::string_view host;
  std::string_view target;
  std::string_view request;      // BuildSpec.backend
  std::string_view environment;  // ZLAYER_BACKEND
};

// The kind that a text names, blanks around it and case aside; with the names that other builders
// have for it ("buildah", "sidecar"). kInvalidArgument lists the names.
absl::StatusOr<BackendKind> ParseBackendKind(std::string_view text);

// What the request names, else the environment, else the native backend, which runs every build
// that this daemon can. kFailedPrecondition (reason BACKEND_UNAVAILABLE, the name as subject) says
// why what was named cannot run here, or that nothing can; kInvalidArgument as ParseBackendKind,
// with the variable where it is that.
absl::StatusOr<BackendKind> SelectBackend(const BackendWish& wish);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_BACKEND_CHOICE_H_
