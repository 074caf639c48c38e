// What a program without privileges sees of the machine: a small root of its own.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_PROGRAM_VIEW_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_PROGRAM_VIEW_H_

#include <absl/status/status.h>
#include <sys/types.h>

#include <string>

#include "exec.pb.h"

namespace zlayer {

// Whom the program runs as: nobody.
inline constexpr uid_t kProgramUser = 65534;

// Makes mount and ipc namespaces whose root is a tmpfs, mounted over `directory`, with the
// machine's programs and settings (read-only), /proc, three devices, the program's files and its
// scratch directory, and changes to /work. Needs root, as pid 1 of its pid namespace.
absl::Status EnterProgramView(const std::string& directory, const exec::Program& program);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_PROGRAM_VIEW_H_
