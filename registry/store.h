// The root directory: its lock, its database, and everything kept in it. One process owns it.
//
//   root/ lock  meta.db  blobs/sha256/<hex>  packs/<n>  indexes/<hex>  trees/<n>/  builds/<id>/  tmp/
#ifndef ZLAYER_REGISTRY_STORE_H_
#define ZLAYER_REGISTRY_STORE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "registry/blob/blob_store.h"
#include "registry/content/content_store.h"
#include "registry/image/image_store.h"
#include "registry/layer/layer_store.h"
#include "registry/meta/database.h"

namespace zlayer {

// What an operation made, found by its key.
struct CacheRecord {
  Digest key;
  Digest layer;
  std::vector<Digest> chain;  // the layers that it was made on, lowest first
  std::string build;
  int64_t created_ns = 0;
};

// Thread-safe. Keys carry the namespace within (see backends/native/solver/key.h).
class RecordStore {
 public:
  virtual ~RecordStore() = default;
  // kNotFound where there is none.
  virtual absl::StatusOr<CacheRecord> Find(const Digest& key) = 0;
  // An older record of the same key is replaced.
  virtual absl::Status Put(std::string_view name_space, const CacheRecord& record) = 0;
};

// An uploaded build context: an index of selected files whose contents are in the content store.
struct StoredContext {
  std::string id;
  Digest layer;
  bool from_tar = false;
};

// Thread-safe.
class ContextStore {
 public:
  virtual ~ContextStore() = default;
  // Returns the new context; it is dropped an hour later unless Keep was called.
  virtual absl::StatusOr<StoredContext> Put(std::string_view name_space, const Digest& layer,
                                            bool from_tar) = 0;
  // kNotFound where it is unknown, expired, or another namespace's.
  virtual absl::StatusOr<StoredContext> Get(std::string_view name_space, std::string_view id) = 0;
  // A build was acknowledged that needs it: it does not expire any more.
  virtual absl::Status Keep(std::string_view name_space, std::string_view id) = 0;
  virtual absl::Status Remove(std::string_view id) = 0;
};

struct StoreStatistics {
  uint64_t images = 0;
  uint64_t layers = 0;
  uint64_t records = 0;
};

class Store {
 public:
  // Makes what is missing, takes the lock (kFailedPrecondition names the pid that holds it), drops
  // what a power failure may have damaged, and empties tmp/ in the background. A root on overlayfs
  // is refused. `clock` must outlive the store.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& root, const Clock* clock);

  virtual ~Store() = default;
  virtual const std::string& root() const = 0;
  virtual std::string tmp() const = 0;               // <root>/tmp, for scratch directories
  virtual Database& database() = 0;
  virtual BlobStore& blobs() = 0;
  virtual ContentStore& contents() = 0;
  virtual LayerStore& layers() = 0;
  virtual ImageStore& images() = 0;
  virtual RecordStore& records() = 0;
  virtual ContextStore& contexts() = 0;
  virtual absl::StatusOr<StoreStatistics> Statistics() = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_STORE_H_
