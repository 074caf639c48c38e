// Directories that outlive builds: what `RUN --mount=type=cache` mounts.
#ifndef ZLAYER_REGISTRY_CACHE_MOUNT_STORE_H_
#define ZLAYER_REGISTRY_CACHE_MOUNT_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "registry/meta/database.h"

namespace zlayer {

// From the most generous on: of several for one directory the strictest counts.
enum class CacheSharing {
  kShared,   // any number of users at a time
  kPrivate,  // a further directory where all that are there are in use
  kLocked,   // waits until nobody uses any directory of the id
};

struct CacheMountRequest {
  std::string id;
  // What the directory begins as. The same id with another seed is another directory.
  Digest seed;
  CacheSharing sharing = CacheSharing::kShared;
};

// Who takes directories.
struct CacheMountUser {
  std::string name_space;
  std::string build;
  // Fills the new and empty `directory`, which may have any mode and owner afterwards, for
  // `requests[request]`.
  std::function<absl::Status(size_t request, const std::string& directory)> fill;
  // If set: called when a wait for a directory begins, and when another build has it by then, with
  // the build that has it ("" where that is being removed).
  std::function<void(std::string_view id, std::string_view holder)> waiting;
};

// A directory with what is known of it.
struct StoredCacheMount {
  uint64_t number = 0;  // cache-mounts/<number>
  std::string name_space;
  std::string id;
  int64_t created_ns = 0;
  int64_t used_ns = 0;
  bool in_use = false;
};

// A directory in use, until the last copy of the pointer to it goes.
class CacheMount {
 public:
  virtual ~CacheMount() = default;
  virtual const std::string& path() const = 0;  // absolute
};

// Thread-safe. What is in the directories may change at any time and is synced by nobody: after a
// power failure they hold what reached the disk.
class CacheMountStore {
 public:
  virtual ~CacheMountStore() = default;

  // One directory for each request, in their order; requests of one id and seed share one. Waits
  // for directories that are locked. All are taken in one order, whoever asks, so two that wait
  // never wait for each other. kCancelled once `stop` is requested.
  virtual absl::StatusOr<std::vector<std::shared_ptr<const CacheMount>>> Take(
      const CacheMountUser& user, const std::vector<CacheMountRequest>& requests,
      const std::stop_token& stop) = 0;

  // All of every namespace, in the order of their numbers.
  virtual absl::StatusOr<std::vector<StoredCacheMount>> List() = 0;

  // Removes a directory that nobody uses and that was last taken by `used_ns`; who wants it
  // meanwhile waits or gets another, as if it were in use. Its row goes, then it is moved to the
  // directory `trash`. True where it went.
  virtual absl::StatusOr<bool> Remove(uint64_t number, int64_t used_ns,
                                      const std::string& trash) = 0;

  // Moves directories that a crash left without a row to `trash`.
  virtual absl::Status RemoveStray(const std::string& trash) = 0;
};

// Directories in `root`/cache-mounts, which exists, a row in `database` for each. All arguments
// must outlive the store, and the store what Take returned.
absl::StatusOr<std::unique_ptr<CacheMountStore>> OpenCacheMountStore(const std::string& root,
                                                                     Database* database,
                                                                     const Clock* clock);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CACHE_MOUNT_STORE_H_
