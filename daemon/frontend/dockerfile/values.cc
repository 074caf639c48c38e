#include "daemon/frontend/dockerfile/values.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "base/errors.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {
namespace {

constexpr std::string_view kSystems[] = {"linux",   "windows", "darwin", "freebsd", "netbsd",
                                         "openbsd", "solaris", "wasip1", "plan9"};
constexpr std::string_view kArchitectures[] = {
    "386",  "amd64",    "arm",    "arm64",   "loong64", "mips",    "mipsle",
    "wasm", "mips64le", "mips64", "ppc64le", "ppc64",   "riscv64", "s390x"};

bool Contains(const std::string_view* begin, const std::string_view* end, std::string_view name) {
  return std::find(begin, end, name) != end;
}

struct PortRange {
  uint64_t first;
  uint64_t last;
};

std::optional<PortRange> ParsePortRange(std::string_view text) {
  const size_t dash = text.find('-');
  const std::optional<uint64_t> first = ParseUint(text.substr(0, dash));
  const std::optional<uint64_t> last =
      dash == std::string_view::npos ? first : ParseUint(text.substr(dash + 1));
  if (!first || !last || *last < *first || *last > 65535) {
    return std::nullopt;
  }
  return PortRange{*first, *last};
}

bool IsAddress(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) {
    text = text.substr(1, text.size() - 2);
  }
  unsigned char address[sizeof(in6_addr)];
  const std::string name(text);
  return inet_pton(AF_INET, name.c_str(), address) == 1 ||
         inet_pton(AF_INET6, name.c_str(), address) == 1;
}

// What stands before the last ':' of a port: "8080", "8000-8010" or "127.0.0.1:8080"; each part may
// be empty.
bool IsHostPart(std::string_view text) {
  const size_t colon = text.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? text : text.substr(colon + 1);
  const std::string_view address = colon == std::string_view::npos ? "" : text.substr(0, colon);
  return (port.empty() || ParsePortRange(port)) && (address.empty() || IsAddress(address));
}

}  // namespace

v1::Platform CanonicalPlatform(v1::Platform platform) {
  platform.set_os(ToLower(platform.os() == "macos" ? "darwin" : platform.os()));
  std::string architecture = ToLower(platform.architecture());
  std::string variant = ToLower(platform.variant());
  if (architecture == "x86_64" || architecture == "x86-64") {
    architecture = "amd64";
  } else if (architecture == "i386") {
    architecture = "386";
  } else if (architecture == "aarch64") {
    architecture = "arm64";
  } else if (architecture == "armhf") {
    architecture = "arm";
    variant = "v7";
  } else if (architecture == "armel") {
    architecture = "arm";
    variant = "v6";
  }
  if (!variant.empty() && variant[0] >= '0' && variant[0] <= '9') {
    variant.insert(0, "v");
  }
  if ((architecture == "amd64" && variant == "v1") ||
      (architecture == "arm64" && variant == "v8")) {
    variant.clear();
  } else if (architecture == "arm" && variant.empty()) {
    variant = "v7";
  }
  platform.set_architecture(architecture);
  platform.set_variant(variant);
  return platform;
}

absl::StatusOr<v1::Platform> ParsePlatform(std::string_view text, const v1::Platform& host) {
  const std::vector<std::string_view> parts = Split(text, '/');
  v1::Platform platform;
  bool valid = parts.size() <= 3;
  for (const std::string_view part : parts) {
    valid = valid && !part.empty() && IsUtf8(part);
  }
  if (valid && parts.size() > 1) {
    platform.set_os(std::string(parts[0]));
    platform.set_architecture(std::string(parts[1]));
    platform.set_variant(std::string(parts.size() > 2 ? parts[2] : ""));
    return CanonicalPlatform(platform);
  }
  if (valid) {
    platform.set_os(host.os());
    platform.set_architecture(std::string(parts[0]));
    platform = CanonicalPlatform(platform);
    if (Contains(std::begin(kArchitectures), std::end(kArchitectures), platform.architecture())) {
      return platform;
    }
    const std::string system = ToLower(parts[0]);
    if (Contains(std::begin(kSystems), std::end(kSystems), system)) {
      platform = host;
      platform.set_os(system);
      return CanonicalPlatform(platform);
    }
  }
  return InvalidArgument(fmt::format(
      "{} is not a platform; one is written as linux/amd64 or linux/arm/v7", GoQuote(text)));
}

absl::StatusOr<std::vector<std::string>> ParsePorts(std::string_view text) {
  const size_t colon = text.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? text : text.substr(colon + 1);
  const bool host_valid = colon == std::string_view::npos || IsHostPart(text.substr(0, colon));
  const size_t slash = port.find('/');
  const std::string protocol =
      slash == std::string_view::npos ? "tcp" : ToLower(port.substr(slash + 1));
  const std::optional<PortRange> range = ParsePortRange(port.substr(0, slash));
  if (!range || !host_valid ||
      (protocol != "tcp" && protocol != "udp" && protocol != "sctp" && !protocol.empty())) {
    return InvalidArgument(fmt::format(
        "{} is not a port; one is written as 80, 80/udp or 8000-8010/tcp", GoQuote(text)));
  }
  std::vector<std::string> ports;
  for (uint64_t number = range->first; number <= range->last; ++number) {
    ports.push_back(fmt::format("{}/{}", number, protocol.empty() ? "tcp" : protocol));
  }
  return ports;
}

std::optional<uint64_t> ParseByteSize(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  double size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, size);
  if (error != std::errc() || end != text.data() + digits) {
    return std::nullopt;
  }
  std::string unit = ToLower(text.substr(digits));
  if (unit.starts_with(' ')) {
    unit.erase(0, 1);
  }
  const size_t power = unit.empty() ? 0 : std::string_view("bkmgtp").find(unit[0]);
  if (power == std::string_view::npos || (power == 0 && unit.size() > 1) ||
      (unit.size() > 1 && unit.substr(1) != "b" && unit.substr(1) != "ib")) {
    return std::nullopt;
  }
  size = std::ldexp(size, static_cast<int>(10 * power));
  return size < 0x1p63 ? std::make_optional(static_cast<uint64_t>(size)) : std::nullopt;
}

bool IsSignal(std::string_view text) {
  if (const std::optional<uint64_t> number = ParseUint(text)) {
    return *number >= 1 && *number <= 64;
  }
  constexpr std::string_view kNames[] = {
      "ABRT", "ALRM", "BUS",    "CHLD", "CLD",  "CONT",  "FPE",    "HUP",   "ILL",
      "INT",  "IO",   "IOT",    "KILL", "PIPE", "POLL",  "PROF",   "PWR",   "QUIT",
      "SEGV", "STOP", "SYS",    "TERM", "TRAP", "TSTP",  "TTIN",   "TTOU",  "URG",
      "USR1", "USR2", "VTALRM", "XCPU", "XFSZ", "WINCH", "STKFLT", "RTMIN", "RTMAX"};
  std::string name = ToUpper(text);
  if (name.starts_with("SIG")) {
    name.erase(0, 3);
  }
  if (Contains(std::begin(kNames), std::end(kNames), name)) {
    return true;
  }
  const bool offset = name.starts_with("RTMIN+") || name.starts_with("RTMAX-");
  return offset && ParseUint(std::string_view(name).substr(6)).value_or(99) <= 30;
}

}  // namespace zlayer
