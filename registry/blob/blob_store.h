// Blobs that are kept verbatim, by digest: manifests, configurations, layers as they arrived. One
// file each, `blobs/sha256/<hex>`.
#ifndef ZLAYER_REGISTRY_BLOB_BLOB_STORE_H_
#define ZLAYER_REGISTRY_BLOB_BLOB_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "registry/content/content_file.h"

namespace zlayer {

// Writes one blob. What is not committed leaves nothing behind. Not thread-safe.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual absl::Status Append(std::string_view data) = 0;
  // All that was appended so far, for reading before it is known whether it will be kept.
  virtual ContentFile Written() const = 0;
  // The digest of all that was appended. Afterwards nothing more may be appended.
  virtual Digest Finish() = 0;
  // Keeps it under its digest and returns that; nothing may be called after it. A blob that is
  // there already is fine. kDataLoss, naming both, where the digest is not `expected` (unless that
  // is none).
  virtual absl::StatusOr<Digest> Commit(const Digest& expected) = 0;
};

// Thread-safe.
class BlobStore {
 public:
  virtual ~BlobStore() = default;
  virtual absl::StatusOr<std::unique_ptr<BlobWriter>> NewBlob() = 0;
  // kNotFound where it is missing.
  virtual absl::StatusOr<ContentFile> Open(const Digest& digest) const = 0;
  virtual bool Has(const Digest& digest) const = 0;
  // A small blob, whole and checked: kDataLoss where the bytes do not have the digest.
  virtual absl::StatusOr<std::string> Read(const Digest& digest) const = 0;
  // Stores a small blob.
  virtual absl::StatusOr<Digest> Write(std::string_view data) = 0;
  // Missing is fine.
  virtual absl::Status Remove(const Digest& digest) = 0;
};

// Blobs in `directory`/sha256, which is made where missing; unfinished ones are unnamed files.
// Nothing is synced here: a power failure may leave a blob shorter than it was, and committing it
// again repairs that.
absl::StatusOr<std::unique_ptr<BlobStore>> OpenDiskBlobStore(const std::string& directory);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_BLOB_BLOB_STORE_H_
