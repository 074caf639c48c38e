#include <spdlog/fmt/fmt.h>
#include <zstd.h>

#include "base/errors.h"
#include "registry/compress/block_format.h"

namespace zlayer {
namespace {

static_assert(ZSTD_COMPRESSBOUND(kBlockSize) <= kMaxCompressedBlock);

class ZstdCodec : public BlockCodec {
 public:
  ~ZstdCodec() override { ZSTD_freeCCtx(context_); }

  bool Open(int level) {
    context_ = ZSTD_createCCtx();
    return context_ != nullptr &&
           ZSTD_isError(ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level)) == 0;
  }

  absl::StatusOr<CompressedBlock> Compress(std::span<const char> in, std::span<char> out) override {
    const size_t size = ZSTD_compress2(context_, out.data(), out.size(), in.data(), in.size());
    if (ZSTD_isError(size) != 0) {
      return Internal(fmt::format("compressing with zstd: {}", ZSTD_getErrorName(size)));
    }
    return CompressedBlock{.size = size};
  }

 private:
  ZSTD_CCtx* context_ = nullptr;
};

absl::StatusOr<std::unique_ptr<BlockCodec>> MakeCodec(int level) {
  auto codec = std::make_unique<ZstdCodec>();
  if (!codec->Open(level)) {
    return ResourceExhausted("compressing with zstd: out of memory");
  }
  return codec;
}

}  // namespace

BlockFormat ZstdFormat(int level) {
  return {
      .make_codec = [level] { return MakeCodec(level); },
      .header = "",
      .trailer = [](uint32_t, uint64_t) { return std::string(); },
  };
}

}  // namespace zlayer
