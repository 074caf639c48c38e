// The blobs of an OCI archive, put into the blob store while it is decided whether they stay.
#ifndef ZLAYER_REGISTRY_IMAGE_ARCHIVE_BLOBS_H_
#define ZLAYER_REGISTRY_IMAGE_ARCHIVE_BLOBS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "registry/content/content_file.h"
#include "registry/image/image_parts.h"
#include "registry/layer/archive.h"

namespace zlayer {

// Reads a file of an archive that says what is in it; kInvalidArgument where it has more than
// kMaxManifestBytes.
absl::Status ReadDocument(const ArchivedFile& file, const ArchiveFileReader& read,
                          std::string* text);

// Holds a lease on the blobs; when it goes, those that were new and that no image needs by then are
// unlinked. Not thread-safe.
class ArchiveBlobs {
 public:
  explicit ArchiveBlobs(const ImageParts& parts) : blobs_(parts.blobs), lease_(parts.leases) {}

  // Reads the whole archive. kInvalidArgument where a blob does not have the digest that it is
  // named by, or where the archive is not an OCI layout.
  absl::Status Add(const ContentFile& archive, std::stop_token stop);

  // The layout's index.json.
  const std::string& index() const { return index_; }
  // The manifest.json beside it, for Docker; empty where there is none.
  const std::string& docker_manifest() const { return docker_manifest_; }

  bool Has(const Digest& digest) const { return present_.contains(digest); }
  // A blob of this archive; kInvalidArgument, naming it as `what`, where the archive lacks it.
  absl::StatusOr<ContentFile> Open(const Digest& digest, std::string_view what) const;
  // The same for a document of at most `limit` bytes.
  absl::StatusOr<std::string> Read(const Digest& digest, std::string_view what, size_t limit) const;

 private:
  absl::Status AddFile(const ArchivedFile& file, const ArchiveFileReader& read);
  absl::Status AddBlob(const Digest& digest, const ArchiveFileReader& read);

  BlobStore* const blobs_;
  BlobLeases::Lease lease_;
  std::set<Digest> present_;
  std::string index_;
  std::string layout_;
  std::string docker_manifest_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_ARCHIVE_BLOBS_H_
