// What is cached, as users see it: records of steps, cache mounts, what was fetched, and images
// that lost their names.
#ifndef ZLAYER_REGISTRY_GC_CACHE_ENTRIES_H_
#define ZLAYER_REGISTRY_GC_CACHE_ENTRIES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/store.h"

namespace zlayer {

enum class CacheType { kCacheMount, kFetched, kImage, kRecord };

// "cache-mount", "fetched", "image", "record".
std::string_view NameOf(CacheType type);
std::optional<CacheType> ParseCacheType(std::string_view name);

struct CacheBlob {
  Digest digest;
  uint64_t size = 0;
};

// A row. What `key` is depends on the type; with it the row is found again.
struct CacheRow {
  CacheType type = CacheType::kRecord;
  Digest key;  // of a record its key, of what was fetched its source, of an image its manifest
  uint64_t number = 0;  // of a cache mount
  std::string name_space;
  std::string id;  // for people
  std::string description;
  int64_t created_ns = 0;        // 0: not known
  int64_t used_ns = 0;           // of an image: since when it has no name
  Digest layer;                  // none for a cache mount; an image's uppermost one that is known
  std::string_view chain;        // ids of layers, joined; valid while the row is visited
  uint64_t layer_bytes = 0;      // contents of the layer
  std::vector<CacheBlob> blobs;  // of an image: its layers' that no image with a name has
  bool in_use = false;
};

// Of its layer and its blobs.
uint64_t BytesOf(const CacheRow& row);

// All that is set must hold.
struct CacheFilter {
  std::string name_space;
  std::vector<CacheType> types;    // empty: any
  std::string id;                  // its beginning
  int64_t unused_ns = 0;           // at least
  std::vector<std::string> words;  // in the description
};
bool Matches(const CacheFilter& filter, const CacheRow& row, int64_t now_ns);

// Visits all rows, of mounts first, then of what was fetched, of images, then records; an error
// ends it and is returned.
absl::Status ForEachCacheRow(Store& store,
                             const std::function<absl::Status(const CacheRow&)>& visit);

// Removes the rows of these, of one type, unless they were used since; not cache mounts and images.
absl::StatusOr<size_t> RemoveCacheRows(Database& database, const std::vector<CacheRow>& rows);

// A place in the list: by last use, then by type, then by key.
struct CachePosition {
  int64_t used_ns = 0;
  CacheType type = CacheType::kCacheMount;
  std::string key;
};
CachePosition PositionOf(const CacheRow& row);

struct CachePage {
  std::vector<CacheRow> rows;  // the least recently used first; without `chain`
  // Where the next page begins, unless this is the last one. There may be nothing there.
  std::optional<CachePosition> next;
};
// Rows behind `after`, at most `limit`. Costs the rows that are looked at, of which there is a
// limit too, so a page of a rare kind may be short.
absl::StatusOr<CachePage> ListCacheRows(Store& store, const CacheFilter& filter,
                                        const std::optional<CachePosition>& after, size_t limit,
                                        int64_t now_ns);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_GC_CACHE_ENTRIES_H_
