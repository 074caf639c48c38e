#include "client/lib/oci_layout.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/tar_writer.h"

namespace zlayer {
namespace {

constexpr size_t kChunk = size_t{1} << 20;

// "sha256", "abc123": the characters that digests are made of.
bool IsDigestPart(std::string_view text) {
  return !text.empty() && text.size() <= 255 && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '+' || c == '.' || c == '_' || c == '-' || c == '=';
         });
}

absl::Status AddFile(TarWriter& tar, const std::string& folder, const std::string& path,
                     std::stop_token stop) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(folder + "/" + path, O_RDONLY | O_NONBLOCK));
  struct stat info;
  if (fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return InvalidArgument(fmt::format("\"{}/{}\" is not a regular file", folder, path));
  }
  TarHeader header;
  header.path = path;
  header.size = static_cast<uint64_t>(info.st_size);
  RETURN_IF_ERROR(tar.Entry(header));
  std::string buffer(std::min<uint64_t>(kChunk, header.size), '\0');
  for (uint64_t offset = 0; offset < header.size; offset += buffer.size()) {
    if (stop.stop_requested()) {
      return Cancelled("the import was interrupted");
    }
    buffer.resize(std::min<uint64_t>(kChunk, header.size - offset));
    absl::Status status = PreadFully(fd.get(), buffer.data(), buffer.size(), offset);
    if (!status.ok()) {
      return Annotate(status, folder + "/" + path);
    }
    RETURN_IF_ERROR(tar.Data(buffer));
  }
  return absl::OkStatus();
}

// The names in a directory, sorted.
absl::StatusOr<std::vector<std::string>> List(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(path, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) {
    return ErrnoError(error.value(), path);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status AddDirectory(TarWriter& tar, const std::string& path) {
  TarHeader header;
  header.path = path;
  header.type = TarHeader::Type::kDirectory;
  header.mode = 0755;
  return tar.Entry(header);
}

absl::Status AddBlobs(TarWriter& tar, const std::string& folder, std::stop_token stop) {
  RETURN_IF_ERROR(AddDirectory(tar, "blobs"));
  ASSIGN_OR_RETURN(std::vector<std::string> algorithms, List(folder + "/blobs"));
  for (const std::string& algorithm : algorithms) {
    if (!IsDigestPart(algorithm)) {
      continue;
    }
    std::string directory = "blobs/" + algorithm;
    RETURN_IF_ERROR(AddDirectory(tar, directory));
    ASSIGN_OR_RETURN(std::vector<std::string> blobs, List(folder + "/" + directory));
    for (const std::string& blob : blobs) {
      if (IsDigestPart(blob)) {
        RETURN_IF_ERROR(AddFile(tar, folder, directory + "/" + blob, stop));
      }
    }
  }
  return absl::OkStatus();
}

// The path of an archive's entry without "./" and final "/".
std::string_view Clean(std::string_view path) {
  while (path.starts_with("./")) {
    path.remove_prefix(2);
  }
  while (path.ends_with('/')) {
    path.remove_suffix(1);
  }
  return path;
}

bool IsLayoutPath(std::string_view path, bool is_directory) {
  std::vector<std::string_view> parts = Split(path, '/');
  if (is_directory) {
    return path == "" || path == "." || path == "blobs" ||
           (parts.size() == 2 && parts[0] == "blobs" && IsDigestPart(parts[1]));
  }
  return path == "oci-layout" || path == "index.json" ||
         (parts.size() == 3 && parts[0] == "blobs" && IsDigestPart(parts[1]) &&
          IsDigestPart(parts[2]));
}

// Reads the archive with libarchive and writes its files below a directory.
class Unpacker {
 public:
  Unpacker(const std::function<absl::StatusOr<std::string_view>()>& next, std::string directory)
      : next_(next), directory_(std::move(directory)), archive_(archive_read_new()) {}

  absl::Status Run();

 private:
  struct Free {
    void operator()(struct archive* archive) const { archive_read_free(archive); }
  };

  static la_ssize_t ReadPiece(struct archive* archive, void* self, const void** buffer);
  absl::Status Unpack(struct archive_entry* entry);
  absl::Status WriteContent(const std::string& path);
  // What `next_` said, or libarchive.
  absl::Status Failure() const;

  const std::function<absl::StatusOr<std::string_view>()>& next_;
  const std::string directory_;
  absl::Status input_;
  bool has_layout_ = false;
  const std::unique_ptr<struct archive, Free> archive_;
};

la_ssize_t Unpacker::ReadPiece(struct archive* archive, void* self, const void** buffer) {
  auto* unpacker = static_cast<Unpacker*>(self);
  absl::StatusOr<std::string_view> piece = unpacker->next_();
  if (!piece.ok()) {
    unpacker->input_ = piece.status();
    archive_set_error(archive, EIO, "%s", "the archive could not be read");
    return -1;
  }
  *buffer = piece->data();
  return static_cast<la_ssize_t>(piece->size());
}

absl::Status Unpacker::Failure() const {
  if (!input_.ok()) {
    return input_;
  }
  const char* text = archive_error_string(archive_.get());
  return InvalidArgument(
      fmt::format("the archive is broken: {}", text == nullptr ? "unknown error" : text));
}

absl::Status Unpacker::Run() {
  archive_read_support_format_tar(archive_.get());
  if (archive_read_open(archive_.get(), this, nullptr, ReadPiece, nullptr) != ARCHIVE_OK) {
    return Failure();
  }
  struct archive_entry* entry = nullptr;
  while (true) {
    int result = archive_read_next_header(archive_.get(), &entry);
    if (result == ARCHIVE_EOF) {
      break;
    }
    if (result != ARCHIVE_OK) {
      return Failure();
    }
    RETURN_IF_ERROR(Unpack(entry));
  }
  // What follows the archive's end must arrive too: an error of the source may come last.
  while (input_.ok()) {
    ASSIGN_OR_RETURN(std::string_view rest, next_());
    if (rest.empty()) {
      return has_layout_ ? absl::OkStatus() : InvalidArgument("the archive has no oci-layout file");
    }
  }
  return input_;
}

absl::Status Unpacker::Unpack(struct archive_entry* entry) {
  const char* name = archive_entry_pathname(entry);
  std::string_view path = Clean(name == nullptr ? "/" : name);
  bool is_directory = archive_entry_filetype(entry) == AE_IFDIR;
  bool is_plain =
      archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == nullptr;
  if (!(is_directory || is_plain) || !IsLayoutPath(path, is_directory)) {
    return InvalidArgument(
        fmt::format("the archive holds \"{}\", which no OCI layout has", ToUtf8(path)));
  }
  std::string target = directory_ + "/" + std::string(path);
  if (is_directory) {
    return MakeDirectories(target);
  }
  RETURN_IF_ERROR(MakeDirectories(std::filesystem::path(target).parent_path().string()));
  has_layout_ = has_layout_ || path == "oci-layout";
  return WriteContent(target);
}

absl::Status Unpacker::WriteContent(const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_EXCL));
  std::string buffer(kChunk, '\0');
  while (true) {
    la_ssize_t count = archive_read_data(archive_.get(), buffer.data(), buffer.size());
    if (count < 0) {
      return Failure();
    }
    if (count == 0) {
      return absl::OkStatus();
    }
    absl::Status status =
        WriteFully(fd.get(), std::string_view(buffer).substr(0, static_cast<size_t>(count)));
    if (!status.ok()) {
      return Annotate(status, path);
    }
  }
}

