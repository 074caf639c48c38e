#include "registry/usage/disk_walker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr uint64_t kBlock = 512;  // of st_blocks, whatever the filesystem's are
// So many levels are open at a time; what lies deeper is read directory by directory.
constexpr int kOpenLevels = 64;
// Longer paths are opened in pieces.
constexpr size_t kMaxPath = 2000;

bool IsGone(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

absl::StatusOr<UniqueFd> OpenDirectory(int directory, const std::string& name) {
  int fd = openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    return IsGone(errno) ? NotFound("there is no such directory") : ErrnoError(ToUtf8(name));
  }
  return UniqueFd(fd);
}

// `path` is relative and may be longer than the kernel takes.
absl::StatusOr<UniqueFd> OpenFar(const UniqueFd& directory, std::string_view path) {
  UniqueFd at;
  int from = directory.get();
  while (path.size() > kMaxPath) {
    const size_t slash = path.rfind('/', kMaxPath);
    ASSIGN_OR_RETURN(UniqueFd next, OpenDirectory(from, std::string(path.substr(0, slash))));
    at = std::move(next);
    from = at.get();
    path.remove_prefix(slash + 1);
  }
  return OpenDirectory(from, std::string(path));
}

}  // namespace

absl::StatusOr<DiskWalker::Directory> DiskWalker::Open(const std::string& path) {
  Directory directory;
  ASSIGN_OR_RETURN(directory.fd, OpenDirectory(AT_FDCWD, path));
  struct stat info;
  if (fstat(directory.fd.get(), &info) != 0) {
    return ErrnoError(path);
  }
  directory.bytes = Count(info);
  return directory;
}

absl::Status DiskWalker::List(const UniqueFd& directory,
                              const std::function<absl::Status(const std::string& name)>& visit) {
  ASSIGN_OR_RETURN(UniqueFd copy, OpenDirectory(directory.get(), "."));
  DIR* stream = fdopendir(copy.get());
  if (stream == nullptr) {
    return ErrnoError("reading a directory");
  }
  copy.Release();
  std::unique_ptr<DIR, int (*)(DIR*)> owned(stream, closedir);
  while (true) {
    if (stop_.stop_requested()) {
      return Cancelled("measuring the disk was stopped");
    }
    errno = 0;
    const dirent* entry = readdir(stream);
    if (entry == nullptr) {
      return errno == 0 || IsGone(errno) ? absl::OkStatus() : ErrnoError("reading a directory");
    }
    const std::string name = entry->d_name;
    if (name != "." && name != "..") {
      RETURN_IF_ERROR(visit(name));
    }
  }
}

uint64_t DiskWalker::Count(const struct stat& info) {
  if (!S_ISDIR(info.st_mode) && info.st_nlink > 1) {
    auto [link, first] = links_.emplace(std::make_pair(info.st_dev, info.st_ino), info.st_nlink);
    if (--link->second == 0) {
      links_.erase(link);
    }
    if (!first) {
      return 0;
    }
  }
  return static_cast<uint64_t>(info.st_blocks) * kBlock;
}

absl::Status DiskWalker::MeasureOne(const UniqueFd& directory, const std::string& name,
                                    uint64_t* bytes, bool* is_directory) {
  struct stat info;
  if (fstatat(directory.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    *is_directory = false;
    return IsGone(errno) ? absl::OkStatus() : ErrnoError(ToUtf8(name));
  }
  *bytes += Count(info);
  *is_directory = S_ISDIR(info.st_mode);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> DiskWalker::Measure(const UniqueFd& directory, const std::string& name) {
  uint64_t bytes = 0;
  bool is_directory = false;
  RETURN_IF_ERROR(MeasureOne(directory, name, &bytes, &is_directory));
  if (is_directory) {
    absl::StatusOr<UniqueFd> below = OpenDirectory(directory.get(), name);
    if (below.ok()) {
      ASSIGN_OR_RETURN(uint64_t more, MeasureOpen(*below, 1));
      bytes += more;
    } else if (!absl::IsNotFound(below.status())) {
      return below.status();
    }
  }
  return bytes;
}

// Everything below the directory, without it.
absl::StatusOr<uint64_t> DiskWalker::MeasureOpen(const UniqueFd& directory, int depth) {
  if (depth == kOpenLevels) {
    return MeasureDeep(directory);
  }
  uint64_t bytes = 0;
  absl::Status listed = List(directory, [&](const std::string& name) -> absl::Status {
    bool is_directory = false;
    RETURN_IF_ERROR(MeasureOne(directory, name, &bytes, &is_directory));
    if (!is_directory) {
      return absl::OkStatus();
    }
    absl::StatusOr<UniqueFd> below = OpenDirectory(directory.get(), name);
    if (!below.ok()) {
      return absl::IsNotFound(below.status()) ? absl::OkStatus() : below.status();
    }
    ASSIGN_OR_RETURN(uint64_t more, MeasureOpen(*below, depth + 1));
    bytes += more;
    return absl::OkStatus();
  });
  RETURN_IF_ERROR(absl::IsNotFound(listed) ? absl::OkStatus() : listed);
  return bytes;
}

// The same with few descriptors: what is left to read is a list of paths.
absl::StatusOr<uint64_t> DiskWalker::MeasureDeep(const UniqueFd& directory) {
  uint64_t bytes = 0;
  std::vector<std::string> left = {"."};
  while (!left.empty()) {
    const std::string path = std::move(left.back());
    left.pop_back();
    absl::StatusOr<UniqueFd> at = OpenFar(directory, path);
    if (absl::IsNotFound(at.status())) {
      continue;
    }
    RETURN_IF_ERROR(at.status());
    absl::Status listed = List(*at, [&](const std::string& name) -> absl::Status {
      bool is_directory = false;
      RETURN_IF_ERROR(MeasureOne(*at, name, &bytes, &is_directory));
      if (is_directory) {
        left.push_back(path + "/" + name);
      }
      return absl::OkStatus();
    });
    RETURN_IF_ERROR(absl::IsNotFound(listed) ? absl::OkStatus() : listed);
  }
  return bytes;
}

}  // namespace zlayer
