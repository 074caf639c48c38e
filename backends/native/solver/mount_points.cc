#include "backends/native/solver/mount_points.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <string_view>

#include "base/errors.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

// A final '/' marks a directory.
constexpr std::string_view kNeeded[] = {"proc/", "sys/", "dev/", "etc/hosts", "etc/resolv.conf"};

// Unlinks `path` below `upper` where it is an empty file or directory, no link on the way followed.
absl::Status RemoveEmpty(const std::string& upper, const std::string& path) {
  const std::string full = fmt::format("{}/{}", upper, path);
  const std::string parent = full.substr(0, full.find_last_of('/'));
  struct stat parent_stat;
  struct stat file;
  if (lstat(parent.c_str(), &parent_stat) != 0 || !S_ISDIR(parent_stat.st_mode) ||
      lstat(full.c_str(), &file) != 0) {
    return absl::OkStatus();
  }
  const bool is_directory = S_ISDIR(file.st_mode);
  if (!is_directory && !(S_ISREG(file.st_mode) && file.st_size == 0)) {
    return absl::OkStatus();
  }
  if ((is_directory ? rmdir(full.c_str()) : unlink(full.c_str())) != 0) {
    return errno == ENOTEMPTY ? absl::OkStatus()
                              : ErrnoError(fmt::format("removing the mount point {}", full));
  }
  const timespec times[2] = {parent_stat.st_atim, parent_stat.st_mtim};
  if (utimensat(AT_FDCWD, parent.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoError(fmt::format("restoring the times of {}", parent));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> MissingMountPoints(const Rootfs& view) {
  std::vector<std::string> missing;
  std::set<std::string> seen;
  for (std::string_view needed : kNeeded) {
    const bool is_directory = needed.ends_with('/');
    if (is_directory) {
      needed.remove_suffix(1);
    }
    ASSIGN_OR_RETURN(const std::string path, view.Resolve(needed));
    if (view.Lookup(path).has_value()) {
      continue;
    }
    for (size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      const std::string parent = path.substr(0, slash);
      if (!view.Lookup(parent).has_value() && seen.insert(parent).second) {
        missing.push_back(parent + "/");
      }
    }
    if (seen.insert(path).second) {
      missing.push_back(is_directory ? path + "/" : path);
    }
  }
  return missing;
}

absl::Status RemoveMountPoints(const std::string& upper,
                               const std::vector<std::string>& mount_points) {
  for (auto at = mount_points.rbegin(); at != mount_points.rend(); ++at) {
    const std::string path = at->ends_with('/') ? at->substr(0, at->size() - 1) : *at;
    RETURN_IF_ERROR(RemoveEmpty(upper, path));
  }
  return absl::OkStatus();
}

}  // namespace zlayer
