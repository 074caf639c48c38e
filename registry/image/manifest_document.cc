#include "registry/image/manifest_document.h"

#include "base/status_macros.h"
#include "registry/image/image_json.h"

namespace zlayer {

absl::StatusOr<RepositoryManifest> ReadManifest(const BlobStore& blobs, const ImageRow& row) {
  RepositoryManifest manifest{row.manifest, row.media_type, ""};
  ASSIGN_OR_RETURN(manifest.bytes, blobs.Read(row.manifest));
  if (manifest.media_type.empty()) {
    ASSIGN_OR_RETURN(AnyManifest document, ParseAnyManifest("", manifest.bytes));
    manifest.media_type = std::move(document.media_type);
  }
  return manifest;
}

}  // namespace zlayer
