// How the formats are made of blocks that are compressed apart from each other, and joined.
#ifndef ZLAYER_REGISTRY_COMPRESS_BLOCK_FORMAT_H_
#define ZLAYER_REGISTRY_COMPRESS_BLOCK_FORMAT_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace zlayer {

// What a block holds before it is compressed; only the last may have less. Larger blocks compress
// hardly better, and each takes its place in memory twice.
inline constexpr size_t kBlockSize = size_t{1} << 20;
// What any block fits in, compressed.
inline constexpr size_t kMaxCompressedBlock = kBlockSize + kBlockSize / 64;

struct CompressedBlock {
  size_t size = 0;
  uint32_t crc = 0;  // of what was compressed, where the format has checksums
};

// Each thread has one of its own. What it makes of a block does not depend on blocks before.
class BlockCodec {
 public:
  virtual ~BlockCodec() = default;
  // `in` has at most kBlockSize bytes, `out` at least kMaxCompressedBlock.
  virtual absl::StatusOr<CompressedBlock> Compress(std::span<const char> in,
                                                   std::span<char> out) = 0;
};

struct BlockFormat {
  std::function<absl::StatusOr<std::unique_ptr<BlockCodec>>()> make_codec;
  std::string header;
  // What follows the last block: `crc` and `size` are those of the whole input.
  std::function<std::string(uint32_t crc, uint64_t size)> trailer;
};

// One member of RFC 1952 without name and time. Every block ends on a byte and refers to none
// before it. `level` is 0 to 9: 0 stores, 1 to 3 are ISA-L's, from 4 on zlib's. A block that looks
// random is stored at every level.
BlockFormat GzipFormat(int level);

// One frame of RFC 8878 a block; `level` is 1 to 22.
BlockFormat ZstdFormat(int level);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_COMPRESS_BLOCK_FORMAT_H_
