#include "backends/native/exec/overlay.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

// What mount(2) copies.
constexpr size_t kMaxMountData = 4095;

// From the best to what any kernel with overlayfs takes. `volatile` (5.10) leaves out syncing at
// unmount.
constexpr std::string_view kFeatures[] = {
    "redirect_dir=off,metacopy=off,index=off,volatile",
    "redirect_dir=off,metacopy=off,index=off",
    "redirect_dir=off,index=off",
    "",
};

absl::Status MakeDirectory(int parent, const std::string& name) {
  if (mkdirat(parent, name.c_str(), 0755) != 0 && errno != EEXIST) {
    return ErrnoError(fmt::format("making the directory {}", ToUtf8(name)));
  }
  return absl::OkStatus();
}

// In a directory that nobody else writes to: no component is a link.
absl::Status MakeStub(int root, const std::string& mount_point) {
  std::string path;
  for (std::string_view part : Split(mount_point, '/')) {
    if (part.empty()) {
      continue;  // after the final '/' of a directory
    }
    if (part == "." || part == "..") {
      return InvalidArgument(
          fmt::format("the mount point \"{}\" is not a plain path", ToUtf8(mount_point)));
    }
    if (!path.empty()) {
      RETURN_IF_ERROR(MakeDirectory(root, path));
      path += '/';
    }
    path += part;
  }
  if (mount_point.ends_with('/')) {
    return MakeDirectory(root, path);
  }
  if (mknodat(root, path.c_str(), S_IFREG | 0644, 0) != 0 && errno != EEXIST) {
    return ErrnoError(fmt::format("making the mount point {}", ToUtf8(path)));
  }
  return absl::OkStatus();
}

