// Finds the OCI runtime of this machine.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_RUNTIME_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_RUNTIME_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace zlayer {

struct Runtime {
  std::string path;      // without symlinks
  std::string version;   // "crun 1.8.1"
  bool is_crun = false;  // else its command line is runc's
};

// `name` by path or name in PATH; empty: the first of crun and runc that works. kNotFound with what
// to do where there is none; kFailedPrecondition where it is there and does not start.
absl::StatusOr<Runtime> FindRuntime(const std::string& name);

// What the runtime's `--version` prints, as "name version".
std::string ParseRuntimeVersion(std::string_view output);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_RUNTIME_H_
