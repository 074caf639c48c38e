#include "client/lib/context_walker.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr size_t kMaxLinkTarget = 4096;
constexpr size_t kMaxXattrs = 65536;

absl::Status ContextError(int error_number, std::string_view doing, std::string_view path) {
  if (error_number == ELOOP || error_number == ENOTDIR || error_number == ENOENT ||
      error_number == EXDEV) {
    return absl::AbortedError(
        fmt::format("\"{}\" of the build context changed while it was read: run the build again",
                    ToUtf8(path)));
  }
  return ErrnoError(error_number,
                    fmt::format("{} \"{}\" of the build context", doing, ToUtf8(path)));
}

absl::StatusOr<UniqueFd> OpenBeneath(int root, const std::string& path, int flags,
                                     std::string_view doing) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.resolve = RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  while (true) {
    long fd = syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how);
    if (fd >= 0) {
      return UniqueFd(static_cast<int>(fd));
    }
    if (errno != EAGAIN && errno != EINTR) {
      return ContextError(errno, doing, path);
    }
  }
}

// What user space may set and an image may keep.
bool IsWanted(std::string_view xattr) {
  return xattr.starts_with("user.") || xattr == "security.capability";
}

bool HasNoXattrs(int error_number) {
  return error_number == ENOTSUP || error_number == EPERM || error_number == ENODATA;
}

// One directory entry, as far as it is known before it is given to the sink.
struct Found {
  std::string name;
  FileIdentity identity;
  bool is_directory = false;
  bool is_ignored = false;
  nlink_t links = 1;
  v1::ContextEntry entry;
};

class Walk {
 public:
  Walk(int root, const WalkOptions& options, const ContextSink& sink, std::stop_token stop)
      : root_(root), options_(options), sink_(sink), stop_(std::move(stop)) {}

  absl::Status Directory(const std::string& path);

 private:
  absl::StatusOr<std::vector<Found>> List(const std::string& path);
  // Nullopt for what is left out.
  absl::StatusOr<std::optional<Found>> Look(int directory, const std::string& path,
                                            const dirent& listed);
  absl::Status Describe(int directory, const struct stat& info, Found& found);
  absl::Status ReadXattrs(int directory, Found& found);
  absl::Status Visit(Found found);
  absl::Status Emit(Found found);

  const int root_;
  const WalkOptions& options_;
  const ContextSink& sink_;
  const std::stop_token stop_;
  // Ignored directories above the current one that were not given to the sink yet, outermost first.
  std::vector<Found> withheld_;
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> hard_links_;
};

