#include "registry/layer/index_writer.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>
#include <utility>

#include "base/crc32c.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/index_format.h"

namespace zlayer {
namespace {

using index_format::Header;
using index_format::Record;

// So many bytes of records are digested at once.
constexpr size_t kDigested = size_t{16} << 10;

absl::Status PathError(std::string_view path, std::string_view problem) {
  return InvalidArgument(fmt::format("path '{}' {}", ToUtf8(path), problem));
}

bool IsDevice(EntryType type) {
  return type == EntryType::kCharacterDevice || type == EntryType::kBlockDevice;
}

// Resets what the type has no use for.
void Reset(Entry* entry) {
  if (entry->type == EntryType::kWhiteout) {
    *entry = Entry{.path = std::move(entry->path), .type = EntryType::kWhiteout};
    return;
  }
  entry->mode &= 07777;
  if (entry->type != EntryType::kFile) {
    entry->size = 0;
    entry->content = Digest();
    entry->hard_link.clear();
  }
  if (entry->type != EntryType::kSymlink) {
    entry->link_target.clear();
  }
  if (!IsDevice(entry->type)) {
    entry->device = 0;
  }
  if (entry->type != EntryType::kDirectory) {
    entry->opaque = entry->implied_parent = false;
  }
  std::erase_if(entry->xattrs, [](const auto& xattr) { return !KeepsXattr(xattr.first); });
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

std::string_view BytesOf(const Record& record) {
  return {reinterpret_cast<const char*>(&record), sizeof(record)};
}

}  // namespace

absl::Status NormalizeEntry(Entry* entry) {
  Reset(entry);
  const char* problem = EntryProblem(*entry);
  return problem == nullptr ? absl::OkStatus() : PathError(entry->path, problem);
}

LayerIndexWriter::LayerIndexWriter() : bytes_(sizeof(Header), '\0') {}

Record LayerIndexWriter::RecordAt(uint32_t position) const {
  Record record;
  std::memcpy(&record, bytes_.data() + sizeof(Header) + position * sizeof(Record), sizeof(record));
  return record;
}

std::optional<uint32_t> LayerIndexWriter::Find(std::string_view path) const {
  const auto path_at = [this](uint32_t position) {
    const Record record = RecordAt(position);
    return std::string_view(strings_).substr(record.path_offset, record.path_length);
  };
  uint32_t low = 0;
  for (uint32_t high = count_; low < high;) {
    const uint32_t middle = low + (high - low) / 2;
    if (ComparePaths(path_at(middle), path) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < count_ && path_at(low) == path ? std::optional(low) : std::nullopt;
}

uint32_t LayerIndexWriter::PutString(std::string_view text) {
  auto offset = static_cast<uint32_t>(strings_.size());
  strings_ += text;
  return offset;
}

void LayerIndexWriter::PutAttributes(uint8_t kind,
                                     const std::map<std::string, std::string>& attributes) {
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

absl::StatusOr<Record> LayerIndexWriter::Describe(const Entry& entry) {
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
  if (!entry.hard_link.empty()) {
    const std::optional<uint32_t> leader = Find(entry.hard_link);
    if (!leader.has_value()) {
      return PathError(entry.path, "is a hard link of what does not stand before it");
    }
    const Record described = RecordAt(*leader);
    record.leader = *leader + 1;
    record.attributes_offset = described.attributes_offset;
    record.attributes_length = described.attributes_length;
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

absl::Status LayerIndexWriter::Append(const Entry& entry) {
  ASSIGN_OR_RETURN(Record record, Describe(entry));
  if (strings_.size() > std::numeric_limits<uint32_t>::max() ||
      count_ >= std::numeric_limits<uint32_t>::max() - 1) {
    return ResourceExhausted("the paths and attributes of a layer exceed 4 GiB; make it smaller");
  }
  if (entry.type == EntryType::kFile && entry.hard_link.empty() &&
      __builtin_add_overflow(content_bytes_, entry.size, &content_bytes_)) {
    return ResourceExhausted("the file sizes of a layer exceed 16 EiB in all; make it smaller");
  }
  ++count_;
  bytes_ += BytesOf(record);
  record.mtime_ns = 0;
  untimed_ += BytesOf(record);
  if (untimed_.size() >= kDigested) {
    content_digest_.Update(untimed_);
    untimed_.clear();
  }
  return absl::OkStatus();
}

std::string LayerIndexWriter::Finish() {
  content_digest_.Update(untimed_);
  content_digest_.Update(strings_);
  Header header{};
  std::memcpy(header.magic, index_format::kMagic.data(), sizeof(header.magic));
  header.version = index_format::kVersion;
  header.entries = count_;
  header.strings = strings_.size();
  header.content_bytes = content_bytes_;
  Digest digest = content_digest_.Finish();
  std::memcpy(header.content_digest, digest.Bytes().data(), sizeof(header.content_digest));
  bytes_ += strings_;
  std::memcpy(bytes_.data(), &header, sizeof(header));
  uint32_t checksum = Crc32c(std::string_view(bytes_).substr(index_format::kChecksummed));
  std::memcpy(bytes_.data() + offsetof(Header, checksum), &checksum, sizeof(checksum));
  return std::move(bytes_);
}

}  // namespace zlayer
