#include "registry/layer/tar_input.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr size_t kPiece = size_t{256} << 10;
// What libarchive takes of extension headers stays well within this.
constexpr uint64_t kRecent = uint64_t{6} << 20;
constexpr uint64_t kRatioApplies = uint64_t{100} << 20;
// Bytes of headers that an entry may have on average.
constexpr uint64_t kHeaders = 4096;

uint64_t SaturatedProduct(uint64_t a, uint64_t b) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

uint64_t SaturatedSum(uint64_t a, uint64_t b) {
  uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

// A piece of `size` zeros at most.
std::string_view Zeros(uint64_t size) {
  static const std::string* const kZeros = new std::string(kPiece, '\0');
  return std::string_view(*kZeros).substr(0, size);
}

}  // namespace

void TarInput::Free::operator()(archive* reader) const { archive_read_free(reader); }

TarInput::~TarInput() = default;

absl::StatusOr<std::unique_ptr<TarInput>> TarInput::Open(const ContentFile& file,
                                                         const ArchiveLimits& limits,
                                                         std::stop_token stop) {
  if (file.size == 0) {
    return InvalidArgument("the archive is empty, it has not one byte");
  }
  std::unique_ptr<TarInput> input(new TarInput(file, limits, stop));
  ASSIGN_OR_RETURN(input->input_, UnpackedInput::Open(file, std::move(stop)));
  RETURN_IF_ERROR(input->OpenTar());
  return input;
}

absl::StatusOr<bool> TarInput::IsCompressed(const ContentFile& file) {
  ASSIGN_OR_RETURN(const std::unique_ptr<UnpackedInput> input, UnpackedInput::Open(file, {}));
  return input->compressed();
}

absl::Status TarInput::ReadUncompressed(const ContentFile& file, const ArchiveLimits& limits,
                                        const std::function<absl::Status(std::string_view)>& sink,
                                        std::stop_token stop) {
  TarInput input(file, limits, stop);
  ASSIGN_OR_RETURN(input.input_, UnpackedInput::Open(file, std::move(stop)));
  while (true) {
    ASSIGN_OR_RETURN(std::string_view piece, input.ReadStream());
    if (piece.empty()) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(sink(piece));
  }
}

absl::Status TarInput::ArchiveError() const {
  if (!status_.ok()) {
    return status_;
  }
  const char* message = archive_error_string(tar_.get());
  return InvalidArgument(fmt::format("the archive is damaged or not a tar: {}",
                                     message == nullptr ? "unknown format" : ToUtf8(message)));
}

absl::Status TarInput::OpenTar() {
  tar_.reset(archive_read_new());
  if (tar_ == nullptr || archive_read_support_format_tar(tar_.get()) != ARCHIVE_OK) {
    return Internal("libarchive cannot read tars");
  }
  if (archive_read_open(tar_.get(), this, nullptr, StreamCallback, nullptr) != ARCHIVE_OK) {
    return ArchiveError();
  }
  return absl::OkStatus();
}

