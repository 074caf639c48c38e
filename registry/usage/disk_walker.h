// Adds up what files take on the disk, as `du` does: allocated blocks, each file once however many
// names it has.
#ifndef ZLAYER_REGISTRY_USAGE_DISK_WALKER_H_
#define ZLAYER_REGISTRY_USAGE_DISK_WALKER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <utility>

#include "base/unique_fd.h"

namespace zlayer {

// Directories are read entry by entry: memory does not grow with what is in them, but for files
// with several names, until all of these were met. What vanishes meanwhile counts as nothing;
// nothing is locked. No link is followed. Not thread-safe. kCancelled once `stop` is requested.
class DiskWalker {
 public:
  explicit DiskWalker(std::stop_token stop) : stop_(std::move(stop)) {}

  // The directory itself, for List, and what it takes by itself.
  struct Directory {
    UniqueFd fd;
    uint64_t bytes = 0;
  };
  // kNotFound also where `path` is no directory.
  absl::StatusOr<Directory> Open(const std::string& path);

  // Calls `visit` with each name in the directory, in no order, but "." and "..".
  absl::Status List(const UniqueFd& directory,
                    const std::function<absl::Status(const std::string& name)>& visit);

  // What the file, or the directory with everything below it, takes. Both count as nothing where
  // they are missing, or were counted under another name.
  absl::StatusOr<uint64_t> Measure(const UniqueFd& directory, const std::string& name);

 private:
  absl::StatusOr<uint64_t> MeasureOpen(const UniqueFd& directory, int depth);
  absl::StatusOr<uint64_t> MeasureDeep(const UniqueFd& directory);
  absl::Status MeasureOne(const UniqueFd& directory, const std::string& name, uint64_t* bytes,
                          bool* is_directory);
  uint64_t Count(const struct stat& info);

  const std::stop_token stop_;
  // By device and inode: how many names are still to be met.
  std::map<std::pair<dev_t, ino_t>, nlink_t> links_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_USAGE_DISK_WALKER_H_
