#include "registry/layer/index.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <limits>

#include "base/crc32c.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/index_format.h"

namespace zlayer {
namespace {

using index_format::Header;
using index_format::Record;

// Bytes of an index, mapped or owned.
class IndexBytes {
 public:
  explicit IndexBytes(std::string owned) : owned_(std::move(owned)), view_(owned_) {}
  IndexBytes(void* mapping, size_t size)
      : mapping_(mapping), view_(static_cast<const char*>(mapping), size) {}
  ~IndexBytes() {
    if (mapping_ != nullptr) {
      munmap(mapping_, view_.size());
    }
  }
  IndexBytes(const IndexBytes&) = delete;
  IndexBytes& operator=(const IndexBytes&) = delete;

  std::string_view view() const { return view_; }

 private:
  std::string owned_;
  void* mapping_ = nullptr;
  std::string_view view_;
};

Header HeaderOf(std::string_view bytes) {
  Header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  return header;
}

Digest DigestOf(const char (&bytes)[32]) {
  return Digest::FromBytes({bytes, sizeof(bytes)}).value_or(Digest());
}

// The parts of an index whose header is right.
struct Sections {
  std::string_view table;
  std::string_view strings;

  size_t size() const { return table.size() / sizeof(Record); }
  Record At(size_t i) const {
    Record record;
    std::memcpy(&record, table.data() + i * sizeof(Record), sizeof(record));
    return record;
  }
  std::string_view PathAt(size_t i) const {
    const char* record = table.data() + i * sizeof(Record);
    uint32_t offset;
    uint16_t length;
    std::memcpy(&offset, record + offsetof(Record, path_offset), sizeof(offset));
    std::memcpy(&length, record + offsetof(Record, path_length), sizeof(length));
    return {strings.data() + offset, length};
  }
};

Sections SectionsOf(std::string_view bytes) {
  size_t table = HeaderOf(bytes).entries * sizeof(Record);
  return {bytes.substr(sizeof(Header), table), bytes.substr(sizeof(Header) + table)};
}

// Calls `visit(kind, name, value)` for each attribute; false where the encoding is broken.
template <typename Visit>
bool ForEachAttribute(std::string_view bytes, Visit visit) {
  while (!bytes.empty()) {
    if (bytes.size() < index_format::kAttributeHeader) {
      return false;
    }
    uint16_t name_length;
    uint32_t value_length;
    std::memcpy(&name_length, bytes.data() + 1, sizeof(name_length));
    std::memcpy(&value_length, bytes.data() + 3, sizeof(value_length));
    uint8_t kind = static_cast<uint8_t>(bytes[0]);
    bytes.remove_prefix(index_format::kAttributeHeader);
    if (bytes.size() < uint64_t{name_length} + value_length) {
      return false;
    }
    if (!visit(kind, bytes.substr(0, name_length), bytes.substr(name_length, value_length))) {
      return false;
    }
    bytes.remove_prefix(size_t{name_length} + value_length);
  }
  return true;
}

bool AttributesAreRight(std::string_view bytes) {
  uint8_t last_kind = 0;
  std::string_view last_name;
  return ForEachAttribute(bytes, [&](uint8_t kind, std::string_view name, std::string_view) {
    bool known = kind == index_format::kXattr || kind == index_format::kPax;
    bool ascending = kind > last_kind || (kind == last_kind && name > last_name);
    last_kind = kind;
    last_name = name;
    return known && ascending && !name.empty() && name.find('\0') == std::string_view::npos;
  });
}

// Checks the entries in one pass, in order.
class Checker {
 public:
  explicit Checker(const Sections& sections) : sections_(sections) {}

  // Null, or what is wrong.
  const char* Check(size_t i);
  uint64_t content_bytes() const { return content_bytes_; }

 private:
  bool InStrings(uint64_t offset, uint64_t length) const {
    return offset + length <= sections_.strings.size();
  }
  const char* CheckPath(size_t i, const Record& record);
  const char* CheckParent(size_t i, std::string_view path, EntryType type);
  const char* CheckFields(const Record& record) const;
  const char* CheckFile(size_t i, const Record& record);