absl::Status CheckTarget(const std::string& folder) {
  std::error_code error;
  if (std::filesystem::is_empty(folder, error) || error == std::errc::no_such_file_or_directory) {
    return absl::OkStatus();
  }
  return error ? ErrnoError(error.value(), folder)
               : AlreadyExists(fmt::format("\"{}\" exists and is not empty", folder));
}

}  // namespace

absl::Status ArchiveLayout(const std::string& folder,
                           const std::function<absl::Status(std::string_view)>& sink,
                           std::stop_token stop) {
  std::error_code error;
  for (const char* part : {"oci-layout", "index.json", "blobs"}) {
    if (!std::filesystem::exists(folder + "/" + part, error)) {
      return InvalidArgument(
          fmt::format("the directory \"{}\" is no OCI layout: it has no {}", folder, part));
    }
  }
  TarWriter tar(sink);
  RETURN_IF_ERROR(AddFile(tar, folder, "oci-layout", stop));
  RETURN_IF_ERROR(AddFile(tar, folder, "index.json", stop));
  RETURN_IF_ERROR(AddBlobs(tar, folder, stop));
  return tar.Finish();
}

absl::Status UnpackLayout(const std::function<absl::StatusOr<std::string_view>()>& next,
                          const std::string& folder) {
  std::string target(folder);
  while (target.size() > 1 && target.ends_with('/')) {
    target.pop_back();
  }
  RETURN_IF_ERROR(CheckTarget(target));
  std::string partial = target + ".partial" + RandomHex();
  RETURN_IF_ERROR(MakeDirectories(partial));
  absl::Status status = Unpacker(next, partial).Run();
  if (status.ok() && rename(partial.c_str(), target.c_str()) != 0) {
    status = ErrnoError(fmt::format("renaming to \"{}\"", target));
  }
  if (!status.ok()) {
    RemoveTree(partial).IgnoreError();
  }
  return status;
}

}  // namespace zlayer
