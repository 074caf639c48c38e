#include "backends/native/exec/privileges.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>

#include <cstdlib>
#include <iterator>

#include "base/errors.h"
#include "base/files.h"

namespace zlayer {
namespace {

// By number (capability.h).
constexpr const char* kCapabilities[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

constexpr uint32_t kLoopMajor = 7;
constexpr int kFurtherLoops = 7;

int FirstFreeLoop() {
  absl::StatusOr<UniqueFd> control = OpenFile("/dev/loop-control", O_RDWR);
  const int number = control.ok() ? ioctl(control->get(), LOOP_CTL_GET_FREE) : -1;
  return number < 0 ? 0 : number;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseEffectiveCapabilities(std::string_view status) {
  constexpr std::string_view kField = "\nCapEff:\t";
  const size_t field = status.find(kField);
  if (field == std::string_view::npos) {
    return Internal("/proc/self/status does not tell capabilities");
  }
  const uint64_t mask =
      std::strtoull(std::string(status.substr(field + kField.size(), 16)).c_str(), nullptr, 16);
  std::vector<std::string> names;
  for (size_t i = 0; i < std::size(kCapabilities); ++i) {
    if ((mask >> i & 1) != 0) {
      names.emplace_back(kCapabilities[i]);
    }
  }
  return names;
}

std::vector<DeviceNode> PrivilegedDevices() {
  std::vector<DeviceNode> devices = {
      {.path = "/dev/kmsg", .major = 1, .minor = 11},
      {.path = "/dev/cuse", .major = 10, .minor = 203},
      {.path = "/dev/fuse", .major = 10, .minor = 229},
      {.path = "/dev/kvm", .major = 10, .minor = 232},
      {.path = "/dev/net/tun", .major = 10, .minor = 200},
      {.path = "/dev/loop-control", .major = 10, .minor = 237},
  };
  const int last = FirstFreeLoop() + kFurtherLoops;
  for (int i = 0; i <= last; ++i) {
    devices.push_back({.path = fmt::format("/dev/loop{}", i),
                       .is_block = true,
                       .major = kLoopMajor,
                       .minor = static_cast<uint32_t>(i)});
  }
  return devices;
}

}  // namespace zlayer