  // An entry that the current one may be below.
  struct Ancestor {
    size_t length;
    EntryType type;
  };

  const Sections& sections_;
  std::string_view previous_;
  std::vector<Ancestor> ancestors_;
  uint64_t content_bytes_ = 0;
};

const char* Checker::Check(size_t i) {
  Record record = sections_.At(i);
  if (record.type > static_cast<uint8_t>(EntryType::kWhiteout)) {
    return "an unknown type";
  }
  if (const char* problem = CheckPath(i, record); problem != nullptr) {
    return problem;
  }
  if (const char* problem = CheckFields(record); problem != nullptr) {
    return problem;
  }
  return CheckFile(i, record);
}

const char* Checker::CheckPath(size_t i, const Record& record) {
  if (!InStrings(record.path_offset, record.path_length)) {
    return "a path outside the strings";
  }
  std::string_view path = sections_.strings.substr(record.path_offset, record.path_length);
  auto type = static_cast<EntryType>(record.type);
  size_t common = index_format::CommonPrefix(previous_, path);
  if (i > 0 && ComparePaths(previous_.substr(common), path.substr(common)) >= 0) {
    return "a path out of order";
  }
  if (path.empty()) {
    return type == EntryType::kDirectory ? nullptr : "a root that is not a directory";
  }
  // What is before the last '/' that both have was checked with the previous path.
  size_t slash = path.substr(0, common).rfind('/');
  size_t from = slash == std::string_view::npos ? 0 : slash + 1;
  if (index_format::PathProblem(path, from) != nullptr) {
    return "an impossible path";
  }
  const char* problem = CheckParent(common, path, type);
  previous_ = path;
  return problem;
}

const char* Checker::CheckParent(size_t common, std::string_view path, EntryType type) {
  size_t parent = ParentPath(path).size();
  while (!ancestors_.empty() && ancestors_.back().length > parent) {
    ancestors_.pop_back();
  }
  if (parent > 0) {
    // The ancestors are prefixes of the previous path; of this one, if they end where both agree.
    if (ancestors_.empty() || ancestors_.back().length != parent || common < parent) {
      return "a parent that is missing";
    }
    if (ancestors_.back().type != EntryType::kDirectory) {
      return "a parent that is not a directory";
    }
  }
  ancestors_.push_back({path.size(), type});
  return nullptr;
}

const char* Checker::CheckFields(const Record& record) const {
  auto type = static_cast<EntryType>(record.type);
  bool file = type == EntryType::kFile;
  bool device = type == EntryType::kCharacterDevice || type == EntryType::kBlockDevice;
  if (record.mode > 07777 || record.flags > 3 ||
      (record.flags != 0 && type != EntryType::kDirectory) ||
      (record.size != 0 && !file && !device) || (record.leader != 0 && !file) ||
      (record.size == 0 && type == EntryType::kCharacterDevice) ||
      (!file && !DigestOf(record.content).IsNone())) {
    return "fields that its type cannot have";
  }
  if (!InStrings(record.link_offset, record.link_length) ||
      !InStrings(record.attributes_offset, record.attributes_length)) {
    return "text outside the strings";
  }
  std::string_view target = sections_.strings.substr(record.link_offset, record.link_length);
  if (type == EntryType::kSymlink ? index_format::TargetProblem(target) != nullptr
                                  : !target.empty()) {
    return "an impossible symlink target";
  }
  if (!AttributesAreRight(
          sections_.strings.substr(record.attributes_offset, record.attributes_length))) {
    return "broken attributes";
  }
  if (type == EntryType::kWhiteout && (record.mode != 0 || record.uid != 0 || record.gid != 0 ||
                                       record.mtime_ns != 0 || record.attributes_length != 0)) {
    return "fields that its type cannot have";
  }
  return nullptr;
}

const char* Checker::CheckFile(size_t i, const Record& record) {
  if (static_cast<EntryType>(record.type) != EntryType::kFile) {
    return nullptr;
  }
  if (record.leader == 0) {
    bool overflow = __builtin_add_overflow(content_bytes_, record.size, &content_bytes_);
    return overflow || record.size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())
               ? "an impossible size"
               : nullptr;
  }
  if (record.leader > i) {
    return "a hard link of what follows it";
  }
  Record leader = sections_.At(record.leader - 1);
  bool equal = leader.mode == record.mode && leader.uid == record.uid && leader.gid == record.gid &&
               leader.mtime_ns == record.mtime_ns && leader.size == record.size &&
               std::memcmp(leader.content, record.content, sizeof(leader.content)) == 0 &&
               leader.attributes_offset == record.attributes_offset &&
               leader.attributes_length == record.attributes_length;
  bool is_leader = static_cast<EntryType>(leader.type) == EntryType::kFile && leader.leader == 0;
  return equal && is_leader ? nullptr : "a hard link of what is no equal file";
}

absl::Status CheckHeader(std::string_view bytes) {
  if (bytes.size() < sizeof(Header)) {
    return DataLoss(fmt::format("it has {} bytes, less than a header", bytes.size()));
  }
  Header header = HeaderOf(bytes);
  if (std::string_view(header.magic, sizeof(header.magic)) != index_format::kMagic) {
    return DataLoss("it does not begin as a layer index does");
  }
  if (header.version != index_format::kVersion) {
    return DataLoss(fmt::format("it has version {}, this program reads version {}", header.version,
                                index_format::kVersion));
  }
  size_t rest = bytes.size() - sizeof(Header);
  if (header.entries > rest / sizeof(Record) ||
      header.strings != rest - header.entries * sizeof(Record)) {
    return DataLoss("its length is not what its header says");
  }
  if (Crc32c(bytes.substr(index_format::kChecksummed)) != header.checksum) {
    return DataLoss("its checksum is wrong");
  }
  return absl::OkStatus();
}

absl::Status CheckAll(std::string_view bytes) {
  RETURN_IF_ERROR(CheckHeader(bytes));
  Sections sections = SectionsOf(bytes);
  Checker checker(sections);
  for (size_t i = 0; i < sections.size(); ++i) {
    if (const char* problem = checker.Check(i); problem != nullptr) {
      return DataLoss(fmt::format("entry {} has {}", i, problem));
    }
  }
  if (checker.content_bytes() != HeaderOf(bytes).content_bytes) {
    return DataLoss("the sum of its file sizes is not what its header says");
  }
  return absl::OkStatus();
}

class MappedLayerIndex final : public LayerIndex {
 public:
  MappedLayerIndex(std::unique_ptr<const IndexBytes> bytes, const Digest& id)
      : bytes_(std::move(bytes)),
        sections_(SectionsOf(bytes_->view())),
        id_(id.IsNone() ? Digest::Of(bytes_->view()) : id) {}

