#include "registry/image/platform.h"

#include <sys/utsname.h>

#include <set>
#include <string_view>
#include <utility>

#include "base/strings.h"

namespace zlayer {
namespace {

struct Machine {
  std::string_view uname;
  std::string_view architecture;
  std::string_view variant;
};

constexpr Machine kMachines[] = {
    {"x86_64", "amd64", ""},        {"aarch64", "arm64", ""},   {"armv7l", "arm", "v7"},
    {"armv6l", "arm", "v6"},        {"i386", "386", ""},        {"i686", "386", ""},
    {"ppc64le", "ppc64le", ""},     {"riscv64", "riscv64", ""}, {"s390x", "s390x", ""},
    {"loongarch64", "loong64", ""},
};

std::string Variant(const v1::Platform& platform) {
  bool plain = (platform.architecture() == "arm64" && platform.variant() == "v8") ||
               (platform.architecture() == "amd64" && platform.variant() == "v1");
  return plain ? std::string() : platform.variant();
}

}  // namespace

v1::Platform HostPlatform() {
  utsname name;
  uname(&name);
  v1::Platform platform;
  platform.set_os("linux");
  platform.set_architecture(name.machine);
  for (const Machine& machine : kMachines) {
    if (machine.uname == name.machine) {
      platform.set_architecture(std::string(machine.architecture));
      platform.set_variant(std::string(machine.variant));
    }
  }
  return platform;
}

bool PlatformMatches(const v1::Platform& image, const v1::Platform& wanted) {
  if (image.os() != wanted.os() || image.architecture() != wanted.architecture()) {
    return false;
  }
  std::string variant = Variant(image);
  std::string wanted_variant = Variant(wanted);
  return variant.empty() || wanted_variant.empty() || variant == wanted_variant;
}

bool MayBeFor(const v1::Platform& in_index, const v1::Platform& wanted) {
  return in_index.os().empty() || PlatformMatches(in_index, wanted);
}

std::string FormatPlatform(const v1::Platform& platform) {
  std::string text = platform.os() + "/" + platform.architecture();
  if (!platform.variant().empty()) {
    text += "/" + platform.variant();
  }
  return text;
}

std::string FormatPlatforms(const std::vector<v1::Platform>& in_index) {
  std::set<std::string> platforms;
  for (const v1::Platform& platform : in_index) {
    if (!platform.os().empty() && platform.os() != "unknown") {
      platforms.insert(FormatPlatform(platform));
    }
  }
  return platforms.empty() ? "nothing" : Join({platforms.begin(), platforms.end()}, ", ");
}

}  // namespace zlayer
