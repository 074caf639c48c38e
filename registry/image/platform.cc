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

// Of the variants that there are without one.
constexpr std::pair<std::string_view, int> kPlain[] = {{"amd64", 1}, {"arm", 7}, {"arm64", 8}};

// The number in "v7"; 0 where there is none.
int VariantOf(const v1::Platform& platform) {
  const std::string& variant = platform.variant();
  if (variant.empty()) {
    for (const auto& [architecture, number] : kPlain) {
      if (platform.architecture() == architecture) {
        return number;
      }
    }
  }
  const bool is_number =
      variant.size() == 2 && variant[0] == 'v' && variant[1] >= '0' && variant[1] <= '9';
  return is_number ? variant[1] - '0' : 0;
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
  const int variant = VariantOf(image);
  const int wanted_variant = VariantOf(wanted);
  return variant == 0 || wanted_variant == 0
             ? image.variant().empty() || wanted.variant().empty() ||
                   image.variant() == wanted.variant()
             : variant <= wanted_variant;
}

bool MayBeFor(const v1::Platform& in_index, const v1::Platform& wanted) {
  return in_index.os().empty() || PlatformMatches(in_index, wanted);
}

std::optional<size_t> ChoosePlatform(const std::vector<v1::Platform>& in_index,
                                     const v1::Platform& wanted) {
  std::optional<size_t> chosen;
  int best = -2;
  for (size_t i = 0; i < in_index.size(); ++i) {
    const int suits = in_index[i].os().empty() ? -1 : VariantOf(in_index[i]);
    if (MayBeFor(in_index[i], wanted) && suits > best) {
      chosen = i;
      best = suits;
    }
  }
  return chosen;
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
