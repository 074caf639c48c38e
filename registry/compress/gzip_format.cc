#include <isa-l.h>
#include <spdlog/fmt/fmt.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/compress/block_format.h"

namespace zlayer {
namespace {

using namespace std::string_literals;

constexpr int kIsalMaxLevel = ISAL_DEF_MAX_LEVEL;

unsigned char* Bytes(const char* data) {
  return reinterpret_cast<unsigned char*>(const_cast<char*>(data));
}

// RFC 1951, ended on a byte.
class Deflater {
 public:
  virtual ~Deflater() = default;
  // Returns what `out` holds then.
  virtual absl::StatusOr<size_t> Deflate(std::span<const char> in, std::span<char> out) = 0;
};

// Per core some six times as fast as zlib at the same size, for levels that are worth it.
class IsalDeflater : public Deflater {
 public:
  explicit IsalDeflater(int level) : level_(level) {}

  absl::StatusOr<size_t> Deflate(std::span<const char> in, std::span<char> out) override {
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
    return static_cast<size_t>(stream_.next_out - Bytes(out.data()));
  }

 private:
  // Small: codes that are made anew more often fit better, for 3 % of the speed.
  static constexpr std::array<size_t, kIsalMaxLevel + 1> kBufferSizes = {
      0, ISAL_DEF_LVL1_SMALL, ISAL_DEF_LVL2_SMALL, ISAL_DEF_LVL3_SMALL};

  const int level_;
  isal_zstream stream_ = {};
  std::array<uint8_t, ISAL_DEF_LVL3_SMALL> level_buffer_ = {};
};

class ZlibDeflater : public Deflater {
 public:
  ~ZlibDeflater() override { deflateEnd(&stream_); }

  bool Open(int level) {
    constexpr int kDefaultMemory = 8;
    return deflateInit2(&stream_, level, Z_DEFLATED, -MAX_WBITS, kDefaultMemory,
                        Z_DEFAULT_STRATEGY) == Z_OK;
  }

  absl::StatusOr<size_t> Deflate(std::span<const char> in, std::span<char> out) override {
    deflateReset(&stream_);
    stream_.next_in = Bytes(in.data());
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = Bytes(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    if (deflate(&stream_, Z_FULL_FLUSH) != Z_OK || stream_.avail_out == 0) {
      return Internal("compressing with zlib: the block does not fit");
    }
    return out.size() - stream_.avail_out;
  }

 private:
  z_stream stream_ = {};
};

// Whether every byte is about as often as any other in samples of `in`, as it is in what is random,
// encrypted or compressed.
bool LooksRandom(std::span<const char> in) {
  constexpr size_t kSamples = 16;
  constexpr size_t kSample = 1024;
  // Chi-squared with 255 degrees of freedom: 255 in the mean, over 400 once in 10^7 of random data;
  // that of programs and text is in the tens of thousands.
  constexpr size_t kMostChiSquared = 600;
  constexpr size_t kExpected = kSamples * kSample / 256;
  if (in.size() < 4 * kSamples * kSample) {
    return false;  // not worth it
  }
  std::array<uint32_t, 256> counts = {};
  for (size_t sample = 0; sample < kSamples; ++sample) {
    for (char byte : in.subspan(sample * (in.size() / kSamples), kSample)) {
      ++counts[static_cast<unsigned char>(byte)];
    }
  }
  size_t squares = 0;
  for (size_t count : counts) {
    const size_t off = count > kExpected ? count - kExpected : kExpected - count;
    squares += off * off;
  }
  return squares <= kMostChiSquared * kExpected;
}

// As blocks that are not compressed.
size_t Store(std::span<const char> in, std::span<char> out) {
  constexpr size_t kMost = 65535;
  size_t size = 0;
  for (; !in.empty(); in = in.subspan(std::min(in.size(), kMost))) {
    const std::span<const char> piece = in.first(std::min(in.size(), kMost));
    const auto length = static_cast<uint32_t>(piece.size());
    for (const uint32_t byte : {0U, length, length >> 8, ~length, ~length >> 8}) {
      out[size++] = static_cast<char>(byte);
    }
    std::memcpy(&out[size], piece.data(), piece.size());
    size += piece.size();
  }
  return size;
}

// Does not try to compress what cannot be, which an image has much of: archives, pictures, wheels.
class GzipCodec : public BlockCodec {
 public:
  explicit GzipCodec(std::unique_ptr<Deflater> deflater) : deflater_(std::move(deflater)) {}

  absl::StatusOr<CompressedBlock> Compress(std::span<const char> in, std::span<char> out) override {
    CompressedBlock block{.crc = crc32_gzip_refl(0, Bytes(in.data()), in.size())};
    ASSIGN_OR_RETURN(const bool compressible, IsCompressible(in, out));
    if (compressible) {
      ASSIGN_OR_RETURN(block.size, deflater_->Deflate(in, out));
    } else {
      block.size = Store(in, out);
    }
    return block;
  }

 private:
  // Random bytes may repeat, which two pieces show. `out` is overwritten.
  absl::StatusOr<bool> IsCompressible(std::span<const char> in, std::span<char> out) {
    constexpr size_t kPiece = size_t{32} << 10;
    constexpr size_t kLeastGain = kPiece / 128;
    if (!LooksRandom(in)) {
      return true;
    }
    for (const size_t at : {size_t{0}, in.size() / 2}) {
      ASSIGN_OR_RETURN(const size_t size, deflater_->Deflate(in.subspan(at, kPiece), out));
      if (size + kLeastGain < kPiece) {
        return true;
      }
    }
    return false;
  }

  const std::unique_ptr<Deflater> deflater_;
};

absl::StatusOr<std::unique_ptr<Deflater>> MakeDeflater(int level) {
  if (level >= 1 && level <= kIsalMaxLevel) {
    return std::make_unique<IsalDeflater>(level);
  }
  auto deflater = std::make_unique<ZlibDeflater>();
  if (!deflater->Open(level)) {
    return ResourceExhausted("compressing with zlib: out of memory");
  }
  return deflater;
}

absl::StatusOr<std::unique_ptr<BlockCodec>> MakeCodec(int level) {
  ASSIGN_OR_RETURN(std::unique_ptr<Deflater> deflater, MakeDeflater(level));
  return std::make_unique<GzipCodec>(std::move(deflater));
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
