#include "backends/native/exec/hidden_stubs.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <spdlog/fmt/fmt.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace zlayer {
namespace {

// Links in the container's file system lead nowhere outside of it.
UniqueFd OpenInRoot(int root, const std::string& path, uint64_t flags) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(static_cast<int>(
      syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof(how))));
}

std::string Parent(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string Name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// "a" and "a/b" for "a/b/c".
std::vector<std::string> Ancestors(const std::string& path) {
  std::vector<std::string> result;
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    result.push_back(path.substr(0, slash));
  }
  return result;
}

void SetTimes(int directory, const struct stat& status) {
  timespec times[] = {status.st_atim, status.st_mtim};
  futimens(directory, times);
}

bool SameTime(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// Unlinks and leaves the times of the directory around it as they are. Whether it went.
bool UnlinkQuietly(int root, const std::string& path, int flags) {
  UniqueFd parent = OpenInRoot(root, Parent(path), O_RDONLY | O_DIRECTORY);
  struct stat status;
  if (!parent.valid() || fstat(parent.get(), &status) != 0 ||
      unlinkat(parent.get(), Name(path).c_str(), flags) != 0) {
    return false;
  }
  SetTimes(parent.get(), status);
  return true;
}

}  // namespace

absl::Status HiddenStubs::Make(int merged, int upper,
                               const std::vector<std::string>& mount_points) {
  for (const std::string& mount_point : mount_points) {
    bool is_directory = mount_point.ends_with('/');
    std::string path = is_directory ? mount_point.substr(0, mount_point.size() - 1) : mount_point;
    if (OpenInRoot(merged, path, O_PATH).valid()) {
      continue;
    }
    RETURN_IF_ERROR(MakeOne(merged, upper, path, is_directory));
  }
  return absl::OkStatus();
}

absl::Status HiddenStubs::MakeOne(int merged, int upper, const std::string& path,
                                  bool is_directory) {
  std::string what = fmt::format("making the mount point /{}", ToUtf8(path));
  for (const std::string& ancestor : Ancestors(path)) {
    struct stat status;
    if (fstatat(upper, ancestor.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      continue;
    }
    if (fstatat(merged, ancestor.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return ErrnoError(what);
    }
    copied_.push_back({ancestor, status});
  }
  UniqueFd parent = OpenInRoot(merged, Parent(path), O_RDONLY | O_DIRECTORY);
  struct stat before;
  if (!parent.valid() || fstat(parent.get(), &before) != 0) {
    return ErrnoError(what);
  }
  int result = is_directory ? mkdirat(parent.get(), Name(path).c_str(), 0755)
                            : mknodat(parent.get(), Name(path).c_str(), S_IFREG | 0644, 0);
  if (result != 0) {
    return ErrnoError(what);
  }
  // A descriptor from before the copy shows the lower directory.
  parent = OpenInRoot(merged, Parent(path), O_RDONLY | O_DIRECTORY);
  SetTimes(parent.get(), before);
  stubs_.push_back(path);
  return absl::OkStatus();
}

absl::Status HiddenStubs::Remove(int upper) {
  for (auto stub = stubs_.rbegin(); stub != stubs_.rend(); ++stub) {
    struct stat status;
    if (fstatat(upper, stub->c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    bool is_directory = S_ISDIR(status.st_mode);
    if (!is_directory && status.st_size != 0) {
      continue;
    }
    // A directory stays where the process put something into it.
    if (!UnlinkQuietly(upper, *stub, is_directory ? AT_REMOVEDIR : 0) && errno != ENOTEMPTY) {
      return ErrnoError(fmt::format("removing the mount point /{}", ToUtf8(*stub)));
    }
  }
  for (auto copied = copied_.rbegin(); copied != copied_.rend(); ++copied) {
    struct stat status;
    const struct stat& before = copied->before;
    if (fstatat(upper, copied->path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        status.st_mode == before.st_mode && status.st_uid == before.st_uid &&
        status.st_gid == before.st_gid && SameTime(status.st_mtim, before.st_mtim)) {
      UnlinkQuietly(upper, copied->path, AT_REMOVEDIR);
    }
  }
  return absl::OkStatus();
}

}  // namespace zlayer
