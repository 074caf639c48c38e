#include "backends/native/solver/emulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/strings.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

constexpr size_t kMaxEntry = 4096;

// What runs on a processor besides its own architecture.
constexpr std::pair<std::string_view, std::string_view> kAlsoRuns[] = {{"amd64", "386"}};

// Where QEMU's name of an architecture is not OCI's.
constexpr std::pair<std::string_view, std::string_view> kQemuNames[] = {
    {"amd64", "x86_64"}, {"386", "i386"}, {"arm64", "aarch64"}, {"loong64", "loongarch64"}};

std::string QemuName(const std::string& architecture) {
  const auto* found = std::find_if(std::begin(kQemuNames), std::end(kQemuNames),
                                   [&](const auto& name) { return name.first == architecture; });
  return found == std::end(kQemuNames) ? architecture : std::string(found->second);
}

bool IsNative(const std::string& architecture, const std::string& host) {
  return architecture.empty() || architecture == host ||
         std::any_of(std::begin(kAlsoRuns), std::end(kAlsoRuns), [&](const auto& pair) {
           return pair.first == host && pair.second == architecture;
         });
}

absl::Status NotRegistered(const v1::Platform& platform, const v1::Platform& host,
                           std::string_view qemu, std::string_view why) {
  v1::ErrorDetail detail;
  detail.set_reason("BINFMT_NOT_REGISTERED");
  detail.set_subject(FormatPlatform(platform));
  return WithDetail(
      FailedPrecondition(fmt::format(
          "a command for {} cannot run on a host of {}: the kernel has no emulator for it, since "
          "{}; install qemu-user-static and binfmt-support on the host, which register qemu-{}",
          FormatPlatform(platform), FormatPlatform(host), why, qemu)),
      detail);
}

}  // namespace

absl::Status CheckCanRun(const v1::Platform& platform, const v1::Platform& host,
                         const std::string& binfmt_directory) {
  if (IsNative(platform.architecture(), host.architecture())) {
    return absl::OkStatus();
  }
  const std::string qemu = QemuName(platform.architecture());
  // An architecture is any text that a client sends.
  if (qemu.find('/') != std::string::npos) {
    return NotRegistered(platform, host, ToUtf8(qemu), "there is no such architecture");
  }
  const std::string file = fmt::format("{}/qemu-{}", binfmt_directory, qemu);
  const absl::StatusOr<std::string> entry = ReadFile(file, kMaxEntry);
  if (!entry.ok()) {
    return NotRegistered(platform, host, qemu, fmt::format("{} is not there", file));
  }
  return entry->starts_with("enabled")
             ? absl::OkStatus()
             : NotRegistered(platform, host, qemu, fmt::format("{} is not enabled", file));
}

}  // namespace zlayer
