// A manifest's row with its document.
#ifndef ZLAYER_REGISTRY_IMAGE_MANIFEST_DOCUMENT_H_
#define ZLAYER_REGISTRY_IMAGE_MANIFEST_DOCUMENT_H_

#include <absl/status/statusor.h>

#include "registry/blob/blob_store.h"
#include "registry/image/image_rows.h"
#include "registry/image/repositories.h"

namespace zlayer {

// Byte for byte as it came.
absl::StatusOr<RepositoryManifest> ReadManifest(const BlobStore& blobs, const ImageRow& row);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_MANIFEST_DOCUMENT_H_
