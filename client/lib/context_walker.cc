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

// What a directory lists.
struct Listed {
  std::string name;
  unsigned char type;
};

// One directory entry, as far as it is known before it is given to the sink.
struct Found {
  std::string path;
  struct stat info = {};
  bool is_ignored = false;
  std::string link_target;
  std::vector<v1::ExtendedAttribute> xattrs;

  bool is_directory() const { return S_ISDIR(info.st_mode); }
};

v1::ContextEntry::Type TypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return v1::ContextEntry::FILE;
    case S_IFDIR:
      return v1::ContextEntry::DIRECTORY;
    case S_IFLNK:
      return v1::ContextEntry::SYMLINK;
    case S_IFIFO:
      return v1::ContextEntry::FIFO;
    case S_IFCHR:
      return v1::ContextEntry::CHARACTER_DEVICE;
    default:
      return v1::ContextEntry::BLOCK_DEVICE;
  }
}

// The path below /proc/self/fd is looked up without following its last component.
std::string ProcPath(int directory, const std::string& name) {
  return fmt::format("/proc/self/fd/{}/{}", directory, name);
}

// As llistxattr(2), of an entry of `directory`.
ssize_t ListXattrs(int directory, const std::string& name, char* list, size_t size) {
  // listxattrat(2), which Linux has since 6.13 and the C library not yet, costs a third of the
  // other.
  constexpr long kListXattrAt = 465;
  const long listed =
      syscall(kListXattrAt, directory, name.c_str(), AT_SYMLINK_NOFOLLOW, list, size);
  return listed < 0 && (errno == ENOSYS || errno == EPERM)
             ? llistxattr(ProcPath(directory, name).c_str(), list, size)
             : listed;
}

class Walk {
 public:
  Walk(int root, const WalkOptions& options, const ContextSink& sink, std::stop_token stop)
      : root_(root), options_(options), sink_(sink), stop_(std::move(stop)) {}

  absl::Status Directory(const std::string& path);

 private:
  absl::StatusOr<std::vector<Found>> List(const std::string& path);
  // Nullopt for what is left out.
  absl::StatusOr<std::optional<Found>> Look(int directory, const std::string& path,
                                            const Listed& listed);
  absl::Status ReadXattrs(int directory, const std::string& name, Found& found);
  absl::Status Visit(const Found& found);
  absl::Status Emit(const Found& found);

  const int root_;
  const WalkOptions& options_;
  const ContextSink& sink_;
  const std::stop_token stop_;
  // Ignored directories above the current one that were not given to the sink yet, outermost first.
  std::vector<const Found*> withheld_;
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> hard_links_;
};

absl::Status Walk::Directory(const std::string& path) {
  if (stop_.stop_requested()) {
    return Cancelled("the reading of the build context was interrupted");
  }
  ASSIGN_OR_RETURN(const std::vector<Found> entries, List(path));
  for (const Found& found : entries) {
    RETURN_IF_ERROR(Visit(found));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Listed>> Names(DIR* directory, const std::string& path) {
  std::vector<Listed> names;
  while (true) {
    errno = 0;
    const dirent* listed = readdir(directory);
    if (listed == nullptr) {
      if (errno != 0) {
        return ContextError(errno, "reading", path);
      }
      break;
    }
    const std::string_view name = listed->d_name;
    if (name != "." && name != "..") {
      names.push_back({std::string(name), listed->d_type});
    }
  }
  std::sort(names.begin(), names.end(),
            [](const Listed& a, const Listed& b) { return a.name < b.name; });
  return names;
}

absl::StatusOr<std::vector<Found>> Walk::List(const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenBeneath(root_, path, O_RDONLY | O_DIRECTORY, "reading"));
  int raw = fd.get();
  std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(raw), closedir);
  if (directory == nullptr) {
    return ContextError(errno, "reading", path);
  }
  fd.Release();
  ASSIGN_OR_RETURN(const std::vector<Listed> names, Names(directory.get(), path));
  std::vector<Found> entries;
  entries.reserve(names.size());
  for (const Listed& listed : names) {
    ASSIGN_OR_RETURN(std::optional<Found> found, Look(raw, path, listed));
    if (found.has_value()) {
      entries.push_back(*std::move(found));
    }
  }
  return entries;
}

