#include "backends/native/exec/program_view.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <spdlog/fmt/fmt.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/native/exec/process.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace zlayer {
namespace {

// Directories of the machine, or links to some.
constexpr const char* kShown[] = {"/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64"};
constexpr const char* kDevices[] = {"/dev/null", "/dev/zero", "/dev/urandom"};
constexpr char kScratch[] = "/work";

// A part of the machine, opened before the tmpfs covers anything.
struct Shown {
  std::string path;
  std::string link;  // where it is a symbolic link
  UniqueFd fd;
};

absl::StatusOr<std::vector<Shown>> OpenShown(const exec::Program& program) {
  std::vector<Shown> result;
  const auto open_path = [&](const std::string& source, const std::string& path) -> absl::Status {
    Shown shown{.path = path};
    ASSIGN_OR_RETURN(shown.fd, OpenFile(source, O_PATH));
    result.push_back(std::move(shown));
    return absl::OkStatus();
  };
  for (const char* path : kShown) {
    struct stat status;
    if (lstat(path, &status) != 0) {
      continue;
    }
    if (S_ISLNK(status.st_mode)) {
      char target[PATH_MAX];
      const ssize_t size = readlink(path, target, sizeof(target));
      if (size < 0) {
        return ErrnoError(path);
      }
      Shown shown;
      shown.path = path;
      shown.link.assign(target, static_cast<size_t>(size));
      result.push_back(std::move(shown));
    } else {
      RETURN_IF_ERROR(open_path(path, path));
    }
  }
  for (const char* path : kDevices) {
    RETURN_IF_ERROR(open_path(path, path));
  }
  RETURN_IF_ERROR(open_path(program.scratch(), kScratch));
  return result;
}

absl::Status MakePlace(const std::string& path, bool is_directory) {
  if (is_directory) {
    return MakeDirectories(path);
  }
  RETURN_IF_ERROR(MakeDirectories(path.substr(0, path.rfind('/'))));
  return OpenFile(path, O_WRONLY | O_CREAT).status();
}

// Bound where it belongs below `root`; all but the scratch directory cannot be written to.
absl::Status Show(const Shown& shown, const std::string& root) {
  const std::string target = root + shown.path;
  if (!shown.link.empty()) {
    return symlink(shown.link.c_str(), target.c_str()) == 0 ? absl::OkStatus() : ErrnoError(target);
  }
  struct stat status;
  if (fstat(shown.fd.get(), &status) != 0) {
    return ErrnoError(shown.path);
  }
  RETURN_IF_ERROR(MakePlace(target, S_ISDIR(status.st_mode)));
  const std::string source = fmt::format("/proc/self/fd/{}", shown.fd.get());
  if (mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return ErrnoError(fmt::format("showing {} to a program", shown.path));
  }
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_NOSUID;
  if (shown.path != kScratch) {
    attributes.attr_set |= MOUNT_ATTR_RDONLY;
  }
  if (!shown.path.starts_with("/dev/")) {
    attributes.attr_set |= MOUNT_ATTR_NODEV;
  }
  if (mount_setattr(AT_FDCWD, target.c_str(), AT_RECURSIVE, &attributes, sizeof(attributes)) != 0) {
    return ErrnoError(fmt::format("protecting {} from a program", shown.path));
  }
  return absl::OkStatus();
}

absl::Status WriteNew(const std::string& path, std::string_view content) {
  RETURN_IF_ERROR(MakeDirectories(path.substr(0, path.rfind('/'))));
  return WriteNewFile(path, content);
}

// Name servers are often written where only a link in /etc leads to.
absl::Status CopyResolvConf(const std::string& path, const std::string& content,
                            const std::string& root) {
  if (path.empty() || path.starts_with("/etc/") || path.starts_with("/usr/")) {
    return absl::OkStatus();
  }
  return WriteNew(root + path, content);
}

absl::Status ChangeRoot(const std::string& root) {
  if (chdir(root.c_str()) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 ||
      umount2(".", MNT_DETACH) != 0) {
    return ErrnoError("changing to the root of a program");
  }
  mount_attr read_only = {};
  read_only.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof(read_only)) != 0) {
    return ErrnoError("protecting the root of a program");
  }
  return chdir(kScratch) == 0 ? absl::OkStatus() : ErrnoError(kScratch);
}

}  // namespace

absl::Status EnterProgramView(const std::string& directory, const exec::Program& program) {
  if (unshare(CLONE_NEWNS | CLONE_NEWIPC) != 0) {
    return ErrnoError("making namespaces for a program");
  }
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return ErrnoError("mounting /proc for a program");
  }
  ASSIGN_OR_RETURN(const std::vector<Shown> shown, OpenShown(program));
  char resolved[PATH_MAX];
  const std::string resolv_conf = realpath("/etc/resolv.conf", resolved) == nullptr ? "" : resolved;
  const std::string name_servers = resolv_conf.empty() ? "" : ReadFile(resolv_conf).value_or("");
  if (mount("tmpfs", directory.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0) {
    return ErrnoError("mounting the root of a program");
  }
  for (const Shown& part : shown) {
    RETURN_IF_ERROR(Show(part, directory));
  }
  RETURN_IF_ERROR(CopyResolvConf(resolv_conf, name_servers, directory));
  for (const exec::Program::File& file : program.files()) {
    RETURN_IF_ERROR(WriteNew(fmt::format("{}/run/{}", directory, file.name()), file.content()));
  }
  const std::string proc = directory + "/proc";
  RETURN_IF_ERROR(MakeDirectories(proc));
  if (mount("proc", proc.c_str(), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return ErrnoError("mounting /proc for a program");
  }
  return ChangeRoot(directory);
}

}  // namespace zlayer
