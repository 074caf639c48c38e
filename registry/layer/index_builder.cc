#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "base/crc32c.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/index.h"
#include "registry/layer/index_format.h"

namespace zlayer {
namespace {

using index_format::Header;
using index_format::Record;

absl::Status PathError(std::string_view path, std::string_view problem) {
  return InvalidArgument(fmt::format("path '{}' {}", ToUtf8(path), problem));
}

bool IsDevice(EntryType type) {
  return type == EntryType::kCharacterDevice || type == EntryType::kBlockDevice;
}

// Resets what the type has no use for.
Entry Normalized(Entry entry) {
  if (entry.type == EntryType::kWhiteout) {
    Entry whiteout;
    whiteout.path = std::move(entry.path);
    whiteout.type = EntryType::kWhiteout;
    return whiteout;
  }
  entry.mode &= 07777;
  if (entry.type != EntryType::kFile) {
    entry.size = 0;
    entry.content = Digest();
    entry.hard_link.clear();
  }
  if (entry.type != EntryType::kSymlink) {
    entry.link_target.clear();
  }
  if (!IsDevice(entry.type)) {
    entry.device = 0;
  }
  if (entry.type != EntryType::kDirectory) {
    entry.opaque = entry.implied_parent = false;
  }
  std::erase_if(entry.xattrs, [](const auto& xattr) { return !KeepsXattr(xattr.first); });
  return entry;
}

const char* AttributesProblem(const std::map<std::string, std::string>& attributes) {
  for (const auto& [name, value] : attributes) {
    if (name.empty() || name.size() > std::numeric_limits<uint16_t>::max() ||
        name.find('\0') != std::string::npos || value.size() > (size_t{1} << 20)) {
      return "has an xattr or PAX record with an impossible name or more than 1 MiB";
    }
  }
  return nullptr;
}

const char* EntryProblem(const Entry& entry) {
  if (const char* problem = index_format::PathProblem(entry.path); problem != nullptr) {
    return problem;
  }
  if (entry.type > EntryType::kWhiteout) {
    return "has an unknown type";
  }
  if (entry.path.empty() && entry.type != EntryType::kDirectory) {
    return "is the root and not a directory";
  }
  if (entry.type == EntryType::kCharacterDevice && entry.device == 0) {
    return "is a character device 0:0, which would be a removal in a layer";
  }
  if (entry.size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return "has an impossible size";
  }
  if (entry.type == EntryType::kSymlink) {
    if (const char* problem = index_format::TargetProblem(entry.link_target); problem != nullptr) {
      return problem;
    }
  }
  const char* problem = AttributesProblem(entry.xattrs);
  return problem != nullptr ? problem : AttributesProblem(entry.pax);
}

void CopyMetadata(const Entry& from, Entry* to) {
  std::string path = std::move(to->path);
  std::string leader = std::move(to->hard_link);
  *to = from;
  to->path = std::move(path);
  to->hard_link = std::move(leader);
}

// Builds table and strings.
class Serializer {
 public:
  absl::Status Append(const Entry& entry);
  std::string Finish();

 private:
  struct Written {
    uint32_t position;
    Record record;
  };

  uint32_t PutString(std::string_view text);
  void PutAttributes(uint8_t kind, const std::map<std::string, std::string>& attributes);
  Record Describe(const Entry& entry);

