#include "base/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace zlayer {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
    }
    table[byte] = value;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = MakeTable();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t HardwareCrc32c(std::string_view data, uint32_t before) {
  uint64_t crc = ~before;
  while (data.size() >= sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, data.data(), sizeof(word));
    crc = _mm_crc32_u64(crc, word);
    data.remove_prefix(sizeof(word));
  }
  auto rest = static_cast<uint32_t>(crc);
  for (char c : data) {
    rest = _mm_crc32_u8(rest, static_cast<unsigned char>(c));
  }
  return ~rest;
}
#endif

}  // namespace

uint32_t PortableCrc32c(std::string_view data, uint32_t before) {
  uint32_t crc = ~before;
  for (char c : data) {
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  }
  return ~crc;
}

uint32_t Crc32c(std::string_view data, uint32_t before) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) {
    return HardwareCrc32c(data, before);
  }
#endif
  return PortableCrc32c(data, before);
}

}  // namespace zlayer
