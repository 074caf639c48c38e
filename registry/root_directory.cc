#include "registry/root_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr const char* kDirectories[] = {"blobs",  "packs",        "indexes", "trees",
                                        "builds", "cache-mounts", "tmp"};

absl::Status NotUsable(const absl::Status& status, const std::string& path) {
  return FailedPrecondition(fmt::format(
      "the root {} cannot be used ({}): make it a directory of user {}, or choose another "
      "with --root",
      path, Message(status), geteuid()));
}

absl::Status CheckFilesystem(const RootDirectory& root) {
  struct statfs info;
  if (fstatfs(root.fd.get(), &info) != 0) {
    return ErrnoError("looking at the filesystem of " + root.path);
  }
  if (info.f_type == OVERLAYFS_SUPER_MAGIC) {
    return FailedPrecondition(
        fmt::format("the root {} lies on overlayfs, where layers cannot be mounted: put it on "
                    "another filesystem with --root",
                    root.path));
  }
  return absl::OkStatus();
}

// Whoever can write here can put anything into images.
absl::Status CheckOwner(const RootDirectory& root) {
  struct stat info;
  if (fstat(root.fd.get(), &info) != 0) {
    return ErrnoError("looking at " + root.path);
  }
  if (info.st_uid != geteuid()) {
    return FailedPrecondition(
        fmt::format("the root {} belongs to user {}, and zlayerd runs as user {}: run it as the "
                    "owner, change the owner, or choose another root with --root",
                    root.path, info.st_uid, geteuid()));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return FailedPrecondition(
        fmt::format("others than its owner can write to the root {}: take that away with "
                    "\"chmod go-w {}\"",
                    root.path, root.path));
  }
  return absl::OkStatus();
}

absl::Status HeldByAnother(const std::string& path, const UniqueFd& lock) {
  absl::StatusOr<std::string> content = ReadAll(lock.get(), 4096);
  std::optional<uint64_t> pid = content.ok() ? ParseUint(Trim(*content)) : std::nullopt;
  return FailedPrecondition(fmt::format(
      "the root {} is in use by {}: stop it, or choose another root with --root", path,
      pid.has_value() ? fmt::format("the process {}", *pid) : std::string("another process")));
}

absl::StatusOr<UniqueFd> TakeLock(const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd lock, OpenFile(path + "/lock", O_RDWR | O_CREAT, 0600));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK ? HeldByAnother(path, lock) : ErrnoError("locking " + path);
  }
  if (ftruncate(lock.get(), 0) != 0) {
    return ErrnoError("writing " + path + "/lock");
  }
  RETURN_IF_ERROR(PwriteFully(lock.get(), fmt::format("{}\n", getpid()), 0));
  return lock;
}

}  // namespace

absl::StatusOr<RootDirectory> OpenRootDirectory(const std::string& path) {
  if (path.empty()) {
    return InvalidArgument("the root directory has no path");
  }
  if (absl::Status status = MakeDirectories(path, 0700); !status.ok()) {
    return NotUsable(status, path);
  }
  std::error_code error;
  RootDirectory root;
  root.path = std::filesystem::canonical(path, error);
  if (error) {
    return NotUsable(ErrnoError(error.value(), path), path);
  }
  absl::StatusOr<UniqueFd> opened = OpenFile(root.path, O_RDONLY | O_DIRECTORY);
  if (!opened.ok()) {
    return NotUsable(opened.status(), path);
  }
  root.fd = *std::move(opened);
  RETURN_IF_ERROR(CheckOwner(root));
  RETURN_IF_ERROR(CheckFilesystem(root));
  ASSIGN_OR_RETURN(root.lock, TakeLock(root.path));
  for (const char* name : kDirectories) {
    RETURN_IF_ERROR(MakeDirectories(fmt::format("{}/{}", root.path, name), 0700));
  }
  return root;
}

}  // namespace zlayer
