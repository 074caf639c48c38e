#include "registry/content/content_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr uint64_t kPiece = 1 << 20;

}  // namespace

absl::Status DamagedContent(const Digest& expected, uint64_t size, const Digest& found) {
  return DataLoss(fmt::format("{} is damaged in the store: its {} bytes have the digest {}",
                              expected.ToString(), size, found.ToString()));
}

absl::Status ReadContent(const ContentFile& file, const Digest& expected,
                         const std::function<absl::Status(std::string_view)>& sink) {
  std::unique_ptr<char[]> buffer(new char[std::min(file.size, kPiece)]);
  Sha256 hasher;
  for (uint64_t done = 0; done < file.size;) {
    size_t size = std::min(file.size - done, kPiece);
    if (absl::Status status = PreadFully(file.fd->get(), buffer.get(), size, file.offset + done);
        !status.ok()) {
      return Annotate(status, expected.IsNone() ? "reading a content" : expected.ToString());
    }
    std::string_view piece(buffer.get(), size);
    if (!expected.IsNone()) {
      hasher.Update(piece);
    }
    RETURN_IF_ERROR(sink(piece));
    done += size;
  }
  if (expected.IsNone()) {
    return absl::OkStatus();
  }
  if (Digest found = hasher.Finish(); found != expected) {
    return DamagedContent(expected, file.size, found);
  }
  return absl::OkStatus();
}

}  // namespace zlayer
