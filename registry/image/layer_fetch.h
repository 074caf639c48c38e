// Layers of pulled images, brought here when something needs them.
#ifndef ZLAYER_REGISTRY_IMAGE_LAYER_FETCH_H_
#define ZLAYER_REGISTRY_IMAGE_LAYER_FETCH_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <stop_token>
#include <vector>

#include "base/digest.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_store.h"
#include "registry/layer/single_flight.h"

namespace zlayer {

// Thread-safe. What two callers want at once is fetched once.
class LayerFetch {
 public:
  // `parts` must outlive it.
  explicit LayerFetch(const ImageParts& parts) : parts_(parts) {}

  // Brings the blobs of the layers from `first` on here that are missing and that the store cannot
  // make. `lease` keeps them until a row names them.
  absl::Status FetchBlobs(const StoredImage& image, size_t first, const BlobFetcher& fetch,
                          BlobLeases::Lease* lease, std::stop_token stop);

  // Brings an image's layers here, reads those that nobody has read, and returns the ids of all.
  absl::StatusOr<std::vector<Digest>> ReadLayers(const StoredImage& image, const BlobFetcher& fetch,
                                                 std::stop_token stop);

 private:
  absl::StatusOr<bool> IsHere(const ImageLayer& layer) const;
  absl::Status FetchBlob(const StoredImage& image, const ImageLayer& layer,
                         const BlobFetcher& fetch, std::stop_token stop);
  absl::StatusOr<std::vector<LayerRef>> KnownLayers(const StoredImage& image) const;

  const ImageParts& parts_;
  SingleFlight<bool> blobs_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_LAYER_FETCH_H_