absl::Status Walk::Directory(const std::string& path) {
  if (stop_.stop_requested()) {
    return Cancelled("the reading of the build context was interrupted");
  }
  ASSIGN_OR_RETURN(std::vector<Found> entries, List(path));
  for (Found& found : entries) {
    RETURN_IF_ERROR(Visit(std::move(found)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Found>> Walk::List(const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenBeneath(root_, path, O_RDONLY | O_DIRECTORY, "reading"));
  int raw = fd.get();
  std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(raw), closedir);
  if (directory == nullptr) {
    return ContextError(errno, "reading", path);
  }
  fd.Release();
  std::vector<Found> entries;
  while (true) {
    errno = 0;
    const dirent* listed = readdir(directory.get());
    if (listed == nullptr) {
      if (errno != 0) {
        return ContextError(errno, "reading", path);
      }
      break;
    }
    std::string_view name = listed->d_name;
    if (name == "." || name == "..") {
      continue;
    }
    ASSIGN_OR_RETURN(std::optional<Found> found, Look(raw, path, *listed));
    if (found.has_value()) {
      entries.push_back(*std::move(found));
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const Found& a, const Found& b) { return a.name < b.name; });
  return entries;
}

absl::StatusOr<std::optional<Found>> Walk::Look(int directory, const std::string& path,
                                                const dirent& listed) {
  Found found;
  found.name = listed.d_name;
  std::string full = path.empty() ? found.name : path + "/" + found.name;
  found.is_ignored = options_.ignore != nullptr && options_.ignore->Matches(full).ignored;
  if (found.is_ignored && listed.d_type != DT_UNKNOWN && listed.d_type != DT_DIR) {
    return std::nullopt;
  }
  struct stat info;
  if (fstatat(directory, listed.d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return ContextError(errno, "reading", full);
  }
  found.is_directory = S_ISDIR(info.st_mode);
  if (S_ISSOCK(info.st_mode) ||
      (found.is_ignored && !(found.is_directory && options_.ignore->MayContainKept(full)))) {
    return std::nullopt;
  }
  found.entry.set_path(full);
  RETURN_IF_ERROR(Describe(directory, info, found));
  return found;
}

absl::Status Walk::Describe(int directory, const struct stat& info, Found& found) {
  found.identity = FileIdentity::Of(info);
  found.links = info.st_nlink;
  v1::ContextEntry& entry = found.entry;
  entry.set_mode(info.st_mode & 07777);
  entry.set_mtime_ns(found.identity.mtime_ns);
  switch (info.st_mode & S_IFMT) {
    case S_IFREG:
      entry.set_type(v1::ContextEntry::FILE);
      entry.set_size(found.identity.size);
      break;
    case S_IFDIR:
      entry.set_type(v1::ContextEntry::DIRECTORY);
      break;
    case S_IFLNK: {
      entry.set_type(v1::ContextEntry::SYMLINK);
      std::string target(kMaxLinkTarget, '\0');
      ssize_t size = readlinkat(directory, found.name.c_str(), target.data(), target.size());
      if (size < 0) {
        return ContextError(errno == EINVAL ? ENOENT : errno, "reading", entry.path());
      }
      entry.set_link_target(target.substr(0, static_cast<size_t>(size)));
      break;
    }
    case S_IFIFO:
      entry.set_type(v1::ContextEntry::FIFO);
      break;
    default:
      entry.set_type(S_ISCHR(info.st_mode) ? v1::ContextEntry::CHARACTER_DEVICE
                                           : v1::ContextEntry::BLOCK_DEVICE);
      entry.set_device(info.st_rdev);
      break;
  }
  return ReadXattrs(directory, found);
}

absl::Status Walk::ReadXattrs(int directory, Found& found) {
  // There is no *at() form; the path below /proc/self/fd does not follow the last component either.
  std::string path = fmt::format("/proc/self/fd/{}/{}", directory, found.name);
  ssize_t size = llistxattr(path.c_str(), nullptr, 0);
  if (size == 0 || (size < 0 && (HasNoXattrs(errno) || errno == ENOENT))) {
    return absl::OkStatus();
  }
  std::string names(kMaxXattrs, '\0');
  size = llistxattr(path.c_str(), names.data(), names.size());
  if (size < 0) {
    return ContextError(errno, "reading the extended attributes of", found.entry.path());
  }
  names.resize(static_cast<size_t>(size));
  std::vector<std::string_view> sorted = Split(names, '\0');
  std::sort(sorted.begin(), sorted.end());
  std::string value(kMaxXattrs, '\0');
  for (std::string_view name : sorted) {
    if (!IsWanted(name)) {
      continue;
    }
    ssize_t length = lgetxattr(path.c_str(), std::string(name).c_str(), value.data(), value.size());
    if (length < 0) {
      if (HasNoXattrs(errno)) {
        continue;
      }
      return ContextError(errno, "reading the extended attributes of", found.entry.path());
    }
    v1::ExtendedAttribute* xattr = found.entry.add_xattrs();
    xattr->set_name(name.data(), name.size());
    xattr->set_value(value.data(), static_cast<size_t>(length));
  }
  return absl::OkStatus();
}

absl::Status Walk::Visit(Found found) {
  std::string path = found.entry.path();
  bool is_directory = found.is_directory;
  if (found.is_ignored) {
    withheld_.push_back(std::move(found));
    size_t depth = withheld_.size();
    RETURN_IF_ERROR(Directory(path));
    if (withheld_.size() == depth) {
      withheld_.pop_back();
    }
    return absl::OkStatus();
  }
  for (Found& parent : std::exchange(withheld_, {})) {
    RETURN_IF_ERROR(Emit(std::move(parent)));
  }
  RETURN_IF_ERROR(Emit(std::move(found)));
  return is_directory ? Directory(path) : absl::OkStatus();
}

absl::Status Walk::Emit(Found found) {
  if (found.entry.type() == v1::ContextEntry::FILE) {
    if (found.links > 1) {
      auto group = hard_links_.emplace(std::pair(found.identity.device, found.identity.inode),
                                       hard_links_.size() + 1);
      found.entry.set_hard_link_group(group.first->second);
    }
    if (options_.digests != nullptr && IsSettled(found.identity, options_.now_ns)) {
      if (std::optional<Digest> digest = options_.digests->Find(found.identity)) {
        found.entry.set_sha256(digest->Bytes().data(), Digest::kSize);
      }
    }
  }
  return sink_(std::move(found.entry), found.identity);
}

}  // namespace

absl::StatusOr<UniqueFd> OpenContext(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    return UniqueFd(fd);
  }
  if (errno == ENOENT) {
    return NotFound(fmt::format("the build context \"{}\" does not exist", ToUtf8(path)));
  }
  if (errno == ENOTDIR) {
    return InvalidArgument(fmt::format(
        "the build context \"{}\" is not a directory (a tar archive is read from stdin: -)",
        ToUtf8(path)));
  }
  return ErrnoError(fmt::format("opening the build context \"{}\"", ToUtf8(path)));
}

absl::Status WalkContext(int root, const WalkOptions& options, const ContextSink& sink,
                         std::stop_token stop) {
  return Walk(root, options, sink, std::move(stop)).Directory("");
}

absl::StatusOr<UniqueFd> OpenContextFile(int root, const std::string& path) {
  // A fifo that took the file's place must not hold the client.
  return OpenBeneath(root, path, O_RDONLY | O_NONBLOCK, "opening");
}

}  // namespace zlayer
