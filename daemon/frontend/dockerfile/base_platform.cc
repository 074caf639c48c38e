#include "daemon/frontend/dockerfile/base_platform.h"

#include <spdlog/fmt/fmt.h>

#include <string_view>

#include "base/errors.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/windows_path.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

absl::Status Refused(const std::string& image, const char* reason, std::string_view message) {
  v1::ErrorDetail detail;
  detail.set_reason(reason);
  detail.set_subject(image);
  return WithDetail(FailedPrecondition(message), detail);
}

}  // namespace

absl::Status CheckBasePlatform(const BasePlatform& base) {
  if (base.is_asked_for && !PlatformMatches(base.actual, base.wanted)) {
    return Refused(
        base.image, "WRONG_PLATFORM",
        fmt::format("image {} is for {}, and FROM asks for {}; \"zlayer import\" brings "
                    "one for that platform",
                    base.image, FormatPlatform(base.actual), FormatPlatform(base.wanted)));
  }
  const bool is_same_system =
      (base.actual.os() == kWindows) == (base.wanted.os() == kWindows) || base.actual.os().empty();
  return is_same_system
             ? absl::OkStatus()
             : Refused(base.image, "WRONG_PLATFORM",
                       fmt::format("image {} is for {}, and the stage for {}; --platform (or "
                                   "--target-os) says what a build is for, FROM --platform what a "
                                   "stage is for",
                                   base.image, FormatPlatform(base.actual),
                                   FormatPlatform(base.wanted)));
}

absl::Status CheckWindowsVersion(const std::string& image, const v1::Platform& platform) {
  return !platform.os_version().empty()
             ? absl::OkStatus()
             : Refused(image, "OS_VERSION_UNRESOLVED",
                       fmt::format("the configuration of image {} does not say its version of "
                                   "Windows (os.version), which an image on it must say, too",
                                   ToUtf8(image)));
}

}  // namespace zlayer
