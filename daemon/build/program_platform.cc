#include "daemon/build/program_platform.h"

#include <cstdint>
#include <span>
#include <string>

namespace zlayer {
namespace {

using namespace std::string_view_literals;

struct Machine {
  uint32_t number;
  std::string_view architecture;
};
constexpr Machine kElfMachines[] = {{3, "386"},     {40, "arm"},     {62, "amd64"},
                                    {183, "arm64"}, {21, "ppc64le"}, {243, "riscv64"},
                                    {22, "s390x"},  {258, "loong64"}};
constexpr Machine kPeMachines[] = {
    {0x14c, "386"}, {0x1c4, "arm"}, {0x8664, "amd64"}, {0xaa64, "arm64"}};
constexpr Machine kMachOMachines[] = {{7, "386"}, {0x1000007, "amd64"}, {0x100000c, "arm64"}};

// An unsigned number of `size` bytes at `offset`.
std::optional<uint32_t> NumberAt(std::string_view head, size_t offset, size_t size, bool big) {
  if (offset > head.size() || head.size() - offset < size) {
    return std::nullopt;
  }
  uint32_t number = 0;
  for (size_t i = 0; i < size; ++i) {
    const size_t at = offset + (big ? i : size - 1 - i);
    number = number << 8 | static_cast<unsigned char>(head[at]);
  }
  return number;
}

v1::Platform Make(std::string_view os, std::span<const Machine> machines, uint32_t number) {
  v1::Platform platform;
  platform.set_os(std::string(os));
  for (const Machine& machine : machines) {
    if (machine.number == number) {
      platform.set_architecture(std::string(machine.architecture));
    }
  }
  return platform;
}

std::optional<v1::Platform> OfElf(std::string_view head) {
  constexpr size_t kDataEncoding = 5;
  constexpr size_t kMachine = 18;
  if (head.size() <= kDataEncoding) {
    return std::nullopt;
  }
  const std::optional<uint32_t> machine = NumberAt(head, kMachine, 2, head[kDataEncoding] == 2);
  return machine ? std::make_optional(Make("linux", kElfMachines, *machine)) : std::nullopt;
}

// What begins as a program of DOS says where that of Windows begins.
std::optional<v1::Platform> OfPe(std::string_view head) {
  constexpr size_t kHeaderOffset = 0x3c;
  constexpr std::string_view kSignature = "PE\0\0"sv;
  const std::optional<uint32_t> at = NumberAt(head, kHeaderOffset, 4, false);
  if (!at || *at > head.size() || !head.substr(*at).starts_with(kSignature)) {
    return std::nullopt;
  }
  const std::optional<uint32_t> machine = NumberAt(head, *at + kSignature.size(), 2, false);
  return machine ? std::make_optional(Make("windows", kPeMachines, *machine)) : std::nullopt;
}

std::optional<v1::Platform> OfMachO(std::string_view head, bool big) {
  const std::optional<uint32_t> machine = NumberAt(head, 4, 4, big);
  return machine ? std::make_optional(Make("darwin", kMachOMachines, *machine)) : std::nullopt;
}

// Java's classes begin with the same bytes and then a version, which is more than there are
// architectures.
std::optional<v1::Platform> OfFatMachO(std::string_view head) {
  constexpr uint32_t kMostArchitectures = 40;
  const std::optional<uint32_t> count = NumberAt(head, 4, 4, true);
  return count && *count > 0 && *count < kMostArchitectures
             ? std::make_optional(Make("darwin", {}, 0))
             : std::nullopt;
}

}  // namespace

std::optional<v1::Platform> PlatformOfProgram(std::string_view head) {
  if (head.starts_with("\x7f"
                       "ELF")) {
    return OfElf(head);
  }
  if (head.starts_with("MZ")) {
    return OfPe(head);
  }
  if (head.starts_with("\xca\xfe\xba\xbe") || head.starts_with("\xca\xfe\xba\xbf")) {
    return OfFatMachO(head);
  }
  if (head.starts_with("\xfe\xed\xfa\xce") || head.starts_with("\xfe\xed\xfa\xcf")) {
    return OfMachO(head, true);
  }
  if (head.starts_with("\xce\xfa\xed\xfe") || head.starts_with("\xcf\xfa\xed\xfe")) {
    return OfMachO(head, false);
  }
  return std::nullopt;
}

}  // namespace zlayer
