#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <optional>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/beneath.h"
#include "registry/layer/tree.h"

namespace zlayer {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

absl::Status WriteError(const Entry& entry) {
  return ErrnoError(fmt::format("writing '{}' of a layer's tree", ToUtf8(entry.path)));
}

timespec TimeOf(int64_t ns) {
  int64_t fraction = (ns % kSecond + kSecond) % kSecond;
  return {(ns - fraction) / kSecond, fraction};
}

class TreeWriter {
 public:
  TreeWriter(UniqueFd root, const LayerIndex& layer, const ContentOpener& open,
             std::stop_token stop)
      : root_(std::move(root)), layer_(layer), open_(open), stop_(std::move(stop)) {}

  absl::Status Run();

 private:
  // Where an entry is made: its parent, open, and its name there.
  struct Place {
    int parent;
    std::string name;
  };

  absl::StatusOr<Place> PlaceOf(const Entry& entry);
  absl::Status Write(const Entry& entry);
  absl::Status WriteFile(const Place& place, const Entry& entry);
  absl::Status WriteLink(const Place& place, const Entry& entry);
  absl::Status WriteNode(const Place& place, const Entry& entry);
  absl::Status SetMetadata(const Place& place, const Entry& entry);
  absl::Status SetXattrs(const Place& place, const Entry& entry);
  absl::Status FinishDirectories();
  absl::Status FinishRoot();

