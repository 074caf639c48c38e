#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr size_t kChunk = size_t{256} << 10;

// A tree may be deeper than there are file descriptors. What lies deeper than this is moved up to
// the top, and removed in a further pass.
constexpr int kDepth = 100;

struct Removal {
  int top = -1;        // the directory at depth 0
  bool moved = false;  // something was moved up: another pass
};

absl::Status RemovalError(std::string_view name) {
  return ErrnoError("removing " + std::string(name));
}

// Opens a directory for listing, making it readable first where its mode forbids even that.
UniqueFd OpenForRemoval(int parent, const char* name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int fd = openat(parent, name, kFlags);
  if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0) {
    fd = openat(parent, name, kFlags);
  }
  return UniqueFd(fd);
}

// Refuses what is mounted, and makes the rest writable.
absl::Status PrepareForRemoval(const UniqueFd& fd, const char* name) {
  struct statx info;
  if (statx(fd.get(), "", AT_EMPTY_PATH, STATX_TYPE, &info) != 0) {
    return RemovalError(name);
  }
  if ((info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) {
    return FailedPrecondition("removing " + std::string(name) +
                              ": something is mounted there; unmount it first");
  }
  if (fchmod(fd.get(), 0700) != 0 && errno != EPERM) {
    return RemovalError(name);
  }
  return absl::OkStatus();
}

absl::Status RemoveTreeAt(int parent, const char* name, int depth, Removal* removal);

absl::Status RemoveContents(UniqueFd fd, const char* name, int depth, Removal* removal) {
  int raw = fd.get();
  std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(raw), closedir);
  if (directory == nullptr) {
    return RemovalError(name);
  }
  fd.Release();
  if (depth == 0) {
    removal->top = raw;
  }
  while (dirent* entry = readdir(directory.get())) {
    std::string_view child = entry->d_name;
    if (child != "." && child != "..") {
      RETURN_IF_ERROR(RemoveTreeAt(raw, entry->d_name, depth + 1, removal));
    }
  }
  return absl::OkStatus();
}

absl::Status RemoveTreeAt(int parent, const char* name, int depth, Removal* removal) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
    return absl::OkStatus();
  }
  const int error = errno;
  if (error != EISDIR && error != EPERM) {
    return RemovalError(name);
  }
  UniqueFd fd = OpenForRemoval(parent, name);
  if (!fd.valid()) {
    return errno == ENOENT
               ? absl::OkStatus()
               : ErrnoError(errno == ENOTDIR ? error : errno, "removing " + std::string(name));
  }
  RETURN_IF_ERROR(PrepareForRemoval(fd, name));
  if (depth == kDepth) {
    removal->moved = true;
    return renameat(parent, name, removal->top, ("deep-" + RandomHex()).c_str()) == 0
               ? absl::OkStatus()
               : RemovalError(name);
  }
  RETURN_IF_ERROR(RemoveContents(std::move(fd), name, depth, removal));
  if (depth == 0 && removal->moved) {
    return absl::OkStatus();
  }
  if (unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return RemovalError(name);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadAll(int fd, size_t limit) {
  std::string content;
  struct stat info;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    content.reserve(std::min<size_t>(limit, static_cast<size_t>(info.st_size)) + 1);
  }
  auto buffer = std::make_unique<char[]>(kChunk);
  while (true) {
    ssize_t count = read(fd, buffer.get(), kChunk);
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      return ErrnoError("reading");
    }
    if (count == 0) {
      return content;
    }
    if (content.size() + static_cast<size_t>(count) > limit) {
      return ResourceExhausted("larger than the limit of " + std::to_string(limit) + " bytes");
    }
    content.append(buffer.get(), static_cast<size_t>(count));
  }
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDONLY));
  auto content = ReadAll(fd.get(), limit);
  if (!content.ok()) {
    return Annotate(content.status(), path);
  }
  return content;
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view content, mode_t mode) {
  std::string temporary = path + ".tmp" + RandomHex();
  absl::Status status;
  {
    ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(temporary, O_WRONLY | O_CREAT | O_EXCL, mode));
    status = WriteFully(fd.get(), content);
  }
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoError("renaming to it");
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return Annotate(status, "writing " + path);
  }
  return absl::OkStatus();
}

absl::Status WriteFully(int fd, std::string_view data) {
  while (!data.empty()) {
    ssize_t count = write(fd, data.data(), data.size());
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      return ErrnoError("writing");
    }
    data.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status PwriteFully(int fd, std::string_view data, uint64_t offset) {
  while (!data.empty()) {
    ssize_t count = pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      return ErrnoError("writing");
    }
    data.remove_prefix(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

absl::Status PreadFully(int fd, char* buffer, size_t size, uint64_t offset) {
  while (size > 0) {
    ssize_t count = pread(fd, buffer, size, static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      return ErrnoError("reading");
    }
    if (count == 0) {
      return DataLoss("the file ends too early");
    }
    buffer += count;
    size -= static_cast<size_t>(count);
    offset += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenFile(const std::string& path, int flags, mode_t mode) {
  return OpenFileAt(AT_FDCWD, path, flags, mode);
}

absl::StatusOr<UniqueFd> OpenFileAt(int directory, const std::string& path, int flags,
                                    mode_t mode) {
  int fd = openat(directory, path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) {
    return ErrnoError(path);
  }
  return UniqueFd(fd);
}

absl::Status MakeDirectories(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0) {
    return absl::OkStatus();
  }
  if (errno == ENOENT) {
    std::string parent = std::filesystem::path(path).parent_path();
    if (!parent.empty() && parent != path) {
      RETURN_IF_ERROR(MakeDirectories(parent, mode));
      if (mkdir(path.c_str(), mode) == 0) {
        return absl::OkStatus();
      }
    }
  }
  struct stat info;
  if (errno == EEXIST && stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return absl::OkStatus();
  }
  return ErrnoError("making directory " + path);
}

absl::Status RemoveTree(const std::string& path) {
  Removal removal;
  do {
    removal = Removal();
    RETURN_IF_ERROR(RemoveTreeAt(AT_FDCWD, path.c_str(), 0, &removal));
  } while (removal.moved);
  return absl::OkStatus();
}

absl::StatusOr<ScopedDirectory> ScopedDirectory::Make(const std::string& parent,
                                                      std::string_view prefix) {
  std::string path = parent + "/" + std::string(prefix) + RandomHex().substr(0, 12);
  if (mkdir(path.c_str(), 0700) != 0) {
    return ErrnoError("making directory " + path);
  }
  return ScopedDirectory(std::move(path));
}

ScopedDirectory::ScopedDirectory(ScopedDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

ScopedDirectory& ScopedDirectory::operator=(ScopedDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

ScopedDirectory::~ScopedDirectory() {
  if (!path_.empty()) {
    RemoveTree(path_).IgnoreError();
  }
}

absl::StatusOr<UniqueFd> OpenUnnamedFile(const std::string& directory) {
  return OpenFile(directory, O_TMPFILE | O_RDWR, 0644);
}

absl::Status LinkUnnamedFile(int fd, const std::string& path) {
  std::string self = "/proc/self/fd/" + std::to_string(fd);
  if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    return ErrnoError("naming " + path);
  }
  return absl::OkStatus();
}

std::string RandomHex() {
  std::array<uint8_t, 16> bytes;
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    abort();
  }
  std::string hex;
  for (uint8_t byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace zlayer
