// The default seccomp profile in the two forms that runtimes take.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_SECCOMP_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_SECCOMP_H_

#include <absl/status/statusor.h>

#include <nlohmann/json.hpp>
#include <string>

namespace zlayer {

// The profile as a BPF program for the native architecture and its 32-bit one. A call from any
// other architecture fails with ENOSYS. Takes milliseconds: compile once.
absl::StatusOr<std::string> CompileSeccompProfile();

// The same as the `linux.seccomp` object of an OCI runtime specification, for runtimes that do not
// take BPF.
nlohmann::json SeccompProfileJson();

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_SECCOMP_H_