  std::string table_;
  std::string strings_;
  Sha256 content_digest_;
  uint64_t count_ = 0;
  uint64_t content_bytes_ = 0;
  std::unordered_map<std::string_view, Written> files_;  // leaders only; keys are the builder's
};

uint32_t Serializer::PutString(std::string_view text) {
  auto offset = static_cast<uint32_t>(strings_.size());
  strings_ += text;
  return offset;
}

void Serializer::PutAttributes(uint8_t kind, const std::map<std::string, std::string>& attributes) {
  for (const auto& [name, value] : attributes) {
    char header[index_format::kAttributeHeader];
    auto name_length = static_cast<uint16_t>(name.size());
    auto value_length = static_cast<uint32_t>(value.size());
    header[0] = static_cast<char>(kind);
    std::memcpy(header + 1, &name_length, sizeof(name_length));
    std::memcpy(header + 3, &value_length, sizeof(value_length));
    strings_.append(header, sizeof(header));
    strings_ += name;
    strings_ += value;
  }
}

Record Serializer::Describe(const Entry& entry) {
  Record record{};
  record.path_offset = PutString(entry.path);
  record.path_length = static_cast<uint16_t>(entry.path.size());
  record.type = static_cast<uint8_t>(entry.type);
  record.flags = (entry.opaque ? index_format::kOpaque : 0) |
                 (entry.implied_parent ? index_format::kImpliedParent : 0);
  record.mode = entry.mode;
  record.uid = entry.uid;
  record.gid = entry.gid;
  record.mtime_ns = entry.mtime_ns;
  record.size = IsDevice(entry.type) ? entry.device : entry.size;
  std::memcpy(record.content, entry.content.Bytes().data(), sizeof(record.content));
  if (!entry.link_target.empty()) {
    record.link_offset = PutString(entry.link_target);
    record.link_length = static_cast<uint32_t>(entry.link_target.size());
  }
  if (auto leader = files_.find(entry.hard_link); !entry.hard_link.empty()) {
    record.leader = leader->second.position + 1;
    record.attributes_offset = leader->second.record.attributes_offset;
    record.attributes_length = leader->second.record.attributes_length;
    return record;
  }
  if (!entry.xattrs.empty() || !entry.pax.empty()) {
    record.attributes_offset = static_cast<uint32_t>(strings_.size());
    PutAttributes(index_format::kXattr, entry.xattrs);
    PutAttributes(index_format::kPax, entry.pax);
    record.attributes_length = static_cast<uint32_t>(strings_.size() - record.attributes_offset);
  }
  return record;
}

absl::Status Serializer::Append(const Entry& entry) {
  Record record = Describe(entry);
  if (strings_.size() > std::numeric_limits<uint32_t>::max() ||
      count_ >= std::numeric_limits<uint32_t>::max() - 1) {
    return ResourceExhausted("the paths and attributes of a layer exceed 4 GiB; make it smaller");
  }
  if (entry.type == EntryType::kFile && entry.hard_link.empty()) {
    if (__builtin_add_overflow(content_bytes_, entry.size, &content_bytes_)) {
      return ResourceExhausted("the file sizes of a layer exceed 16 EiB in all; make it smaller");
    }
    files_.emplace(entry.path, Written{static_cast<uint32_t>(count_), record});
  }
  ++count_;
  table_.append(reinterpret_cast<const char*>(&record), sizeof(record));
  record.mtime_ns = 0;
  content_digest_.Update({reinterpret_cast<const char*>(&record), sizeof(record)});
  return absl::OkStatus();
}

std::string Serializer::Finish() {
  content_digest_.Update(strings_);
  Header header{};
  std::memcpy(header.magic, index_format::kMagic.data(), sizeof(header.magic));
  header.version = index_format::kVersion;
  header.entries = count_;
  header.strings = strings_.size();
  header.content_bytes = content_bytes_;
  Digest digest = content_digest_.Finish();
  std::memcpy(header.content_digest, digest.Bytes().data(), sizeof(header.content_digest));
  std::string bytes;
  bytes.reserve(sizeof(header) + table_.size() + strings_.size());
  bytes.append(reinterpret_cast<const char*>(&header), sizeof(header));
  bytes += table_;
  bytes += strings_;
  uint32_t checksum = Crc32c(std::string_view(bytes).substr(index_format::kChecksummed));
  std::memcpy(bytes.data() + offsetof(Header, checksum), &checksum, sizeof(checksum));
  return bytes;
}

}  // namespace

absl::Status LayerIndexBuilder::Add(Entry entry) {
  entry = Normalized(std::move(entry));
  if (const char* problem = EntryProblem(entry); problem != nullptr) {
    return PathError(entry.path, problem);
  }
  // Entries mostly come in order, so the end is looked at first.
  const bool is_last = entries_.empty() || ComparePaths(entries_.rbegin()->first, entry.path) < 0;
  auto found = is_last ? entries_.end() : entries_.find(entry.path);
  if (found == entries_.end()) {
    std::string path = entry.path;
    entries_.emplace_hint(entries_.end(), std::move(path), std::move(entry));
    return absl::OkStatus();
  }
  bool loses_children =
      found->second.type == EntryType::kDirectory && entry.type != EntryType::kDirectory;
  if (loses_children) {
    std::string path = entry.path;
    RemoveSubtree(path);
    entries_.emplace(std::move(path), std::move(entry));
  } else {
    found->second = std::move(entry);
  }
  return absl::OkStatus();
}

const Entry* LayerIndexBuilder::Find(std::string_view path) const {
  auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : &found->second;
}

void LayerIndexBuilder::RemoveSubtree(std::string_view path) {
  auto first = entries_.lower_bound(path);
  auto last = first;
  while (last != entries_.end() && IsAtOrBelow(last->first, path)) {
    ++last;
  }
  entries_.erase(first, last);
}

absl::Status LayerIndexBuilder::CheckParents() const {
  std::vector<const Entry*> ancestors;
  for (const auto& [path, entry] : entries_) {
    if (path.empty()) {
      continue;
    }
    std::string_view parent = ParentPath(path);
    while (!ancestors.empty() && !IsAtOrBelow(path, ancestors.back()->path)) {
      ancestors.pop_back();
    }
    std::string_view present = ancestors.empty() ? std::string_view() : ancestors.back()->path;
    if (present != parent) {
      return PathError(path, "has a parent that is missing");
    }
    if (!ancestors.empty() && ancestors.back()->type != EntryType::kDirectory) {
      return PathError(path, "has a parent that is not a directory");
    }
    ancestors.push_back(&entry);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> LayerIndexBuilder::LeaderOf(const Entry& link) const {
  const Entry* leader = &link;
  for (size_t steps = 0; !leader->hard_link.empty(); ++steps) {
    const Entry* next = Find(leader->hard_link);
    if (next == nullptr || next->type != EntryType::kFile || steps > entries_.size()) {
      return PathError(link.path, fmt::format("is a hard link of '{}', which is not a file here",
                                              ToUtf8(link.hard_link)));
    }
    leader = next;
  }
  return leader->path;
}

absl::Status LayerIndexBuilder::OrderLinks() {
  std::map<std::string, std::vector<Entry*>> groups;
  for (auto& [path, entry] : entries_) {
    if (entry.hard_link.empty()) {
      continue;
    }
    ASSIGN_OR_RETURN(std::string leader, LeaderOf(entry));
    groups[leader].push_back(&entry);
  }
  for (auto& [path, links] : groups) {
    Entry* leader = &entries_.find(path)->second;
    Entry* first = ComparePaths(links[0]->path, path) < 0 ? links[0] : leader;
    for (Entry* link : links) {
      CopyMetadata(*leader, link);
      link->hard_link = first->path;
    }
    leader->hard_link = first->path;
    first->hard_link.clear();
  }
  return absl::OkStatus();
}

absl::Status LayerIndexBuilder::SetContents(
    const std::function<absl::StatusOr<Digest>(const Entry&)>& digest) {
  RETURN_IF_ERROR(CheckParents());
  RETURN_IF_ERROR(OrderLinks());
  for (auto& [path, entry] : entries_) {
    ASSIGN_OR_RETURN(Digest found, digest(entry));
    if (entry.type == EntryType::kFile && entry.hard_link.empty()) {
      entry.content = found;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> LayerIndexBuilder::Serialize() {
  RETURN_IF_ERROR(CheckParents());
  RETURN_IF_ERROR(OrderLinks());
  Serializer serializer;
  for (const auto& item : entries_) {
    RETURN_IF_ERROR(serializer.Append(item.second));
  }
  return serializer.Finish();
}

}  // namespace zlayer
