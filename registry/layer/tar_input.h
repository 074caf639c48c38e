// A tar that arrives, plain or compressed, read entry by entry with libarchive while the whole
// uncompressed stream is digested. Everything in it is hostile.
#ifndef ZLAYER_REGISTRY_LAYER_TAR_INPUT_H_
#define ZLAYER_REGISTRY_LAYER_TAR_INPUT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "registry/content/content_store.h"
#include "registry/layer/archive.h"
#include "registry/layer/tar_header.h"
#include "registry/layer/unpacked_input.h"

struct archive;
struct archive_entry;

namespace zlayer {

// Not thread-safe. Errors are kInvalidArgument where the archive is at fault, else those of reading
// the file; after one nothing more may be called.
class TarInput {
 public:
  static absl::StatusOr<std::unique_ptr<TarInput>> Open(const ContentFile& file,
                                                        const ArchiveLimits& limits,
                                                        std::stop_token stop);
  ~TarInput();

  // For registry/layer/archive.h, where these are described; the file is not empty.
  static absl::StatusOr<bool> IsCompressed(const ContentFile& file);
  static absl::Status ReadUncompressed(const ContentFile& file, const ArchiveLimits& limits,
                                       const std::function<absl::Status(std::string_view)>& sink,
                                       std::stop_token stop);

  // Goes to the next entry; false at the end. What was not read of the last one is skipped.
  absl::StatusOr<bool> Next();
  // The entry, until Next.
  archive_entry* entry() const { return entry_; }
  // Whether it is a regular file with bytes of its own (not a hard link).
  bool IsFile() const;
  // Its path as it is in the archive.
  std::string path() const;
  // Its headers as they are in the archive; nullopt where they cannot be understood.
  std::optional<RawTarHeader> RawHeader() const;
  // Streams the bytes of the entry, holes as zeros. At most once for each entry.
  absl::Status ReadData(const std::function<absl::Status(std::string_view)>& sink);

  // Reads the rest of the stream, what follows the end of the archive too. Then digest and size of
  // the uncompressed stream are known.
  absl::Status Drain();
  Digest digest() { return sha256_.Finish(); }  // once, after Drain
  uint64_t size() const { return size_; }
  bool compressed() const { return input_->compressed(); }

 private:
  struct Free {
    void operator()(archive* reader) const;
  };
  using Reader = std::unique_ptr<archive, Free>;

  TarInput(const ContentFile& file, const ArchiveLimits& limits, std::stop_token stop)
      : file_(file), limits_(limits), stop_(std::move(stop)) {}

  absl::Status OpenTar();
  absl::Status ArchiveError() const;
  absl::Status CheckBytes(uint64_t bytes, uint64_t limit) const;
  // The next piece of the uncompressed stream; empty at its end. Stays valid until the next call.
  absl::StatusOr<std::string_view> ReadStream();
  std::optional<std::string> Bytes(uint64_t offset, size_t size) const;
  // libarchive's: stores an error in status_.
  static ssize_t StreamCallback(archive* reader, void* self, const void** buffer);

  const ContentFile file_;
  const ArchiveLimits limits_;
  const std::stop_token stop_;
  absl::Status status_;

  std::unique_ptr<UnpackedInput> input_;
  // The last pieces of the uncompressed stream: of a compressed file some, for RawHeader.
  std::deque<std::string> recent_;
  uint64_t recent_bytes_ = 0;
  uint64_t size_ = 0;
  Sha256 sha256_;

  Reader tar_;
  archive_entry* entry_ = nullptr;
  uint64_t entries_ = 0;
  uint64_t unpacked_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_TAR_INPUT_H_
