// Amounts of bytes as people write them.
#ifndef ZLAYER_BASE_BYTE_SIZE_H_
#define ZLAYER_BASE_BYTE_SIZE_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace zlayer {

// "10GB" and "10g" are powers of 1000, "512MiB" of 1024, "4096" and "4096B" bytes; k to T, in any
// case, and at most one fraction ("1.5GB"). Nullopt for anything else and beyond 8 EiB.
std::optional<uint64_t> ParseByteSize(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_BASE_BYTE_SIZE_H_
