// What images and repositories stand on.
#ifndef ZLAYER_REGISTRY_IMAGE_IMAGE_PARTS_H_
#define ZLAYER_REGISTRY_IMAGE_IMAGE_PARTS_H_

#include <string>

#include "base/clock.h"
#include "base/digest.h"
#include "registry/blob/blob_store.h"
#include "registry/content/content_store.h"
#include "registry/image/blob_leases.h"
#include "registry/layer/layer_store.h"
#include "registry/meta/database.h"
#include "registry/uses/uses.h"

namespace zlayer {

// Nothing here is owned.
struct ImageParts {
  Database* database = nullptr;
  BlobStore* blobs = nullptr;
  ContentStore* contents = nullptr;
  LayerStore* layers = nullptr;
  BlobLeases* leases = nullptr;
  const Clock* clock = nullptr;
  Uses* uses = nullptr;
  UsedThings<Digest>* used_manifests = nullptr;
  std::string tmp_directory;  // for scratch files
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_IMAGE_PARTS_H_
