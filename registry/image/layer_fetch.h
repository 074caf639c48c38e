// Layers of pulled images, brought here when something needs them.
#ifndef ZLAYER_REGISTRY_IMAGE_LAYER_FETCH_H_
#define ZLAYER_REGISTRY_IMAGE_LAYER_FETCH_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <functional>
#include <stop_token>
#include <vector>

#include "base/digest.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_store.h"
#include "registry/layer/single_flight.h"

namespace zlayer {

// Whether a build can do without a layer: a file operation on Windows need not look at what is not
// distributed.
bool MayStayAway(const StoredImage& image, const ImageLayer& layer);

// Thread-safe. What two callers want at once is fetched once.
class LayerFetch {
 public:
  // `parts` must outlive it.
  explicit LayerFetch(const ImageParts& parts) : parts_(parts) {}

  struct WantedBlobs {
    const StoredImage& image;
    std::function<bool(const ImageLayer&)> is_wanted;
    size_t first = 0;  // of the layers
  };
  // Brings the blobs here that are missing and that the store cannot make. `lease` keeps them until
  // a row names them.
  absl::Status FetchBlobs(const WantedBlobs& wanted, const BlobFetcher& fetch,
                          BlobLeases::Lease* lease, std::stop_token stop);

  // Brings an image's layers here, reads those that nobody has read, and returns the ids of all:
  // none for a layer that may stay away and is not here.
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
