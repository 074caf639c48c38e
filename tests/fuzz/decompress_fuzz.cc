// The input is a compressed file: it unpacks or is refused, within bounds.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "registry/compress/decompress.h"
#include "registry/layer/testing/memory_contents.h"
#include "tests/fuzz/check.h"

namespace {

constexpr size_t kMost = 8 << 20;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const zlayer::Compression compression =
      zlayer::CompressionAt(text.substr(0, zlayer::kCompressionMagic));
  if (compression == zlayer::Compression::kNone) {
    return 0;
  }
  size_t unpacked = 0;
  const absl::Status status = zlayer::Decompress(
      zlayer::MemoryFile(text), compression,
      [&](std::string_view piece) -> absl::Status {
        FUZZ_CHECK(!piece.empty() && piece.size() <= (256 << 10));
        unpacked += piece.size();
        return unpacked > kMost ? zlayer::ResourceExhausted("enough") : absl::OkStatus();
      },
      {});
  FUZZ_CHECK(status.ok() || absl::IsInvalidArgument(status) || absl::IsResourceExhausted(status));
  return 0;
}
