#include "registry/compress/compressor.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/compress/block_compressor.h"
#include "registry/compress/block_format.h"

namespace zlayer {
namespace {

// A new number for each change of the bytes that are written.
constexpr int kVersion = 1;

class NoCompressor : public Compressor {
 public:
  NoCompressor(std::function<absl::Status(std::string_view)> sink, std::stop_token stop)
      : sink_(std::move(sink)), stop_(std::move(stop)) {}

  absl::Status Append(std::string_view data) override {
    return stop_.stop_requested() ? Cancelled("the compression was stopped") : sink_(data);
  }

  absl::Status Finish() override { return absl::OkStatus(); }

 private:
  const std::function<absl::Status(std::string_view)> sink_;
  const std::stop_token stop_;
};

struct Levels {
  std::string_view name;
  int lowest;
  int highest;
  int usual;
};

// The usual ones are chosen by what stands in tests/bench/RESULTS.md, "Compression".
constexpr Levels kGzipLevels = {"gzip", 0, 9, 2};
constexpr Levels kZstdLevels = {"zstd", 1, 22, 1};

const Levels& LevelsOf(Compression compression) {
  return compression == Compression::kGzip ? kGzipLevels : kZstdLevels;
}

}  // namespace

absl::Status CheckLevel(const CompressorOptions& options) {
  if (!options.level.has_value()) {
    return absl::OkStatus();
  }
  if (options.compression == Compression::kNone) {
    return InvalidArgument(
        fmt::format("what is not compressed has no level {}: leave the level out, or choose gzip "
                    "or zstd",
                    *options.level));
  }
  const Levels& levels = LevelsOf(options.compression);
  return *options.level < levels.lowest || *options.level > levels.highest
             ? InvalidArgument(fmt::format("{} has no level {}: there are {} to {}", levels.name,
                                           *options.level, levels.lowest, levels.highest))
             : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Compressor>> MakeCompressor(
    const CompressorOptions& options, std::function<absl::Status(std::string_view)> sink,
    std::stop_token stop) {
  RETURN_IF_ERROR(CheckLevel(options));
  if (options.compression == Compression::kNone) {
    return std::make_unique<NoCompressor>(std::move(sink), std::move(stop));
  }
  const int level = options.level.value_or(LevelsOf(options.compression).usual);
  const unsigned threads =
      options.threads > 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  return MakeBlockCompressor(
      options.compression == Compression::kGzip ? GzipFormat(level) : ZstdFormat(level), threads,
      std::move(sink), std::move(stop));
}

std::string CompressionName(const CompressorOptions& options) {
  if (options.compression == Compression::kNone) {
    return "none";
  }
  const Levels& levels = LevelsOf(options.compression);
  return fmt::format("{}-{}/{}", levels.name, options.level.value_or(levels.usual), kVersion);
}

}  // namespace zlayer
