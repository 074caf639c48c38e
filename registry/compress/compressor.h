// Compresses the tars of layers for other registries: gzip (RFC 1952) and zstd (RFC 8878), in
// blocks that all cores work on. The same input, options and machine make the same bytes, however
// many threads there are.
#ifndef ZLAYER_REGISTRY_COMPRESS_COMPRESSOR_H_
#define ZLAYER_REGISTRY_COMPRESS_COMPRESSOR_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace zlayer {

enum class Compression { kNone, kGzip, kZstd };

struct CompressorOptions {
  Compression compression = Compression::kGzip;
  // gzip 0 to 9, zstd 1 to 22; nothing: the one that we hold best for a push, which is fast. 2 and
  // 3 of gzip are larger than those of the program, and several times as fast as 4. Without
  // compression there are no levels.
  std::optional<int> level;
  // 0: as many as processors.
  unsigned threads = 0;
};

// Not thread-safe. Memory is bounded, by about 5 MiB a thread: Append waits while the blocks under
// way are not written. After an error every further call returns it.
class Compressor {
 public:
  virtual ~Compressor() = default;
  virtual absl::Status Append(std::string_view data) = 0;
  // Writes what is left and the trailer. Nothing may be called after it.
  virtual absl::Status Finish() = 0;
};

// kInvalidArgument: the compression has no such level.
absl::Status CheckLevel(const CompressorOptions& options);

// Output goes to `sink`, in order, from the threads that call Append and Finish. An error of it is
// returned by these. kInvalidArgument: there is no such level. kCancelled once `stop` is requested.
absl::StatusOr<std::unique_ptr<Compressor>> MakeCompressor(
    const CompressorOptions& options, std::function<absl::Status(std::string_view)> sink,
    std::stop_token stop);

// What the options mean with the default filled in, for a name under which output is remembered:
// "gzip-2/1". It changes when a later version writes other bytes.
std::string CompressionName(const CompressorOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_COMPRESS_COMPRESSOR_H_
