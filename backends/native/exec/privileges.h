// What a container gets that runs with full privileges.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_PRIVILEGES_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_PRIVILEGES_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// Names ("CAP_SYS_ADMIN") of the capabilities in a mask as /proc/PID/status writes it: "CapEff:"
// and 16 hexadecimal digits. kInternal where `status` has none.
absl::StatusOr<std::vector<std::string>> ParseEffectiveCapabilities(std::string_view status);

struct DeviceNode {
  std::string path;
  bool is_block = false;
  uint32_t major = 0;
  uint32_t minor = 0;
};

// BuildKit's list: the kernel's log, FUSE, CUSE, KVM, tun, and loop devices up to seven beyond the
// first that is free.
std::vector<DeviceNode> PrivilegedDevices();

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_PRIVILEGES_H_
