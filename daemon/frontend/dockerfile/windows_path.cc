#include "daemon/frontend/dockerfile/windows_path.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/errors.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {

absl::StatusOr<std::string> SlashPath(std::string_view path) {
  std::string slashed(path);
  std::replace(slashed.begin(), slashed.end(), '\\', '/');
  if (slashed.starts_with("//")) {
    return InvalidArgument(fmt::format(
        "{} is a path on another host (UNC), of which an image has none", GoQuote(path)));
  }
  const size_t colon = slashed.find(':');
  if (colon == std::string::npos) {
    return slashed;
  }
  if (ToLower(std::string_view(slashed).substr(0, colon)) != "c") {
    return InvalidArgument(
        fmt::format("{} is not on the drive C:, the only one that an image has", GoQuote(path)));
  }
  if (colon + 1 == slashed.size()) {
    return InvalidArgument(
        fmt::format("{} is a drive without a path; its root is C:\\", GoQuote(path)));
  }
  return slashed.substr(colon + 1);
}

std::string DrivePath(std::string_view path) {
  std::string drive = "C:" + std::string(path);
  std::replace(drive.begin(), drive.end(), '/', '\\');
  return drive;
}

}  // namespace zlayer
