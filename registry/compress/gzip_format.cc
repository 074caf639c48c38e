#include <isa-l.h>
#include <spdlog/fmt/fmt.h>
#include <zlib.h>

#include <array>

#include "base/errors.h"
#include "registry/compress/block_format.h"

namespace zlayer {
namespace {

using namespace std::string_literals;

constexpr int kIsalMaxLevel = ISAL_DEF_MAX_LEVEL;

unsigned char* Bytes(const char* data) {
  return reinterpret_cast<unsigned char*>(const_cast<char*>(data));
}

// Per core some six times as fast as zlib at the same size, for levels that are worth it.
class IsalCodec : public BlockCodec {
 public:
  explicit IsalCodec(int level) : level_(level) {}

  absl::StatusOr<CompressedBlock> Compress(std::span<const char> in, std::span<char> out) override {
    isal_deflate_stateless_init(&stream_);
    stream_.level = static_cast<uint32_t>(level_);
    stream_.level_buf = level_buffer_.data();
    stream_.level_buf_size = static_cast<uint32_t>(kBufferSizes[level_]);
    stream_.flush = FULL_FLUSH;
    stream_.next_in = Bytes(in.data());
    stream_.avail_in = static_cast<uint32_t>(in.size());
    stream_.next_out = Bytes(out.data());
    stream_.avail_out = static_cast<uint32_t>(out.size());
    if (const int error = isal_deflate_stateless(&stream_); error != COMP_OK) {
      return Internal(fmt::format("compressing with ISA-L: error {}", error));
    }
    return CompressedBlock{.size = static_cast<size_t>(stream_.next_out - Bytes(out.data())),
                           .crc = crc32_gzip_refl(0, Bytes(in.data()), in.size())};
  }

 private:
  // Small: codes that are made anew more often fit better, for 3 % of the speed.
  static constexpr std::array<size_t, kIsalMaxLevel + 1> kBufferSizes = {
      0, ISAL_DEF_LVL1_SMALL, ISAL_DEF_LVL2_SMALL, ISAL_DEF_LVL3_SMALL};

  const int level_;
  isal_zstream stream_ = {};
  std::array<uint8_t, ISAL_DEF_LVL3_SMALL> level_buffer_ = {};
};

class ZlibCodec : public BlockCodec {
 public:
  ~ZlibCodec() override { deflateEnd(&stream_); }

  bool Open(int level) {
    constexpr int kDefaultMemory = 8;
    return deflateInit2(&stream_, level, Z_DEFLATED, -MAX_WBITS, kDefaultMemory,
                        Z_DEFAULT_STRATEGY) == Z_OK;
  }

  absl::StatusOr<CompressedBlock> Compress(std::span<const char> in, std::span<char> out) override {
    deflateReset(&stream_);
    stream_.next_in = Bytes(in.data());
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = Bytes(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    if (deflate(&stream_, Z_FULL_FLUSH) != Z_OK || stream_.avail_out == 0) {
      return Internal("compressing with zlib: the block does not fit");
    }
    return CompressedBlock{.size = out.size() - stream_.avail_out,
                           .crc = crc32_gzip_refl(0, Bytes(in.data()), in.size())};
  }

 private:
  z_stream stream_ = {};
};

absl::StatusOr<std::unique_ptr<BlockCodec>> MakeCodec(int level) {
  if (level >= 1 && level <= kIsalMaxLevel) {
    return std::make_unique<IsalCodec>(level);
  }
  auto codec = std::make_unique<ZlibCodec>();
  if (!codec->Open(level)) {
    return ResourceExhausted("compressing with zlib: out of memory");
  }
  return codec;
}

// An empty last block, then the checksum and the size modulo 2^32.
std::string Trailer(uint32_t crc, uint64_t size) {
  std::string trailer = "\x03\x00"s;
  for (const uint32_t value : {crc, static_cast<uint32_t>(size)}) {
    for (int shift = 0; shift < 32; shift += 8) {
      trailer += static_cast<char>(value >> shift);
    }
  }
  return trailer;
}

}  // namespace

BlockFormat GzipFormat(int level) {
  return {
      .make_codec = [level] { return MakeCodec(level); },
      // Deflate, no flags, no time, no hint about the level, no operating system.
      .header = "\x1f\x8b\x08\0\0\0\0\0\0\xff"s,
      .trailer = Trailer,
  };
}

}  // namespace zlayer