absl::Status TarInput::CheckBytes(uint64_t bytes, uint64_t limit) const {
  if (bytes > limit) {
    return InvalidArgument(
        fmt::format("the archive unpacks to more than the {} bytes that are allowed", limit));
  }
  if (bytes > kRatioApplies && bytes > SaturatedProduct(file_.size, limits_.ratio)) {
    return InvalidArgument(fmt::format(
        "the archive unpacks to more than {} times its {} bytes; it may be a decompression bomb",
        limits_.ratio, file_.size));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> TarInput::ReadStream() {
  std::string& piece = compressed() || recent_.empty() ? recent_.emplace_back() : recent_.back();
  RETURN_IF_ERROR(input_->Next(&piece));
  if (compressed()) {
    recent_bytes_ += piece.size();
    while (recent_.size() > 1 && recent_bytes_ > kRecent) {
      recent_bytes_ -= recent_.front().size();
      recent_.pop_front();
    }
  }
  size_ += piece.size();
  uint64_t headers = SaturatedProduct(limits_.entries, kHeaders);
  RETURN_IF_ERROR(CheckBytes(size_, SaturatedSum(limits_.bytes, headers)));
  return std::string_view(piece);
}

ssize_t TarInput::StreamCallback(archive* reader, void* self, const void** buffer) {
  auto* input = static_cast<TarInput*>(self);
  absl::StatusOr<std::string_view> piece = input->ReadStream();
  if (!piece.ok()) {
    input->status_ = piece.status();
    archive_set_error(reader, EIO, "reading the archive failed");
    return -1;
  }
  input->sha256_.Update(*piece);
  *buffer = piece->data();
  return static_cast<ssize_t>(piece->size());
}

absl::StatusOr<bool> TarInput::Next() {
  if (stop_.stop_requested()) {
    return Cancelled("reading the archive was stopped");
  }
  int result = archive_read_next_header(tar_.get(), &entry_);
  if (result == ARCHIVE_EOF) {
    return false;
  }
  // A warning concerns names in other character sets, which are used as the bytes they are.
  if ((result != ARCHIVE_OK && result != ARCHIVE_WARN) ||
      archive_entry_pathname(entry_) == nullptr) {
    return ArchiveError();
  }
  if (++entries_ > limits_.entries) {
    return InvalidArgument(
        fmt::format("the archive has more than the {} entries that are allowed", limits_.entries));
  }
  if (IsFile()) {
    if (archive_entry_size(entry_) < 0) {
      return InvalidArgument(fmt::format("'{}' has a negative size", ToUtf8(path())));
    }
    unpacked_ = SaturatedSum(unpacked_, static_cast<uint64_t>(archive_entry_size(entry_)));
    RETURN_IF_ERROR(CheckBytes(unpacked_, limits_.bytes));
  }
  return true;
}

bool TarInput::IsFile() const {
  return archive_entry_hardlink(entry_) == nullptr && archive_entry_filetype(entry_) == AE_IFREG;
}

std::string TarInput::path() const { return archive_entry_pathname(entry_); }

std::optional<std::string> TarInput::Bytes(uint64_t offset, size_t size) const {
  if (offset > size_ || size > size_ - offset) {
    return std::nullopt;
  }
  std::string bytes;
  if (!compressed()) {
    bytes.resize(size);
    absl::Status read = PreadFully(file_.fd->get(), bytes.data(), size, file_.offset + offset);
    return read.ok() ? std::optional(std::move(bytes)) : std::nullopt;
  }
  uint64_t at = size_ - recent_bytes_;
  if (offset < at) {
    return std::nullopt;
  }
  for (const std::string& piece : recent_) {
    if (offset < at + piece.size() && bytes.size() < size) {
      bytes += std::string_view(piece).substr(offset - at, size - bytes.size());
      offset = at + piece.size();
    }
    at += piece.size();
  }
  return bytes;
}

std::optional<RawTarHeader> TarInput::RawHeader() const {
  return ReadRawTarHeader(static_cast<uint64_t>(archive_read_header_position(tar_.get())),
                          [this](uint64_t offset, size_t size) { return Bytes(offset, size); });
}

absl::Status TarInput::ReadData(const std::function<absl::Status(std::string_view)>& sink) {
  auto size = static_cast<uint64_t>(archive_entry_size(entry_));
  uint64_t done = 0;
  auto fill = [&](uint64_t end) {
    while (done < end) {
      if (stop_.stop_requested()) {
        return Cancelled("reading the archive was stopped");
      }
      std::string_view zeros = Zeros(end - done);
      RETURN_IF_ERROR(sink(zeros));
      done += zeros.size();
    }
    return absl::OkStatus();
  };
  while (true) {
    const void* buffer;
    size_t length;
    la_int64_t offset;
    int result = archive_read_data_block(tar_.get(), &buffer, &length, &offset);
    if (result == ARCHIVE_EOF) {
      return fill(size);
    }
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
      return ArchiveError();
    }
    if (length == 0) {
      continue;
    }
    auto start = static_cast<uint64_t>(offset);
    if (offset < 0 || start < done || start > size || length > size - start) {
      return InvalidArgument("the archive is damaged: data lies outside of its file");
    }
    RETURN_IF_ERROR(fill(start));
    RETURN_IF_ERROR(sink({static_cast<const char*>(buffer), length}));
    done += length;
  }
}

absl::Status TarInput::Drain() {
  while (true) {
    ASSIGN_OR_RETURN(std::string_view piece, ReadStream());
    if (piece.empty()) {
      return absl::OkStatus();
    }
    sha256_.Update(piece);
  }
}

}  // namespace zlayer