  const Digest& id() const override { return id_; }
  Digest ContentDigest() const override {
    return DigestOf(HeaderOf(bytes_->view()).content_digest);
  }
  size_t size() const override { return sections_.size(); }
  uint64_t content_bytes() const override { return HeaderOf(bytes_->view()).content_bytes; }
  std::string_view PathAt(size_t i) const override { return sections_.PathAt(i); }
  EntryType TypeAt(size_t i) const override {
    return static_cast<EntryType>(sections_.table[i * sizeof(Record) + offsetof(Record, type)]);
  }
  bool HidesAt(size_t i) const override {
    return TypeAt(i) != EntryType::kDirectory ||
           (sections_.table[i * sizeof(Record) + offsetof(Record, flags)] &
            index_format::kOpaque) != 0;
  }

  Entry At(size_t i) const override;
  size_t LowerBound(std::string_view path) const override;
  size_t SubtreeEnd(std::string_view path) const override;
  size_t Find(std::string_view path) const override;

 private:
  std::string_view Text(uint32_t offset, uint32_t length) const {
    return sections_.strings.substr(offset, length);
  }

  const std::unique_ptr<const IndexBytes> bytes_;
  const Sections sections_;
  const Digest id_;
};

Entry MappedLayerIndex::At(size_t i) const {
  Record record = sections_.At(i);
  Entry entry;
  entry.path = std::string(sections_.PathAt(i));
  entry.type = static_cast<EntryType>(record.type);
  entry.mode = record.mode;
  entry.uid = record.uid;
  entry.gid = record.gid;
  entry.mtime_ns = record.mtime_ns;
  if (entry.type == EntryType::kFile) {
    entry.size = record.size;
    entry.content = DigestOf(record.content);
  } else {
    entry.device = record.size;
  }
  entry.link_target = std::string(Text(record.link_offset, record.link_length));
  if (record.leader != 0) {
    entry.hard_link = std::string(sections_.PathAt(record.leader - 1));
  }
  entry.opaque = (record.flags & index_format::kOpaque) != 0;
  entry.implied_parent = (record.flags & index_format::kImpliedParent) != 0;
  ForEachAttribute(Text(record.attributes_offset, record.attributes_length),
                   [&entry](uint8_t kind, std::string_view name, std::string_view value) {
                     auto& attributes = kind == index_format::kXattr ? entry.xattrs : entry.pax;
                     attributes.emplace(name, value);
                     return true;
                   });
  return entry;
}

size_t MappedLayerIndex::LowerBound(std::string_view path) const {
  size_t low = 0;
  size_t high = size();
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (ComparePaths(PathAt(middle), path) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

size_t MappedLayerIndex::SubtreeEnd(std::string_view path) const {
  if (path.empty()) {
    return size();
  }
  size_t low = LowerBound(path);
  // Most subtrees are small: steps that double, then halve.
  size_t step = 1;
  while (low + step <= size() && IsAtOrBelow(PathAt(low + step - 1), path)) {
    low += step;
    step *= 2;
  }
  size_t high = std::min(low + step - 1, size());
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (IsAtOrBelow(PathAt(middle), path)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

size_t MappedLayerIndex::Find(std::string_view path) const {
  size_t i = LowerBound(path);
  return i < size() && PathAt(i) == path ? i : size();
}

absl::StatusOr<std::shared_ptr<const LayerIndex>> Checked(std::unique_ptr<const IndexBytes> bytes,
                                                          const Digest& id) {
  RETURN_IF_ERROR(CheckAll(bytes->view()));
  return std::make_shared<const MappedLayerIndex>(std::move(bytes), id);
}

absl::StatusOr<std::unique_ptr<const IndexBytes>> Map(const std::string& file) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(file, O_RDONLY));
  struct stat info;
  if (fstat(fd.get(), &info) != 0) {
    return ErrnoError(fmt::format("reading {}", file));
  }
  if (info.st_size == 0) {
    return std::make_unique<const IndexBytes>(std::string());
  }
  auto size = static_cast<size_t>(info.st_size);
  void* mapping = mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
  if (mapping == MAP_FAILED) {
    return ErrnoError(fmt::format("mapping {}", file));
  }
  return std::make_unique<const IndexBytes>(mapping, size);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LayerIndex>> LayerIndex::Open(const std::string& file,
                                                                   const Digest& id) {
  ASSIGN_OR_RETURN(std::unique_ptr<const IndexBytes> bytes, Map(file));
  auto index = Checked(std::move(bytes), id);
  if (!index.ok()) {
    return Annotate(index.status(), fmt::format("layer index {} is damaged", ToUtf8(file)));
  }
  return index;
}

absl::StatusOr<std::shared_ptr<const LayerIndex>> LayerIndex::FromBytes(std::string bytes) {
  auto index = Checked(std::make_unique<const IndexBytes>(std::move(bytes)), Digest());
  return index.ok() ? index : Annotate(index.status(), "a layer index is damaged");
}

}  // namespace zlayer
