#include "daemon/service/context_entries.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "proto/error_detail.h"
#include "registry/layer/index_writer.h"

namespace zlayer {
namespace {

constexpr uint32_t kModeBits = 07777;
// build.proto says the same in brackets.
constexpr size_t kMaxPath = 4096;
constexpr int kMaxXattrs = 100;
constexpr size_t kMaxXattrName = 255;
constexpr size_t kMaxXattrValue = size_t{64} << 10;

// Names are the same numbers in both.
static_assert(static_cast<int>(EntryType::kFile) == v1::ContextEntry::FILE);
static_assert(static_cast<int>(EntryType::kDirectory) == v1::ContextEntry::DIRECTORY);
static_assert(static_cast<int>(EntryType::kSymlink) == v1::ContextEntry::SYMLINK);
static_assert(static_cast<int>(EntryType::kFifo) == v1::ContextEntry::FIFO);
static_assert(static_cast<int>(EntryType::kCharacterDevice) == v1::ContextEntry::CHARACTER_DEVICE);
static_assert(static_cast<int>(EntryType::kBlockDevice) == v1::ContextEntry::BLOCK_DEVICE);

absl::Status Wrong(std::string_view path, std::string_view message) {
  return InvalidArgument(fmt::format("entry {} of the build context {}", ToUtf8(path), message));
}

uint64_t MetadataBytes(const v1::ContextEntry& entry) {
  uint64_t bytes = entry.path().size() + entry.link_target().size();
  for (const v1::ExtendedAttribute& xattr : entry.xattrs()) {
    bytes += xattr.name().size() + xattr.value().size();
  }
  return bytes;
}

absl::Status CheckEscape(const v1::ContextEntry& entry) {
  for (const std::string_view component : Split(entry.path(), '/')) {
    if (component == "..") {
      v1::ErrorDetail detail;
      detail.set_reason("PATH_ESCAPE");
      detail.set_subject(entry.path());
      return WithDetail(Wrong(entry.path(), "leads out of the build context"), detail);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSizes(const v1::ContextEntry& entry) {
  if (entry.path().size() > kMaxPath) {
    return Wrong(entry.path().substr(0, 100), fmt::format("has a path of {} bytes; {} are the most",
                                                          entry.path().size(), kMaxPath));
  }
  if (entry.link_target().size() > kMaxPath) {
    return Wrong(entry.path(), fmt::format("has a link_target of {} bytes; {} are the most",
                                           entry.link_target().size(), kMaxPath));
  }
  if (entry.xattrs_size() > kMaxXattrs) {
    return Wrong(entry.path(),
                 fmt::format("has {} xattrs; {} are the most", entry.xattrs_size(), kMaxXattrs));
  }
  for (const v1::ExtendedAttribute& xattr : entry.xattrs()) {
    if (xattr.name().size() > kMaxXattrName || xattr.value().size() > kMaxXattrValue) {
      return Wrong(entry.path(), fmt::format("has an xattr with a name above {} bytes or a value "
                                             "above {}",
                                             kMaxXattrName, kMaxXattrValue));
    }
  }
  return absl::OkStatus();
}

// A context's owners count as root: who sends it has no say in who owns files of an image.
absl::Status SetEntry(const v1::ContextEntry& from, Entry* to) {
  if (!v1::ContextEntry::Type_IsValid(from.type())) {
    return Wrong(from.path(), "has no known type");
  }
  if ((from.mode() & ~kModeBits) != 0) {
    return Wrong(from.path(), fmt::format("has mode {:o}, more than permission bits", from.mode()));
  }
  to->path = from.path();
  to->type = static_cast<EntryType>(from.type());
  to->mode = from.mode();
  to->mtime_ns = from.mtime_ns();
  to->link_target = from.link_target();
  to->device = from.device();
  for (const v1::ExtendedAttribute& xattr : from.xattrs()) {
    to->xattrs[xattr.name()] = xattr.value();
  }
  if (to->type == EntryType::kFile) {
    to->size = from.size();
    if (!from.sha256().empty()) {
      absl::StatusOr<Digest> digest = Digest::FromBytes(from.sha256());
      if (!digest.ok()) {
        return Wrong(from.path(), "has a SHA-256 that is not 32 bytes long");
      }
      to->content = *digest;
    }
  }
  return NormalizeEntry(to);
}

}  // namespace

absl::Status ContextEntries::CheckPlace(std::string_view path) {
  if (path.empty()) {
    return Wrong(path, "has no path");
  }
  if (!items_.empty() && ComparePaths(items_.back().entry.path, path) >= 0) {
    return Wrong(path, fmt::format("comes after {}: entries must be sorted, with \"/\" lowest, and "
                                   "be there once",
                                   ToUtf8(items_.back().entry.path)));
  }
  while (!open_.empty() && !IsAtOrBelow(path, open_.back())) {
    open_.pop_back();
  }
  std::string_view parent = open_.empty() ? std::string_view() : std::string_view(open_.back());
  if (ParentPath(path) != parent) {
    return Wrong(path, "has no parent directory before it");
  }
  return absl::OkStatus();
}

absl::Status ContextTooLarge(std::string_view message) {
  v1::ErrorDetail detail;
  detail.set_reason("CONTEXT_TOO_LARGE");
  return WithDetail(ResourceExhausted(message), detail);
}

absl::Status ContextEntries::Add(const v1::ContextEntry& entry) {
  metadata_bytes_ += MetadataBytes(entry);
  if (items_.size() >= limits_.entries || metadata_bytes_ > limits_.metadata_bytes) {
    return ContextTooLarge(fmt::format(
        "the build context has more than {} entries or {} MiB of names; leave out what the build "
        "does not need with .dockerignore",
        limits_.entries, limits_.metadata_bytes >> 20));
  }
  RETURN_IF_ERROR(CheckSizes(entry));
  RETURN_IF_ERROR(CheckEscape(entry));
  Item item;
  RETURN_IF_ERROR(SetEntry(entry, &item.entry));
  RETURN_IF_ERROR(CheckPlace(item.entry.path));
  if (item.entry.type == EntryType::kDirectory) {
    open_.push_back(item.entry.path);
  }
  if (item.entry.type == EntryType::kFile) {
    item.group = entry.hard_link_group();
  }
  item.leader = items_.size();
  items_.push_back(std::move(item));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const LayerIndex>> ContextEntries::Index() {
  LayerIndexWriter writer;
  for (const Item& item : items_) {
    RETURN_IF_ERROR(writer.Append(item.entry));
  }
  indexed_ = writer.Finish();
  return LayerIndex::FromBytes(indexed_);
}

void ContextEntries::Select(const std::vector<bool>* selected) {
  std::unordered_map<uint64_t, size_t> first;
  for (size_t i = 0; i < items_.size(); ++i) {
    items_[i].selected = selected == nullptr || (i < selected->size() && (*selected)[i]);
    if (items_[i].selected && items_[i].group != 0) {
      items_[i].leader = first.emplace(items_[i].group, i).first->second;
    }
    if (!items_[i].selected || items_[i].leader != i) {
      indexed_.clear();
    }
  }
}

std::vector<uint64_t> ContextEntries::Files() const {
  std::vector<uint64_t> files;
  for (size_t i = 0; i < items_.size(); ++i) {
    if (items_[i].selected && items_[i].leader == i && items_[i].entry.type == EntryType::kFile) {
      files.push_back(i);
    }
  }
  return files;
}

absl::StatusOr<std::string> ContextEntries::Serialize() const {
  if (!indexed_.empty()) {
    return indexed_;
  }
  LayerIndexWriter writer;
  for (const Item& item : items_) {
    if (!item.selected) {
      continue;
    }
    const Item& leader = items_[item.leader];
    if (&item == &leader) {
      RETURN_IF_ERROR(writer.Append(item.entry));
      continue;
    }
    Entry link = leader.entry;
    link.hard_link = std::exchange(link.path, item.entry.path);
    RETURN_IF_ERROR(writer.Append(link));
  }
  return writer.Finish();
}

}  // namespace zlayer
