// The bytes of a file that arrived, without its compression: gzip, bzip2, xz or zstd. Everything in
// it is hostile.
#ifndef ZLAYER_REGISTRY_LAYER_UNPACKED_INPUT_H_
#define ZLAYER_REGISTRY_LAYER_UNPACKED_INPUT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "base/read_ahead.h"
#include "registry/content/content_file.h"

namespace zlayer {

// What is compressed is unpacked on a thread of its own, ahead of who reads. Not thread-safe.
class UnpackedInput {
 public:
  // The file is not empty. kInvalidArgument: it is damaged, or compressed more than once, which may
  // show later.
  static absl::StatusOr<std::unique_ptr<UnpackedInput>> Open(const ContentFile& file,
                                                             std::stop_token stop);

  bool compressed() const { return ahead_.has_value(); }
  // Sets `piece` to the next bytes, 256 KiB at most; none at the end.
  absl::Status Next(std::string* piece);

 private:
  UnpackedInput(const ContentFile& file, std::stop_token stop)
      : file_(file), stop_(std::move(stop)) {}

  const ContentFile file_;
  const std::stop_token stop_;
  uint64_t at_ = 0;  // of a plain file
  std::optional<ReadAhead> ahead_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_UNPACKED_INPUT_H_
