// Digests of files that the client read before, so that an unchanged file is not read again. One
// file: a 16-byte head ("ZLDIGEST", version 1 and zero, little endian), then records of 80 bytes in
// the order of (device, inode): device, inode, size, mtime and ctime in nanoseconds (8 bytes each,
// little endian), SHA-256 (32), CRC-32C of the 72 bytes before (4), zero (4).
#ifndef ZLAYER_CLIENT_LIB_DIGEST_CACHE_H_
#define ZLAYER_CLIENT_LIB_DIGEST_CACHE_H_

#include <absl/status/status.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"

namespace zlayer {

// What tells whether a file is the one that was read, with the same content.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;

  static FileIdentity Of(const struct stat& info);
  bool operator==(const FileIdentity&) const = default;
};

// Whether the file's times are far enough before `now_ns` that a later change must show in them.
bool IsSettled(const FileIdentity& identity, int64_t now_ns);

// Not thread-safe.
class DigestCache {
 public:
  // Knows nothing and is not saved.
  DigestCache() = default;
  // Of `path`. A file that is missing, of another version, or broken counts as empty; so does each
  // record that is.
  static DigestCache Open(std::string path);

  // `$XDG_CACHE_HOME/zlayer/digests`, `$HOME/.cache/zlayer/digests`, or empty.
  static std::string DefaultPath();

  // Only what is true for ever should be asked and added: see IsSettled.
  std::optional<Digest> Find(const FileIdentity& identity) const;
  void Add(const FileIdentity& identity, const Digest& digest);

  // Writes what was added, if anything, replacing the file at once; of more than kMaxRecords, only
  // what this object found or added.
  absl::Status Save();

  static constexpr size_t kMaxRecords = 500'000;

 private:
  std::vector<uint32_t> Kept();

  using Key = std::pair<uint64_t, uint64_t>;  // device, inode
  struct Value {
    FileIdentity identity;
    Digest digest;
  };

  std::string path_;
  std::map<Key, Value> added_;
  std::string content_;                 // the file, head included; checked to be whole records
  mutable std::vector<uint32_t> used_;  // records of it that were found
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_DIGEST_CACHE_H_
