// What holds each byte of a root directory.
#ifndef ZLAYER_REGISTRY_USAGE_DISK_USAGE_H_
#define ZLAYER_REGISTRY_USAGE_DISK_USAGE_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "registry/meta/database.h"

namespace zlayer {

// The names of categories are those of DiskUsageCategory in proto/zlayer/v1/system.proto, which
// says what they mean.
struct UsageCategory {
  std::string name;
  uint64_t objects = 0;
  uint64_t bytes = 0;
};

struct UsageItem {
  std::string category;
  std::string kind;  // "layer", "pack", "blob", "log", "file", "directory", "cache-mount"
  std::string name;
  uint64_t bytes = 0;
  std::vector<std::string> held_by;
};

struct DiskUsage {
  uint64_t total_bytes = 0;               // sum of the categories
  std::vector<UsageCategory> categories;  // all, always in the same order
  std::vector<UsageItem> items;           // largest first
  uint64_t disk_free_bytes = 0;           // of the root's filesystem, for other than root
  uint64_t disk_total_bytes = 0;
};

// Measures `root`, which belongs to an open store with this database: allocated blocks, as
// `du -s` counts them, each file once. With `max_items` the single things too, at most so many.
//
// Takes as long as reading all directories and all indexes. Nothing is locked, and memory grows
// with the numbers of layers, packs and blobs only. What changes meanwhile may be counted as it was
// before or after. kCancelled once `stop` is requested.
absl::StatusOr<DiskUsage> MeasureDiskUsage(const std::string& root, Database* database,
                                           size_t max_items, std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_USAGE_DISK_USAGE_H_
