// A piece of an open file that holds one file content or one blob.
#ifndef ZLAYER_REGISTRY_CONTENT_CONTENT_FILE_H_
#define ZLAYER_REGISTRY_CONTENT_CONTENT_FILE_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/digest.h"
#include "base/unique_fd.h"

namespace zlayer {

// Bytes of one file content: `size` bytes of `fd` from `offset`, to be read with pread only (the
// descriptor may be shared).
struct ContentFile {
  std::shared_ptr<const UniqueFd> fd;
  uint64_t offset = 0;
  uint64_t size = 0;
  // This process digested the bytes as it wrote them, less than a minute ago: they are still in
  // memory, and need not be checked again where they are read once more.
  bool verified = false;
};

// kDataLoss: a content of `size` bytes that should have the digest `expected` has `found`.
absl::Status DamagedContent(const Digest& expected, uint64_t size, const Digest& found);

// Calls `sink` with all bytes of `file`, in pieces of at most 1 MiB, and checks them against
// `expected` unless that is none: kDataLoss names the digest. An error of `sink` ends it and is
// returned.
absl::Status ReadContent(const ContentFile& file, const Digest& expected,
                         const std::function<absl::Status(std::string_view)>& sink);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CONTENT_CONTENT_FILE_H_
