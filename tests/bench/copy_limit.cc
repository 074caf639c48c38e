// What a COPY of a directory costs at least: one thread walks it, reads each file once, digests its
// content and the tar, and writes and syncs that tar.
//
//   copy_limit DIRECTORY TAR
//
// Prints the seconds that it took.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/tar_writer.h"
#include "base/unique_fd.h"

namespace zlayer {
namespace {

constexpr size_t kBuffer = size_t{1} << 20;

class CopyLimit {
 public:
  explicit CopyLimit(int blob)
      : blob_(blob), tar_([this](std::string_view bytes) { return Take(bytes); }) {}

  absl::Status Directory(const std::string& path, const std::string& name) {
    std::vector<std::string> names;
    for (const auto& item : std::filesystem::directory_iterator(path)) {
      names.push_back(item.path().filename());
    }
    std::sort(names.begin(), names.end());
    for (const std::string& item : names) {
      RETURN_IF_ERROR(Item(path + "/" + item, name.empty() ? item : name + "/" + item));
    }
    return absl::OkStatus();
  }

  absl::Status Finish() {
    RETURN_IF_ERROR(tar_.Finish());
    digest_.Finish();
    RETURN_IF_ERROR(WriteFully(blob_, buffer_));
    return fdatasync(blob_) == 0 ? absl::OkStatus() : ErrnoError("syncing the tar");
  }

 private:
  absl::Status Item(const std::string& path, const std::string& name) {
    struct stat info;
    if (lstat(path.c_str(), &info) != 0) {
      return ErrnoError("reading " + path);
    }
    TarHeader header;
    header.path = name;
    header.mode = info.st_mode & 07777;
    header.mtime_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000;
    if (S_ISDIR(info.st_mode)) {
      header.type = TarHeader::Type::kDirectory;
      RETURN_IF_ERROR(tar_.Entry(header));
      return Directory(path, name);
    }
    header.size = static_cast<uint64_t>(info.st_size);
    RETURN_IF_ERROR(tar_.Entry(header));
    return Content(path);
  }

  absl::Status Content(const std::string& path) {
    ASSIGN_OR_RETURN(UniqueFd file, OpenFile(path, O_RDONLY));
    while (true) {
      ssize_t size = read(file.get(), piece_.data(), piece_.size());
      if (size < 0) {
        return ErrnoError("reading " + path);
      }
      if (size == 0) {
        content_.Finish();
        return absl::OkStatus();
      }
      std::string_view bytes(piece_.data(), static_cast<size_t>(size));
      content_.Update(bytes);
      RETURN_IF_ERROR(tar_.Data(bytes));
    }
  }

  absl::Status Take(std::string_view bytes) {
    digest_.Update(bytes);
    buffer_ += bytes;
    if (buffer_.size() < kBuffer) {
      return absl::OkStatus();
    }
    absl::Status written = WriteFully(blob_, buffer_);
    buffer_.clear();
    return written;
  }

  const int blob_;
  Sha256 content_;
  Sha256 digest_;
  std::string piece_ = std::string(kBuffer, '\0');
  std::string buffer_;
  TarWriter tar_;
};

absl::Status Run(const std::string& directory, const std::string& tar) {
  const int64_t begin = MonotonicNs();
  ASSIGN_OR_RETURN(UniqueFd blob, OpenFile(tar, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  CopyLimit copy(blob.get());
  RETURN_IF_ERROR(copy.Directory(directory, ""));
  RETURN_IF_ERROR(copy.Finish());
  fmt::print("{:.6f}\n", static_cast<double>(MonotonicNs() - begin) / 1e9);
  return absl::OkStatus();
}

}  // namespace
}  // namespace zlayer

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "copy_limit DIRECTORY TAR\n");
    return 2;
  }
  absl::Status status = zlayer::Run(argv[1], argv[2]);
  if (!status.ok()) {
    fmt::print(stderr, "{}\n", zlayer::Message(status));
  }
  return status.ok() ? 0 : 1;
}
