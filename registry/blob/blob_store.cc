#include "registry/blob/blob_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

// What Read takes into memory: manifests and configurations, of which registries allow 4 MiB.
constexpr size_t kSmallBlob = size_t{64} << 20;
// A blob up to this size is compared, and not only its length, before it counts as there.
constexpr uint64_t kCompared = 64 << 10;

absl::StatusOr<uint64_t> SizeOf(const UniqueFd& fd) {
  struct stat info;
  if (fstat(fd.get(), &info) != 0) {
    return ErrnoError("looking at a blob");
  }
  return static_cast<uint64_t>(info.st_size);
}

absl::StatusOr<ContentFile> OpenBlob(const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDONLY));
  ASSIGN_OR_RETURN(uint64_t size, SizeOf(fd));
  return ContentFile{std::make_shared<const UniqueFd>(std::move(fd)), 0, size};
}

class DiskBlobWriter : public BlobWriter {
 public:
  DiskBlobWriter(std::string directory, UniqueFd fd)
      : directory_(std::move(directory)), fd_(std::make_shared<const UniqueFd>(std::move(fd))) {}

  absl::Status Append(std::string_view data) override {
    RETURN_IF_ERROR(PwriteFully(fd_->get(), data, size_));
    hasher_.Update(data);
    size_ += data.size();
    return absl::OkStatus();
  }

  ContentFile Written() const override { return {fd_, 0, size_}; }

  Digest Finish() override {
    if (!digest_.has_value()) {
      digest_ = hasher_.Finish();
    }
    return *digest_;
  }

  absl::StatusOr<Digest> Commit(const Digest& expected) override {
    Digest digest = Finish();
    if (!expected.IsNone() && digest != expected) {
      return DataLoss(fmt::format("a blob of {} bytes that should be {} is {}", size_,
                                  expected.ToString(), digest.ToString()));
    }
    std::string path = directory_ + "/" + digest.Hex();
    absl::Status status = LinkUnnamedFile(fd_->get(), path);
    if (absl::IsAlreadyExists(status)) {
      status = IsWhole(path, digest) ? absl::OkStatus() : Replace(path);
    }
    RETURN_IF_ERROR(status);
    return digest;
  }

 private:
  bool IsWhole(const std::string& path, const Digest& digest) const {
    absl::StatusOr<ContentFile> file = OpenBlob(path);
    if (!file.ok() || file->size != size_) {
      return false;
    }
    return size_ > kCompared ||
           ReadContent(*file, digest, [](std::string_view) { return absl::OkStatus(); }).ok();
  }

  absl::Status Replace(const std::string& path) const {
    std::string temporary = fmt::format("{}.{}", path, RandomHex());
    RETURN_IF_ERROR(LinkUnnamedFile(fd_->get(), temporary));
    if (rename(temporary.c_str(), path.c_str()) != 0) {
      absl::Status status = ErrnoError("replacing " + path);
      unlink(temporary.c_str());
      return status;
    }
    return absl::OkStatus();
  }

  const std::string directory_;
  const std::shared_ptr<const UniqueFd> fd_;
  Sha256 hasher_;
  std::optional<Digest> digest_;
  uint64_t size_ = 0;
};

class DiskBlobStore : public BlobStore {
 public:
  explicit DiskBlobStore(std::string directory) : directory_(std::move(directory)) {}

  absl::StatusOr<std::unique_ptr<BlobWriter>> NewBlob() override {
    ASSIGN_OR_RETURN(UniqueFd fd, OpenUnnamedFile(directory_));
    return std::make_unique<DiskBlobWriter>(directory_, std::move(fd));
  }

  absl::StatusOr<ContentFile> Open(const Digest& digest) const override {
    absl::StatusOr<ContentFile> file = OpenBlob(PathOf(digest));
    if (absl::IsNotFound(file.status())) {
      return NotFound(fmt::format("the store has no blob {}", digest.ToString()));
    }
    return file;
  }

  bool Has(const Digest& digest) const override {
    return access(PathOf(digest).c_str(), F_OK) == 0;
  }

  absl::StatusOr<std::string> Read(const Digest& digest) const override {
    ASSIGN_OR_RETURN(ContentFile file, Open(digest));
    if (file.size > kSmallBlob) {
      return ResourceExhausted(
          fmt::format("the blob {} has {} bytes; at most {} are read into memory",
                      digest.ToString(), file.size, kSmallBlob));
    }
    std::string content;
    content.reserve(file.size);
    RETURN_IF_ERROR(ReadContent(file, digest, [&](std::string_view piece) {
      content += piece;
      return absl::OkStatus();
    }));
    return content;
  }

  absl::StatusOr<Digest> Write(std::string_view data) override {
    ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> writer, NewBlob());
    RETURN_IF_ERROR(writer->Append(data));
    return writer->Commit(Digest());
  }

  absl::Status Remove(const Digest& digest) override {
    if (unlink(PathOf(digest).c_str()) != 0 && errno != ENOENT) {
      return ErrnoError(fmt::format("removing the blob {}", digest.ToString()));
    }
    return absl::OkStatus();
  }

 private:
  std::string PathOf(const Digest& digest) const { return directory_ + "/" + digest.Hex(); }

  const std::string directory_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BlobStore>> OpenDiskBlobStore(const std::string& directory) {
  std::string files = directory + "/sha256";
  RETURN_IF_ERROR(MakeDirectories(files, 0700));
  return std::make_unique<DiskBlobStore>(std::move(files));
}

}  // namespace zlayer
