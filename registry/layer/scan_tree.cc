#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/beneath.h"
#include "registry/layer/tree.h"

namespace zlayer {
namespace {

constexpr char kOpaqueXattr[] = "trusted.overlay.opaque";

absl::Status ScanError(std::string_view path) {
  return ErrnoError(fmt::format("reading '{}' of a layer's tree", ToUtf8(path)));
}

absl::StatusOr<std::vector<std::string>> NamesIn(int directory, const std::string& path) {
  UniqueFd copy(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* stream = copy.valid() ? fdopendir(copy.get()) : nullptr;
  if (stream == nullptr) {
    return ScanError(path);
  }
  copy.Release();
  std::unique_ptr<DIR, int (*)(DIR*)> owned(stream, closedir);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(stream)) {
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
    errno = 0;
  }
  if (errno != 0) {
    return ScanError(path);
  }
  std::sort(names.begin(), names.end());
  return names;
}

class TreeScanner {
 public:
  TreeScanner(UniqueFd root, bool digest, LayerIndexBuilder* builder, std::stop_token stop)
      : root_(std::move(root)), digest_(digest), builder_(builder), stop_(std::move(stop)) {}

  absl::Status Run();

 private:
  // A directory entry that is being read; `open_path` names it without following it.
  struct Item {
    int directory;
    std::string name;
    std::string open_path;
    struct stat info;
  };

  absl::Status ScanDirectory(const std::string& path);
  absl::Status ScanItem(const Item& item, Entry entry);
  absl::Status DigestFile(const Item& item, Entry* entry);
  absl::Status FillXattrs(const Item& item, Entry* entry);
  absl::Status FillTarget(const Item& item, Entry* entry);

