#include "client/lib/digest_cache.h"

#include <endian.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <string_view>
#include <utility>

#include "base/crc32c.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr size_t kHead = 16;
constexpr size_t kRecord = 80;
constexpr size_t kSummed = 72;
constexpr size_t kMaxFile = kHead + DigestCache::kMaxRecords * kRecord;
// Coarser than the times of any file system in use, and than clocks of one that is on a server.
constexpr int64_t kSettleNs = 2'000'000'000;

void AppendLe64(std::string& out, uint64_t value) {
  uint64_t raw = htole64(value);
  out.append(reinterpret_cast<const char*>(&raw), sizeof raw);
}

uint64_t ReadLe64(std::string_view bytes, size_t offset) {
  uint64_t raw;
  std::memcpy(&raw, bytes.data() + offset, sizeof raw);
  return le64toh(raw);
}

std::string Head() {
  std::string head = "ZLDIGEST";
  AppendLe64(head, 1);
  return head;
}

void AppendRecord(std::string& out, const FileIdentity& identity, const Digest& digest) {
  size_t start = out.size();
  AppendLe64(out, identity.device);
  AppendLe64(out, identity.inode);
  AppendLe64(out, identity.size);
  AppendLe64(out, static_cast<uint64_t>(identity.mtime_ns));
  AppendLe64(out, static_cast<uint64_t>(identity.ctime_ns));
  out.append(digest.Bytes());
  AppendLe64(out, Crc32c(std::string_view(out).substr(start)));
}

std::string_view Record(std::string_view content, size_t index) {
  return content.substr(kHead + index * kRecord, kRecord);
}

std::pair<uint64_t, uint64_t> KeyOf(std::string_view record) {
  return {ReadLe64(record, 0), ReadLe64(record, 8)};
}

bool IsIntact(std::string_view record) {
  return ReadLe64(record, kSummed) == Crc32c(record.substr(0, kSummed));
}

FileIdentity IdentityOf(std::string_view record) {
  FileIdentity identity;
  identity.device = ReadLe64(record, 0);
  identity.inode = ReadLe64(record, 8);
  identity.size = ReadLe64(record, 16);
  identity.mtime_ns = static_cast<int64_t>(ReadLe64(record, 24));
  identity.ctime_ns = static_cast<int64_t>(ReadLe64(record, 32));
  return identity;
}

// Index of the first record whose key is not below `key`.
size_t LowerBound(std::string_view content, const std::pair<uint64_t, uint64_t>& key) {
  size_t low = 0;
  size_t high = content.empty() ? 0 : (content.size() - kHead) / kRecord;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (KeyOf(Record(content, middle)) < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

FileIdentity FileIdentity::Of(const struct stat& info) {
  FileIdentity identity;
  identity.device = info.st_dev;
  identity.inode = info.st_ino;
  identity.size = static_cast<uint64_t>(info.st_size);
  identity.mtime_ns = Nanoseconds(info.st_mtim);
  identity.ctime_ns = Nanoseconds(info.st_ctim);
  return identity;
}

bool IsSettled(const FileIdentity& identity, int64_t now_ns) {
  return identity.mtime_ns < now_ns - kSettleNs && identity.ctime_ns < now_ns - kSettleNs;
}

DigestCache DigestCache::Open(std::string path) {
  DigestCache cache;
  cache.path_ = std::move(path);
  auto content = ReadFile(cache.path_, kMaxFile);
  if (content.ok() && content->starts_with(Head()) && (content->size() - kHead) % kRecord == 0) {
    cache.content_ = *std::move(content);
  }
  return cache;
}

std::string DigestCache::DefaultPath() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') {
    return std::string(cache) + "/zlayer/digests";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::string(home) + "/.cache/zlayer/digests";
  }
  return "";
}

std::optional<Digest> DigestCache::Find(const FileIdentity& identity) const {
  Key key(identity.device, identity.inode);
  if (auto added = added_.find(key); added != added_.end()) {
    return added->second.identity == identity ? std::optional(added->second.digest) : std::nullopt;
  }
  size_t index = LowerBound(content_, key);
  std::string_view record = content_.empty() ? std::string_view() : Record(content_, index);
  if (record.empty() || !IsIntact(record) || IdentityOf(record) != identity) {
    return std::nullopt;
  }
  used_.push_back(static_cast<uint32_t>(index));
  return *Digest::FromBytes(record.substr(40, Digest::kSize));
}

void DigestCache::Add(const FileIdentity& identity, const Digest& digest) {
  added_.insert_or_assign(Key(identity.device, identity.inode), Value{identity, digest});
}

// Numbers of the file's records that stay, in order.
std::vector<uint32_t> DigestCache::Kept() {
  size_t count = content_.empty() ? 0 : (content_.size() - kHead) / kRecord;
  std::vector<uint32_t> kept;
  if (count + added_.size() > kMaxRecords) {
    kept = std::exchange(used_, {});
    std::sort(kept.begin(), kept.end());
    kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  } else {
    kept.resize(count);
    std::iota(kept.begin(), kept.end(), 0);
  }
  return kept;
}

absl::Status DigestCache::Save() {
  if (path_.empty() || added_.empty()) {
    return absl::OkStatus();
  }
  std::string out = Head();
  auto next = added_.begin();
  for (uint32_t i : Kept()) {
    std::string_view record = Record(content_, i);
    Key key = KeyOf(record);
    for (; next != added_.end() && next->first < key; ++next) {
      AppendRecord(out, next->second.identity, next->second.digest);
    }
    if (next == added_.end() || next->first != key) {
      out.append(record);
    }
  }
  for (; next != added_.end(); ++next) {
    AppendRecord(out, next->second.identity, next->second.digest);
  }
  RETURN_IF_ERROR(MakeDirectories(std::filesystem::path(path_).parent_path().string(), 0700));
  RETURN_IF_ERROR(WriteFileAtomically(path_, out, 0600));
  content_ = std::move(out);
  added_.clear();
  used_.clear();
  return absl::OkStatus();
}

}  // namespace zlayer
