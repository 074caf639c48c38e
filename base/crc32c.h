// CRC-32C (Castagnoli, RFC 3720 appendix B.4): guards records that are read back after a crash.
#ifndef ZLAYER_BASE_CRC32C_H_
#define ZLAYER_BASE_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace zlayer {

// The checksum of `data`. With the checksum of what came before as `before`, that of both joined:
// Crc32c("b", Crc32c("a")) is Crc32c("ab").
uint32_t Crc32c(std::string_view data, uint32_t before = 0);

// The same without the processor's own instruction, which Crc32c takes where there is one.
uint32_t PortableCrc32c(std::string_view data, uint32_t before = 0);

}  // namespace zlayer

#endif  // ZLAYER_BASE_CRC32C_H_