  const UniqueFd root_;
  const bool digest_;  // contents, too
  LayerIndexBuilder* const builder_;
  const std::stop_token stop_;
  std::vector<std::string> left_;  // directories to be read
  // Of files with several names: the first one that was met, by device and inode.
  std::map<std::pair<dev_t, ino_t>, Entry> leaders_;
  std::vector<char> names_ = std::vector<char>(XATTR_LIST_MAX);
  std::vector<char> value_ = std::vector<char>(XATTR_SIZE_MAX);
};

absl::Status TreeScanner::Run() {
  left_ = {""};
  while (!left_.empty()) {
    std::string path = std::move(left_.back());
    left_.pop_back();
    RETURN_IF_ERROR(ScanDirectory(path));
  }
  return absl::OkStatus();
}

absl::Status TreeScanner::ScanDirectory(const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd directory, OpenBeneath(root_.get(), path, O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(std::vector<std::string> names, NamesIn(directory.get(), path));
  for (const std::string& name : names) {
    if (stop_.stop_requested()) {
      return Cancelled("reading a layer's tree was stopped");
    }
    Entry entry;
    entry.path = path.empty() ? name : path + "/" + name;
    Item item{directory.get(), name, fmt::format("/proc/self/fd/{}/{}", directory.get(), name), {}};
    if (fstatat(item.directory, name.c_str(), &item.info, AT_SYMLINK_NOFOLLOW) != 0) {
      return ScanError(entry.path);
    }
    RETURN_IF_ERROR(ScanItem(item, std::move(entry)));
  }
  return absl::OkStatus();
}

absl::Status TreeScanner::DigestFile(const Item& item, Entry* entry) {
  ASSIGN_OR_RETURN(UniqueFd fd,
                   OpenFileAt(item.directory, item.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct stat opened;
  if (fstat(fd.get(), &opened) != 0) {
    return ScanError(entry->path);
  }
  if (!S_ISREG(opened.st_mode) || opened.st_size != item.info.st_size) {
    return FailedPrecondition(
        fmt::format("'{}' changed while its layer's tree was read", ToUtf8(entry->path)));
  }
  Sha256 sha256;
  ContentFile content{std::make_shared<const UniqueFd>(std::move(fd)), 0, entry->size};
  RETURN_IF_ERROR(ReadContent(content, Digest(), [&](std::string_view piece) {
    sha256.Update(piece);
    return stop_.stop_requested() ? Cancelled("reading a layer's tree was stopped")
                                  : absl::OkStatus();
  }));
  entry->content = sha256.Finish();
  return absl::OkStatus();
}

absl::Status TreeScanner::FillXattrs(const Item& item, Entry* entry) {
  ssize_t length = llistxattr(item.open_path.c_str(), names_.data(), names_.size());
  if (length < 0) {
    return errno == ENOTSUP ? absl::OkStatus() : ScanError(entry->path);
  }
  for (std::string_view name :
       Split({names_.data(), static_cast<size_t>(std::max<ssize_t>(length - 1, 0))}, '\0')) {
    bool mark = name == kOpaqueXattr && entry->type == EntryType::kDirectory;
    if (name.empty() || (!mark && !KeepsXattr(name))) {
      continue;
    }
    std::string key(name);
    ssize_t size = lgetxattr(item.open_path.c_str(), key.c_str(), value_.data(), value_.size());
    if (size < 0) {
      return ScanError(entry->path);
    }
    std::string value(value_.data(), static_cast<size_t>(size));
    if (mark) {
      entry->opaque = value == "y";
    } else {
      entry->xattrs.emplace(std::move(key), std::move(value));
    }
  }
  return absl::OkStatus();
}

absl::Status TreeScanner::FillTarget(const Item& item, Entry* entry) {
  char target[PATH_MAX];
  ssize_t length = readlinkat(item.directory, item.name.c_str(), target, sizeof(target));
  if (length < 0) {
    return ScanError(entry->path);
  }
  entry->type = EntryType::kSymlink;
  entry->link_target.assign(target, static_cast<size_t>(length));
  return absl::OkStatus();
}

EntryType SpecialType(mode_t mode) {
  return S_ISFIFO(mode)  ? EntryType::kFifo
         : S_ISBLK(mode) ? EntryType::kBlockDevice
                         : EntryType::kCharacterDevice;
}

absl::Status TreeScanner::ScanItem(const Item& item, Entry entry) {
  const struct stat& info = item.info;
  if (S_ISSOCK(info.st_mode)) {
    return absl::OkStatus();
  }
  if (S_ISCHR(info.st_mode) && info.st_rdev == 0) {
    entry.type = EntryType::kWhiteout;
    return builder_->Add(std::move(entry));
  }
  auto inode = std::make_pair(info.st_dev, info.st_ino);
  bool linked = S_ISREG(info.st_mode) && info.st_nlink > 1;
  if (auto leader = leaders_.find(inode); linked && leader != leaders_.end()) {
    Entry link = leader->second;
    link.hard_link = std::exchange(link.path, std::move(entry.path));
    return builder_->Add(std::move(link));
  }
  entry.mode = info.st_mode & 07777;
  entry.uid = info.st_uid;
  entry.gid = info.st_gid;
  entry.mtime_ns = TimeInNs(info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  if (S_ISREG(info.st_mode)) {
    entry.type = EntryType::kFile;
    entry.size = static_cast<uint64_t>(info.st_size);
    if (digest_) {
      RETURN_IF_ERROR(DigestFile(item, &entry));
    }
  } else if (S_ISDIR(info.st_mode)) {
    entry.type = EntryType::kDirectory;
    left_.push_back(entry.path);
  } else if (S_ISLNK(info.st_mode)) {
    RETURN_IF_ERROR(FillTarget(item, &entry));
  } else {
    entry.type = SpecialType(info.st_mode);
    entry.device = info.st_rdev;
  }
  RETURN_IF_ERROR(FillXattrs(item, &entry));
  if (linked) {
    leaders_.emplace(inode, entry);
  }
  return builder_->Add(std::move(entry));
}

}  // namespace

absl::Status ScanTree(const std::string& directory, LayerIndexBuilder* builder,
                      std::stop_token stop) {
  ASSIGN_OR_RETURN(UniqueFd root, OpenFile(directory, O_RDONLY | O_DIRECTORY));
  return TreeScanner(std::move(root), /*digest=*/true, builder, std::move(stop)).Run();
}

absl::Status ListTree(const std::string& directory, LayerIndexBuilder* builder,
                      std::stop_token stop) {
  ASSIGN_OR_RETURN(UniqueFd root, OpenFile(directory, O_RDONLY | O_DIRECTORY));
  return TreeScanner(std::move(root), /*digest=*/false, builder, std::move(stop)).Run();
}

}  // namespace zlayer
