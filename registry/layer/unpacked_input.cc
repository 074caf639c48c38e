#include "registry/layer/unpacked_input.h"

#include <archive.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/compress/decompress.h"

namespace zlayer {
namespace {

using Sink = std::function<absl::Status(std::string_view)>;

absl::Status PackedTwice() {
  return InvalidArgument("the archive is compressed more than once; unpack it first");
}

bool LooksCompressed(std::string_view start) {
  return CompressionAt(start) != Compression::kNone ||
         start.starts_with(
             "\xfd"
             "7zXZ") ||
         (start.starts_with("BZh") && start.size() > 4 && start.substr(4).starts_with("1AY&SY"));
}

// bzip2 and xz, by libarchive. Not thread-safe.
class FilterReader {
 public:
  FilterReader(const ContentFile& file, std::stop_token stop)
      : file_(file), stop_(std::move(stop)), filter_(archive_read_new(), archive_read_free) {}

  // Whether there is something to unpack.
  absl::StatusOr<bool> Open() {
    archive* const filter = filter_.get();
    if (filter == nullptr || archive_read_support_format_raw(filter) != ARCHIVE_OK ||
        archive_read_support_filter_bzip2(filter) != ARCHIVE_OK ||
        archive_read_support_filter_xz(filter) != ARCHIVE_OK) {
      return Internal("libarchive lacks bzip2 or xz");
    }
    archive_entry* entry;
    if (archive_read_open(filter, this, nullptr, FileCallback, nullptr) != ARCHIVE_OK ||
        archive_read_next_header(filter, &entry) != ARCHIVE_OK) {
      return Error();
    }
    // The last of the filters that libarchive counts is the file itself.
    const int filters = archive_filter_count(filter) - 1;
    return filters > 1 ? PackedTwice() : absl::StatusOr<bool>(filters == 1);
  }

  absl::Status Write(const Sink& sink) {
    while (true) {
      const void* data = nullptr;
      size_t size = 0;
      la_int64_t offset;
      const int result = archive_read_data_block(filter_.get(), &data, &size, &offset);
      if (result == ARCHIVE_EOF) {
        return absl::OkStatus();
      }
      if (result != ARCHIVE_OK) {
        return Error();
      }
      RETURN_IF_ERROR(sink({static_cast<const char*>(data), size}));
    }
  }

 private:
  absl::Status Error() const {
    if (!status_.ok()) {
      return status_;
    }
    const char* message = archive_error_string(filter_.get());
    return InvalidArgument(fmt::format("the archive is damaged: {}",
                                       message == nullptr ? "unknown format" : ToUtf8(message)));
  }

  absl::StatusOr<std::string_view> Read() {
    if (stop_.stop_requested()) {
      return Cancelled("reading the archive was stopped");
    }
    buffer_.resize(std::min<uint64_t>(ReadAhead::kPiece, file_.size - at_));
    RETURN_IF_ERROR(
        PreadFully(file_.fd->get(), buffer_.data(), buffer_.size(), file_.offset + at_));
    at_ += buffer_.size();
    return buffer_;
  }

  static ssize_t FileCallback(archive* filter, void* self, const void** buffer) {
    auto* reader = static_cast<FilterReader*>(self);
    absl::StatusOr<std::string_view> piece = reader->Read();
    if (!piece.ok()) {
      reader->status_ = piece.status();
      archive_set_error(filter, EIO, "reading the file failed");
      return -1;
    }
    *buffer = piece->data();
    return static_cast<ssize_t>(piece->size());
  }

  const ContentFile file_;
  const std::stop_token stop_;
  std::string buffer_;
  uint64_t at_ = 0;
  absl::Status status_;
  const std::unique_ptr<archive, decltype(&archive_read_free)> filter_;
};

// What must not be compressed again.
Sink OncePacked(const Sink& sink) {
  return [&sink, begun = false](std::string_view piece) mutable {
    if (!std::exchange(begun, true) && LooksCompressed(piece)) {
      return PackedTwice();
    }
    return sink(piece);
  };
}

}  // namespace

absl::StatusOr<std::unique_ptr<UnpackedInput>> UnpackedInput::Open(const ContentFile& file,
                                                                   std::stop_token stop) {
  std::unique_ptr<UnpackedInput> input(new UnpackedInput(file, stop));
  std::string start(std::min<uint64_t>(kCompressionMagic, file.size), '\0');
  RETURN_IF_ERROR(PreadFully(file.fd->get(), start.data(), start.size(), file.offset));
  const Compression compression = CompressionAt(start);
  if (compression != Compression::kNone) {
    input->ahead_.emplace([file, compression](const Sink& sink, const std::stop_token& stopped) {
      return Decompress(file, compression, OncePacked(sink), stopped);
    });
    return input;
  }
  auto filter = std::make_shared<FilterReader>(file, std::move(stop));
  ASSIGN_OR_RETURN(const bool compressed, filter->Open());
  if (compressed) {
    input->ahead_.emplace([filter](const Sink& sink, const std::stop_token&) {
      return filter->Write(OncePacked(sink));
    });
  }
  return input;
}

absl::Status UnpackedInput::Next(std::string* piece) {
  if (stop_.stop_requested()) {
    return Cancelled("reading the archive was stopped");
  }
  if (ahead_) {
    ASSIGN_OR_RETURN(*piece, ahead_->Next(ReadAhead::kPiece, stop_));
    return absl::OkStatus();
  }
  piece->resize(std::min<uint64_t>(ReadAhead::kPiece, file_.size - at_));
  RETURN_IF_ERROR(PreadFully(file_.fd->get(), piece->data(), piece->size(), file_.offset + at_));
  at_ += piece->size();
  return absl::OkStatus();
}

}  // namespace zlayer
