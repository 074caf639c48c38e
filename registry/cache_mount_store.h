// Directories that outlive builds: what `RUN --mount=type=cache` mounts.
#ifndef ZLAYER_REGISTRY_CACHE_MOUNT_STORE_H_
#define ZLAYER_REGISTRY_CACHE_MOUNT_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

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

enum class CacheSharing {
  kShared,   // any number of users at a time
  kPrivate,  // a further directory where all that are there are in use
  kLocked,   // one user at a time; others wait
};

struct CacheMountRequest {
  std::string id;
  // What the directory begins as. The same id with another seed is another directory.
  Digest seed;
  CacheSharing sharing = CacheSharing::kShared;
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

  // Fills the new and empty `directory`, which may have any mode and owner afterwards, for
  // `requests[request]`.
  using Fill = std::function<absl::Status(size_t request, const std::string& directory)>;

  // One directory for each request, in their order; requests of one id and seed share one. Waits
  // for directories that are locked. All are taken in one order, whoever asks, so two that wait
  // never wait for each other. kCancelled once `stop` is requested.
  virtual absl::StatusOr<std::vector<std::shared_ptr<const CacheMount>>> Take(
      std::string_view name_space, const std::vector<CacheMountRequest>& requests, const Fill& fill,
      const std::stop_token& stop) = 0;
};

// Directories in `root`/cache-mounts, which exists, a row in `database` for each. All arguments
// must outlive the store, and the store what Take returned.
absl::StatusOr<std::unique_ptr<CacheMountStore>> OpenCacheMountStore(const std::string& root,
                                                                     Database* database,
                                                                     const Clock* clock);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CACHE_MOUNT_STORE_H_
