#include "registry/meta/boot.h"

#include "base/files.h"
#include "base/strings.h"

namespace zlayer {
namespace {

std::string FindBootId() {
  absl::StatusOr<std::string> content = ReadFile("/proc/sys/kernel/random/boot_id", 4096);
  std::string id(content.ok() ? Trim(*content) : std::string_view());
  return id.empty() ? RandomHex() : id;
}

}  // namespace

const std::string& BootId() {
  static const std::string id = FindBootId();
  return id;
}

}  // namespace zlayer
