// The root directory: its lock, its database, and everything kept in it. One process owns it.
//
//   root/ lock  meta.db  blobs/sha256/<hex>  packs/<n>  indexes/<hex>  trees/<n>/  builds/<id>/
//   cache-mounts/<n>/  tmp/
#ifndef ZLAYER_REGISTRY_STORE_H_
#define ZLAYER_REGISTRY_STORE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/digest.h"
#include "registry/blob/blob_store.h"
#include "registry/cache_mount_store.h"
#include "registry/content/content_store.h"
#include "registry/context_store.h"
#include "registry/explanation_store.h"
#include "registry/fetched_store.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_store.h"
#include "registry/image/repositories.h"
#include "registry/layer/layer_store.h"
#include "registry/meta/database.h"
#include "registry/record_store.h"
#include "registry/uses/uses.h"

namespace zlayer {

struct StoreStatistics {
  uint64_t images = 0;
  uint64_t layers = 0;
  uint64_t records = 0;
};

class Store {
 public:
  // Makes what is missing, takes the lock (kFailedPrecondition names the pid that holds it), drops
  // what a power failure may have damaged, and empties tmp/ in the background. A root on overlayfs
  // is refused (kFailedPrecondition): trees could not be mounted. `clock` must outlive the store.
  //
  // While the store is open, a thread of its own syncs the filesystem some seconds after something
  // was added and marks that as safe from power failures, and removes contexts that have expired.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& root, const Clock* clock);

  virtual ~Store() = default;
  virtual const std::string& root() const = 0;  // absolute, without symlinks
  virtual std::string tmp() const = 0;          // <root>/tmp, for scratch directories
  virtual Database& database() = 0;
  // Who comes to need layers or contents that no row names yet is at work here meanwhile.
  virtual Uses& uses() = 0;
  virtual BlobStore& blobs() = 0;
  virtual ContentStore& contents() = 0;
  virtual LayerStore& layers() = 0;
  virtual ImageStore& images() = 0;
  virtual Repositories& repositories() = 0;
  // What images stand on, for what moves them.
  virtual const ImageParts& image_parts() = 0;
  virtual RecordStore& records() = 0;
  virtual ExplanationStore& explanations() = 0;
  virtual ContextStore& contexts() = 0;
  virtual FetchedStore& fetched() = 0;
  virtual CacheMountStore& cache_mounts() = 0;
  virtual absl::StatusOr<StoreStatistics> Statistics() = 0;
};

// The layer that the record of a key names; null where there is none, or its layer is gone. That is
// no use of the record (RecordStore::Touch).
absl::StatusOr<LayerRef> RecordedLayer(Store& store, const Digest& key);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_STORE_H_