// What the process copies up from here must not depend on when it ran.
void ClearTimes(int root, const std::string& mount_point) {
  timespec times[2] = {};
  for (size_t end = mount_point.find('/'); end != std::string::npos;
       end = mount_point.find('/', end + 1)) {
    utimensat(root, mount_point.substr(0, end).c_str(), times, AT_SYMLINK_NOFOLLOW);
  }
  utimensat(root, mount_point.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

absl::Status MakeStubs(int scratch, const std::vector<std::string>& mount_points) {
  RETURN_IF_ERROR(MakeDirectory(scratch, "stub"));
  ASSIGN_OR_RETURN(UniqueFd stub, OpenFileAt(scratch, "stub", O_RDONLY | O_DIRECTORY));
  for (const std::string& mount_point : mount_points) {
    RETURN_IF_ERROR(MakeStub(stub.get(), mount_point));
  }
  for (const std::string& mount_point : mount_points) {
    ClearTimes(stub.get(), mount_point);
  }
  return absl::OkStatus();
}

// The merged root shows the attributes of the upper directory.
absl::Status TakeRootAttributes(int upper, uint64_t topmost) {
  struct stat status;
  std::string name = fmt::format("{}", topmost);
  if (stat(name.c_str(), &status) != 0) {
    return ErrnoError(fmt::format("the tree {}", topmost));
  }
  timespec times[] = {status.st_atim, status.st_mtim};
  if (fchown(upper, status.st_uid, status.st_gid) != 0 ||
      fchmod(upper, status.st_mode & 07777) != 0 || futimens(upper, times) != 0) {
    return ErrnoError("preparing the upper directory");
  }
  return absl::OkStatus();
}

struct MountSource {
  std::vector<std::string> lower;  // topmost first
  std::string scratch;             // empty: read only
};

int MountWithData(const MountSource& source, std::string_view features, const char* target) {
  std::string data = fmt::format("lowerdir={}", Join(source.lower, ":"));
  if (!source.scratch.empty()) {
    data += fmt::format(",upperdir={0}/upper,workdir={0}/work", source.scratch);
  }
  if (!features.empty()) {
    data += fmt::format(",{}", features);
  }
  if (data.size() > kMaxMountData) {
    errno = E2BIG;
    return -1;
  }
  return mount("overlay", target, "overlay", 0, data.c_str());
}

// Takes any number of layers, one call each (Linux 6.8).
int MountByCalls(const MountSource& source, std::string_view features, const char* target) {
  UniqueFd context(fsopen("overlay", FSOPEN_CLOEXEC));
  auto set = [&](const std::string& key, const std::string& value) {
    return fsconfig(context.get(), FSCONFIG_SET_STRING, key.c_str(), value.c_str(), 0) == 0;
  };
  bool good =
      context.valid() && (source.scratch.empty() || (set("upperdir", source.scratch + "/upper") &&
                                                     set("workdir", source.scratch + "/work")));
  for (const std::string& lower : source.lower) {
    good = good && set("lowerdir+", lower);
  }
  for (std::string_view feature : Split(features, ',')) {
    size_t equals = feature.find('=');
    if (equals != std::string_view::npos) {
      good = good &&
             set(std::string(feature.substr(0, equals)), std::string(feature.substr(equals + 1)));
    } else if (!feature.empty()) {
      good = good && fsconfig(context.get(), FSCONFIG_SET_FLAG, std::string(feature).c_str(),
                              nullptr, 0) == 0;
    }
  }
  if (!good || fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return -1;
  }
  UniqueFd tree(fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  return tree.valid() ? move_mount(tree.get(), "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) : -1;
}

absl::Status MountOverlay(const MountSource& source, const std::string& target) {
  int error = 0;
  for (std::string_view features : kFeatures) {
    if (MountWithData(source, features, target.c_str()) == 0 ||
        (errno == E2BIG && MountByCalls(source, features, target.c_str()) == 0)) {
      return absl::OkStatus();
    }
    error = errno;
    if (error != EINVAL) {
      break;
    }
  }
  return ErrnoError(error, fmt::format("mounting an overlay of {} layers (the kernel's log may "
                                       "say why)",
                                       source.lower.size()));
}

// Makes `upper` and `work` in the directory, and `source` name them. Returns `upper`. `scratch`
// must be open until the mount is made.
absl::StatusOr<UniqueFd> PrepareScratch(const UniqueFd& scratch, const std::vector<uint64_t>& lower,
                                        MountSource* source) {
  RETURN_IF_ERROR(MakeDirectory(scratch.get(), "upper"));
  RETURN_IF_ERROR(MakeDirectory(scratch.get(), "work"));
  ASSIGN_OR_RETURN(UniqueFd upper, OpenFileAt(scratch.get(), "upper", O_RDONLY | O_DIRECTORY));
  // Short, and without the characters that mount options give a meaning.
  source->scratch = fmt::format("/proc/self/fd/{}", scratch.get());
  if (!lower.empty()) {
    RETURN_IF_ERROR(TakeRootAttributes(upper.get(), lower.back()));
  }
  return upper;
}

std::vector<std::string> TopmostFirst(const std::vector<uint64_t>& lower) {
  std::vector<std::string> result;
  for (auto number = lower.rbegin(); number != lower.rend(); ++number) {
    result.push_back(fmt::format("{}", *number));
  }
  return result;
}

}  // namespace

absl::Status MountTrees(const TreesOptions& options) {
  if (options.lower.empty() && options.scratch.empty()) {
    return mount(options.empty.c_str(), options.target.c_str(), nullptr, MS_BIND, nullptr) == 0
               ? absl::OkStatus()
               : ErrnoError("mounting an empty directory");
  }
  MountSource source;
  source.lower = TopmostFirst(options.lower);
  source.lower.push_back(options.empty);  // overlayfs wants two where nothing can be written
  UniqueFd scratch;
  if (!options.scratch.empty()) {
    ASSIGN_OR_RETURN(scratch, OpenFile(options.scratch, O_RDONLY | O_DIRECTORY));
    RETURN_IF_ERROR(PrepareScratch(scratch, options.lower, &source).status());
  }
  return MountOverlay(source, options.target);
}

absl::Status Overlay::Mount(const OverlayOptions& options) {
  if (options.lower.size() > kMaxLowerLayers) {
    return FailedPrecondition(
        fmt::format("{} layers are too many to mount; at most {} are possible",
                    options.lower.size(), kMaxLowerLayers));
  }
  ASSIGN_OR_RETURN(UniqueFd scratch, OpenFile(options.scratch, O_RDONLY | O_DIRECTORY));
  MountSource source;
  source.lower = TopmostFirst(options.lower);
  ASSIGN_OR_RETURN(upper_, PrepareScratch(scratch, options.lower, &source));
  if (options.lower.empty() || !options.mount_points.empty()) {
    RETURN_IF_ERROR(MakeStubs(scratch.get(), options.mount_points));
    source.lower.push_back(source.scratch + "/stub");
  }
  RETURN_IF_ERROR(MountOverlay(source, options.merged));
  merged_ = options.merged;
  ASSIGN_OR_RETURN(UniqueFd merged, OpenFile(merged_, O_RDONLY | O_DIRECTORY));
  return hidden_.Make(merged.get(), upper_.get(), options.mount_points);
}

absl::Status Overlay::Unmount() {
  // Detached where something still holds it: what was written is in `upper` all the same.
  if (umount2(merged_.c_str(), 0) != 0 &&
      (errno != EBUSY || umount2(merged_.c_str(), MNT_DETACH) != 0)) {
    return ErrnoError("unmounting the overlay");
  }
  return hidden_.Remove(upper_.get());
}

}  // namespace zlayer