absl::StatusOr<std::optional<Found>> Walk::Look(int directory, const std::string& path,
                                                const Listed& listed) {
  Found found;
  found.path = path.empty() ? listed.name : path + "/" + listed.name;
  found.is_ignored = options_.ignore != nullptr && options_.ignore->Matches(found.path).ignored;
  if (found.is_ignored && listed.type != DT_UNKNOWN && listed.type != DT_DIR) {
    return std::nullopt;
  }
  if (fstatat(directory, listed.name.c_str(), &found.info, AT_SYMLINK_NOFOLLOW) != 0) {
    return ContextError(errno, "reading", found.path);
  }
  if (S_ISSOCK(found.info.st_mode) ||
      (found.is_ignored &&
       !(found.is_directory() && options_.ignore->MayContainKept(found.path)))) {
    return std::nullopt;
  }
  if (S_ISLNK(found.info.st_mode)) {
    found.link_target.resize(kMaxLinkTarget);
    ssize_t size = readlinkat(directory, listed.name.c_str(), found.link_target.data(),
                              found.link_target.size());
    if (size < 0) {
      return ContextError(errno == EINVAL ? ENOENT : errno, "reading", found.path);
    }
    found.link_target.resize(static_cast<size_t>(size));
  }
  RETURN_IF_ERROR(ReadXattrs(directory, listed.name, found));
  return found;
}

absl::Status Walk::ReadXattrs(int directory, const std::string& name, Found& found) {
  ssize_t size = ListXattrs(directory, name, nullptr, 0);
  if (size == 0 || (size < 0 && (HasNoXattrs(errno) || errno == ENOENT))) {
    return absl::OkStatus();
  }
  std::string names(kMaxXattrs, '\0');
  size = ListXattrs(directory, name, names.data(), names.size());
  if (size < 0) {
    return ContextError(errno, "reading the extended attributes of", found.path);
  }
  names.resize(static_cast<size_t>(size));
  std::vector<std::string_view> sorted = Split(names, '\0');
  std::sort(sorted.begin(), sorted.end());
  const std::string path = ProcPath(directory, name);
  std::string value(kMaxXattrs, '\0');
  for (std::string_view attribute : sorted) {
    if (!IsWanted(attribute)) {
      continue;
    }
    ssize_t length =
        lgetxattr(path.c_str(), std::string(attribute).c_str(), value.data(), value.size());
    if (length < 0) {
      if (HasNoXattrs(errno)) {
        continue;
      }
      return ContextError(errno, "reading the extended attributes of", found.path);
    }
    v1::ExtendedAttribute& xattr = found.xattrs.emplace_back();
    xattr.set_name(attribute.data(), attribute.size());
    xattr.set_value(value.data(), static_cast<size_t>(length));
  }
  return absl::OkStatus();
}

absl::Status Walk::Visit(const Found& found) {
  if (found.is_ignored) {
    withheld_.push_back(&found);
    size_t depth = withheld_.size();
    RETURN_IF_ERROR(Directory(found.path));
    if (withheld_.size() == depth) {
      withheld_.pop_back();
    }
    return absl::OkStatus();
  }
  for (const Found* parent : std::exchange(withheld_, {})) {
    RETURN_IF_ERROR(Emit(*parent));
  }
  RETURN_IF_ERROR(Emit(found));
  return found.is_directory() ? Directory(found.path) : absl::OkStatus();
}

absl::Status Walk::Emit(const Found& found) {
  const FileIdentity identity = FileIdentity::Of(found.info);
  v1::ContextEntry entry;
  entry.set_path(found.path);
  entry.set_type(TypeOf(found.info.st_mode));
  entry.set_mode(found.info.st_mode & 07777);
  entry.set_mtime_ns(identity.mtime_ns);
  if (S_ISCHR(found.info.st_mode) || S_ISBLK(found.info.st_mode)) {
    entry.set_device(found.info.st_rdev);
  }
  if (!found.link_target.empty()) {
    entry.set_link_target(found.link_target);
  }
  entry.mutable_xattrs()->Add(found.xattrs.begin(), found.xattrs.end());
  if (S_ISREG(found.info.st_mode)) {
    entry.set_size(identity.size);
    if (found.info.st_nlink > 1) {
      auto group =
          hard_links_.emplace(std::pair(identity.device, identity.inode), hard_links_.size() + 1);
      entry.set_hard_link_group(group.first->second);
    }
    if (options_.digests != nullptr && IsSettled(identity, options_.now_ns)) {
      if (std::optional<Digest> digest = options_.digests->Find(identity)) {
        entry.set_sha256(digest->Bytes().data(), Digest::kSize);
      }
    }
  }
  return sink_(std::move(entry), identity);
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
