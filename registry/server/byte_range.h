// The Range header (RFC 9110 section 14.2), of one range of bytes.
#ifndef ZLAYER_REGISTRY_SERVER_BYTE_RANGE_H_
#define ZLAYER_REGISTRY_SERVER_BYTE_RANGE_H_

#include <cstdint>
#include <string_view>

namespace zlayer {

struct ByteRange {
  // kWhole also where the header is malformed or asks for several ranges: both may be ignored.
  enum class Kind { kWhole, kPart, kUnsatisfiable } kind = Kind::kWhole;
  uint64_t offset = 0;
  uint64_t length = 0;
};

// Of something of `size` bytes.
ByteRange ParseByteRange(std::string_view header, uint64_t size);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_BYTE_RANGE_H_
