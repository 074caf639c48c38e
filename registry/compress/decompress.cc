#include "registry/compress/decompress.h"

#include <absl/status/statusor.h>
#include <fmt/format.h>
#include <isa-l.h>
#include <zstd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

using Sink = std::function<absl::Status(std::string_view)>;

constexpr size_t kPiece = size_t{256} << 10;
constexpr unsigned char kGzipReservedFlags = 0xe0;

absl::Status Damaged(std::string_view why) {
  return InvalidArgument(fmt::format("the archive is damaged: {}", why));
}

unsigned char Byte(std::string_view bytes, size_t at) {
  return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
}

// The file, piece by piece.
class FilePieces {
 public:
  FilePieces(const ContentFile& file, const std::stop_token& stop)
      : file_(file), stop_(stop), buffer_(new char[std::min<uint64_t>(kPiece, file.size)]) {}

  // Empty at the end. Stays valid until the next call.
  absl::StatusOr<std::string_view> Next() {
    if (stop_.stop_requested()) {
      return Cancelled("reading the archive was stopped");
    }
    const size_t size = std::min<uint64_t>(kPiece, file_.size - at_);
    RETURN_IF_ERROR(PreadFully(file_.fd->get(), buffer_.get(), size, file_.offset + at_));
    at_ += size;
    return std::string_view(buffer_.get(), size);
  }

 private:
  const ContentFile& file_;
  const std::stop_token& stop_;
  const std::unique_ptr<char[]> buffer_;
  uint64_t at_ = 0;
};

class Gunzip {
 public:
  Gunzip(FilePieces* file, const Sink& sink)
      : file_(file),
        sink_(sink),
        state_(std::make_unique<inflate_state>()),
        out_(new char[kPiece]) {}

  absl::Status Run() {
    Begin();
    while (true) {
      if (state_->avail_in == 0) {
        ASSIGN_OR_RETURN(const bool more, Refill());
        if (!more) {
          return Over() ? absl::OkStatus() : Damaged("its gzip data is truncated");
        }
      }
      if (Over()) {
        if (*state_->next_in != 0x1f) {
          return absl::OkStatus();
        }
        Begin();
      }
      RETURN_IF_ERROR(Inflate());
    }
  }

 private:
  void Begin() {
    uint8_t* const next = state_->next_in;
    const uint32_t left = state_->avail_in;
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;
    state_->next_in = next;
    state_->avail_in = left;
  }

  // Whether a member has ended.
  bool Over() const { return state_->block_state == ISAL_BLOCK_FINISH; }

  absl::StatusOr<bool> Refill() {
    ASSIGN_OR_RETURN(const std::string_view piece, file_->Next());
    state_->next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(piece.data()));
    state_->avail_in = static_cast<uint32_t>(piece.size());
    return !piece.empty();
  }

  // Takes the input until it is used up, or the member ends.
  absl::Status Inflate() {
    const uint32_t before = state_->avail_in;
    size_t size = 0;
    bool full = false;
    do {
      state_->next_out = reinterpret_cast<uint8_t*>(out_.get());
      state_->avail_out = kPiece;
      const int result = isal_inflate(state_.get());
      size = kPiece - state_->avail_out;
      full = state_->avail_out == 0;
      if (size > 0) {
        RETURN_IF_ERROR(sink_({out_.get(), size}));
      }
      if (result == ISAL_INCORRECT_CHECKSUM) {
        return Damaged("its gzip data has another checksum than it says");
      }
      if (result < 0) {
        return Damaged("its gzip data is malformed");
      }
    } while (full && !Over());
    const bool stuck = state_->avail_in == before && size == 0 && !Over();
    return stuck ? Damaged("its gzip data is malformed") : absl::OkStatus();
  }

  FilePieces* const file_;
  const Sink& sink_;
  const std::unique_ptr<inflate_state> state_;
  const std::unique_ptr<char[]> out_;
};

struct FreeStream {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

absl::Status Unzstd(FilePieces* file, const Sink& sink) {
  const std::unique_ptr<ZSTD_DStream, FreeStream> stream(ZSTD_createDStream());
  const std::unique_ptr<char[]> out(new char[kPiece]);
  if (stream == nullptr) {
    return ResourceExhausted("no memory is left for decompressing");
  }
  size_t left = 1;  // nothing once a frame has ended
  while (true) {
    ASSIGN_OR_RETURN(const std::string_view piece, file->Next());
    if (piece.empty()) {
      return left == 0 ? absl::OkStatus() : Damaged("its zstd data is truncated");
    }
    ZSTD_inBuffer in = {piece.data(), piece.size(), 0};
    bool full = false;
    while (in.pos < in.size || (full && left != 0)) {
      ZSTD_outBuffer made = {out.get(), kPiece, 0};
      left = ZSTD_decompressStream(stream.get(), &made, &in);
      if (made.pos > 0) {
        RETURN_IF_ERROR(sink({out.get(), made.pos}));
      }
      if (ZSTD_isError(left) != 0) {
        return Damaged(fmt::format("its zstd data is not right: {}", ZSTD_getErrorName(left)));
      }
      full = made.pos == kPiece;
    }
  }
}

}  // namespace

Compression CompressionAt(std::string_view start) {
  if (start.starts_with("\x1f\x8b\x08") && start.size() > 3 &&
      (Byte(start, 3) & kGzipReservedFlags) == 0) {
    return Compression::kGzip;
  }
  const bool skippable =
      (Byte(start, 0) & 0xf0) == 0x50 && start.substr(1).starts_with("\x2a\x4d\x18");
  return skippable || start.starts_with("\x28\xb5\x2f\xfd") ? Compression::kZstd
                                                            : Compression::kNone;
}

absl::Status Decompress(const ContentFile& file, Compression compression, const Sink& sink,
                        const std::stop_token& stop) {
  FilePieces pieces(file, stop);
  return compression == Compression::kGzip ? Gunzip(&pieces, sink).Run() : Unzstd(&pieces, sink);
}

}  // namespace zlayer