  const UniqueFd root_;
  const LayerIndex& layer_;
  const ContentOpener& open_;
  const std::stop_token stop_;
  // The directory of the last entry: the next one is mostly in the same.
  std::optional<std::string> parent_path_;
  UniqueFd parent_;
};

absl::StatusOr<TreeWriter::Place> TreeWriter::PlaceOf(const Entry& entry) {
  std::string parent(ParentPath(entry.path));
  if (parent_path_ != parent) {
    parent_path_.reset();
    ASSIGN_OR_RETURN(parent_, OpenBeneath(root_.get(), parent, O_RDONLY | O_DIRECTORY));
    parent_path_ = parent;
  }
  return Place{parent_.get(), std::string(BaseName(entry.path))};
}

absl::Status TreeWriter::Run() {
  for (size_t i = 0; i < layer_.size(); ++i) {
    if (stop_.stop_requested()) {
      return Cancelled("writing a layer's tree was stopped");
    }
    if (!layer_.PathAt(i).empty()) {
      RETURN_IF_ERROR(Write(layer_.At(i)));
    }
  }
  RETURN_IF_ERROR(FinishDirectories());
  return FinishRoot();
}

absl::Status TreeWriter::Write(const Entry& entry) {
  ASSIGN_OR_RETURN(Place place, PlaceOf(entry));
  switch (entry.type) {
    case EntryType::kFile:
      return entry.hard_link.empty() ? WriteFile(place, entry) : WriteLink(place, entry);
    case EntryType::kDirectory:
      return mkdirat(place.parent, place.name.c_str(), 0700) == 0 ? absl::OkStatus()
                                                                  : WriteError(entry);
    case EntryType::kWhiteout:
      return mknodat(place.parent, place.name.c_str(), S_IFCHR, 0) == 0 ? absl::OkStatus()
                                                                        : WriteError(entry);
    case EntryType::kSymlink:
      if (symlinkat(entry.link_target.c_str(), place.parent, place.name.c_str()) != 0) {
        return WriteError(entry);
      }
      return SetMetadata(place, entry);
    default:
      return WriteNode(place, entry);
  }
}

absl::Status TreeWriter::WriteFile(const Place& place, const Entry& entry) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenFileAt(place.parent, place.name,
                                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  if (entry.size > 0) {
    ASSIGN_OR_RETURN(ContentFile content, open_(entry));
    const Digest expected = content.verified ? Digest() : entry.content;
    absl::Status written = ReadContent(content, expected, [&](std::string_view piece) {
      return stop_.stop_requested() ? Cancelled("writing a layer's tree was stopped")
                                    : WriteFully(fd.get(), piece);
    });
    if (!written.ok()) {
      return Annotate(written, fmt::format("writing '{}' of a layer's tree", ToUtf8(entry.path)));
    }
  }
  return SetMetadata(place, entry);
}

absl::Status TreeWriter::WriteLink(const Place& place, const Entry& entry) {
  Entry leader;
  leader.path = entry.hard_link;
  ASSIGN_OR_RETURN(UniqueFd parent, OpenBeneath(root_.get(), std::string(ParentPath(leader.path)),
                                                O_PATH | O_DIRECTORY));
  std::string name(BaseName(leader.path));
  return linkat(parent.get(), name.c_str(), place.parent, place.name.c_str(), 0) == 0
             ? absl::OkStatus()
             : WriteError(entry);
}

absl::Status TreeWriter::WriteNode(const Place& place, const Entry& entry) {
  mode_t kind = entry.type == EntryType::kFifo          ? S_IFIFO
                : entry.type == EntryType::kBlockDevice ? S_IFBLK
                                                        : S_IFCHR;
  if (mknodat(place.parent, place.name.c_str(), kind | 0600, entry.device) != 0) {
    return WriteError(entry);
  }
  return SetMetadata(place, entry);
}

// Owner, then mode and xattrs: a change of the owner clears setuid and file capabilities.
absl::Status TreeWriter::SetMetadata(const Place& place, const Entry& entry) {
  const char* name = place.name.c_str();
  if (fchownat(place.parent, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return WriteError(entry);
  }
  if (entry.type != EntryType::kSymlink && fchmodat(place.parent, name, entry.mode, 0) != 0) {
    return WriteError(entry);
  }
  RETURN_IF_ERROR(SetXattrs(place, entry));
  timespec times[2] = {TimeOf(entry.mtime_ns), TimeOf(entry.mtime_ns)};
  if (utimensat(place.parent, name, times, AT_SYMLINK_NOFOLLOW) != 0) {
    return WriteError(entry);
  }
  return absl::OkStatus();
}

absl::Status TreeWriter::SetXattrs(const Place& place, const Entry& entry) {
  if (entry.xattrs.empty() && !entry.opaque) {
    return absl::OkStatus();
  }
  std::string path = fmt::format("/proc/self/fd/{}/{}", place.parent, place.name);
  for (const auto& [name, value] : entry.xattrs) {
    if (lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) != 0) {
      return Annotate(WriteError(entry), fmt::format("setting the xattr {}", ToUtf8(name)));
    }
  }
  if (entry.opaque && lsetxattr(path.c_str(), "trusted.overlay.opaque", "y", 1, 0) != 0) {
    return Annotate(WriteError(entry), "marking an opaque directory");
  }
  return absl::OkStatus();
}

// In reverse, so that nothing changes a directory any more once it has its times.
absl::Status TreeWriter::FinishDirectories() {
  for (size_t i = layer_.size(); i-- > 0;) {
    if (layer_.TypeAt(i) != EntryType::kDirectory || layer_.PathAt(i).empty()) {
      continue;
    }
    Entry entry = layer_.At(i);
    ASSIGN_OR_RETURN(Place place, PlaceOf(entry));
    RETURN_IF_ERROR(SetMetadata(place, entry));
  }
  return absl::OkStatus();
}

absl::Status TreeWriter::FinishRoot() {
  size_t i = layer_.Find("");
  if (i == layer_.size()) {
    return fchmod(root_.get(), 0755) == 0 ? absl::OkStatus() : WriteError(Entry());
  }
  return SetMetadata(Place{root_.get(), "."}, layer_.At(i));
}

}  // namespace

absl::Status WriteTree(const LayerIndex& layer, const ContentOpener& open,
                       const std::string& directory, std::stop_token stop) {
  ASSIGN_OR_RETURN(UniqueFd root, OpenFile(directory, O_RDONLY | O_DIRECTORY));
  return TreeWriter(std::move(root), layer, open, std::move(stop)).Run();
}

}  // namespace zlayer
