// Who may unlink a blob. An image is written in two steps, its blobs and then its rows; between
// them nothing in the database says that the blobs are needed. A lease does. No lock is held while
// a file is written or unlinked.
#ifndef ZLAYER_REGISTRY_IMAGE_BLOB_LEASES_H_
#define ZLAYER_REGISTRY_IMAGE_BLOB_LEASES_H_

#include <absl/status/status.h>

#include <cstddef>
#include <map>
#include <set>
#include <vector>

#include "base/digest.h"
#include "base/mutex.h"
#include "registry/blob/blob_store.h"
#include "registry/meta/database.h"

namespace zlayer {

// Thread-safe. Must outlive its leases.
class BlobLeases {
 public:
  BlobLeases(Database* database, BlobStore* blobs) : database_(database), blobs_(blobs) {}

  // Keeps blobs from being unlinked while it lives. Not thread-safe.
  class Lease {
   public:
    explicit Lease(BlobLeases* leases) : leases_(leases) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { Release(); }

    // From now on `blob`, whether it exists yet or not, stays. Waits where it is being unlinked:
    // ask whether it exists only afterwards.
    void Add(const Digest& blob);
    // The same for a blob that is about to be written: unless something needs it by then, it goes
    // with the lease.
    void AddNew(const Digest& blob);
    // Gives back all.
    void Release();

   private:
    BlobLeases* const leases_;
    std::set<Digest> blobs_;
    std::vector<Digest> new_;
  };

  // Unlinks those of `blobs` that no row (see IsBlobUsed) and no lease needs. Goes on after an
  // error; returns the first.
  absl::Status DropUnused(const std::vector<Digest>& blobs);

 private:
  void Return(const std::set<Digest>& blobs);
  bool StartUnlinking(const Digest& blob);
  void EndUnlinking(const Digest& blob);
  absl::Status DropIfUnused(const Digest& blob);

  Database* const database_;
  BlobStore* const blobs_;
  Mutex mutex_;
  CondVar unlinked_;
  std::map<Digest, size_t> leased_ ABSL_GUARDED_BY(mutex_);
  std::set<Digest> unlinking_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_BLOB_LEASES_H_
