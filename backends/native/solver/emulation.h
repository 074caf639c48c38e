// Commands of other architectures than the machine's.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_EMULATION_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_EMULATION_H_

#include <absl/status/status.h>

#include <string>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// Where the kernel shows which emulators it starts for programs of other architectures.
inline constexpr char kBinfmtDirectory[] = "/proc/sys/fs/binfmt_misc";

// Whether programs for `platform` run on `host`, of whose system they are: its own architecture (or
// none said), one that its processors run, too (386 on amd64), or one that QEMU is registered for in
// `binfmt_directory`. Else kFailedPrecondition with the reason BINFMT_NOT_REGISTERED and the
// platform as subject: the message names QEMU's architecture and what to install.
absl::Status CheckCanRun(const v1::Platform& platform, const v1::Platform& host,
                         const std::string& binfmt_directory);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_EMULATION_H_
