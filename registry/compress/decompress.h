// Streams what is behind gzip (RFC 1952) and zstd (RFC 8878). What arrives is hostile.
#ifndef ZLAYER_REGISTRY_COMPRESS_DECOMPRESS_H_
#define ZLAYER_REGISTRY_COMPRESS_DECOMPRESS_H_

#include <absl/status/status.h>

#include <functional>
#include <stop_token>
#include <string_view>

#include "registry/compress/compressor.h"
#include "registry/content/content_file.h"

namespace zlayer {

// Bytes of which CompressionAt needs all that there are.
inline constexpr size_t kCompressionMagic = 10;

// What a file that begins with `start` is compressed with; kNone for what is neither gzip nor zstd.
Compression CompressionAt(std::string_view start);

// Writes what is behind `compression` (not kNone) to `sink`, in pieces of at most 256 KiB, all
// members and frames joined, and checks them against their checksums. Bytes that follow the last
// member of gzip and begin no other are ignored, as by the program. Memory is that of the format's
// window, 128 MiB at most for zstd; how much comes out is the sink's to limit.
//
// kInvalidArgument: the file is damaged, or ends too early; what came before it has reached the
// sink. Errors of the file and of the sink are returned as they are; kCancelled once `stop` is
// requested.
absl::Status Decompress(const ContentFile& file, Compression compression,
                        const std::function<absl::Status(std::string_view)>& sink,
                        const std::stop_token& stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_COMPRESS_DECOMPRESS_H_
