#include "daemon/frontend/dockerfile/windows_base.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>

#include "base/strings.h"

namespace zlayer {
namespace {

constexpr std::string_view kNamespace = "ghcr.io/blackleafdigital/zlayer/";
constexpr std::string_view kDistributions[] = {
    "ubuntu",     "debian",    "alpine",    "centos",      "fedora",
    "rockylinux", "almalinux", "archlinux", "amazonlinux", "busybox"};

struct Toolchain {
  std::string_view name;
  std::string_view image;
};
constexpr Toolchain kToolchains[] = {
    {"golang", "golang"}, {"go", "golang"},      {"node", "node"}, {"rust", "rust"},
    {"python", "python"}, {"python3", "python"}, {"deno", "deno"}, {"bun", "bun"}};

struct NameAndTag {
  std::string_view name;
  std::string_view tag;
  bool has_digest = false;
};

NameAndTag SplitTag(std::string_view image) {
  NameAndTag parts;
  const size_t at = image.find('@');
  parts.has_digest = at != std::string_view::npos;
  parts.name = image.substr(0, at);
  const size_t slash = parts.name.rfind('/');
  const size_t colon = parts.name.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    parts.tag = parts.name.substr(colon + 1);
    parts.name = parts.name.substr(0, colon);
  }
  return parts;
}

// "1.22-alpine" is "1.22".
std::string_view VersionOf(std::string_view tag) {
  std::string_view version = tag.substr(0, tag.find_first_not_of("0123456789."));
  while (version.ends_with('.')) {
    version.remove_suffix(1);
  }
  return version.empty() ? "latest" : version;
}

}  // namespace

bool IsLtsc(std::string_view text) {
  constexpr std::string_view kLine = "ltsc";
  return text.size() == kLine.size() + 4 && text.starts_with(kLine) &&
         ParseUint(text.substr(kLine.size())).has_value();
}

std::optional<std::string> WindowsBase(std::string_view image, std::string_view ltsc) {
  const NameAndTag parts = SplitTag(image);
  if (parts.has_digest || image.starts_with(kNamespace)) {
    return std::nullopt;
  }
  const std::string_view name = parts.name.substr(parts.name.rfind('/') + 1);
  if (std::find(std::begin(kDistributions), std::end(kDistributions), name) !=
      std::end(kDistributions)) {
    return fmt::format("{}base:windows-{}", kNamespace, ltsc);
  }
  const auto toolchain =
      std::find_if(std::begin(kToolchains), std::end(kToolchains),
                   [name](const Toolchain& known) { return known.name == name; });
  return toolchain == std::end(kToolchains)
             ? std::nullopt
             : std::make_optional(fmt::format("{}{}:{}-windows-{}", kNamespace, toolchain->image,
                                              VersionOf(parts.tag), ltsc));
}

bool IsNanoserver(std::string_view image) {
  return ToLower(SplitTag(image).name).find("nanoserver") != std::string::npos;
}

}  // namespace zlayer
