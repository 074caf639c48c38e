// Layers of pulled images, brought here when something needs them.
#ifndef ZLAYER_REGISTRY_IMAGE_LAYER_FETCH_H_
#define ZLAYER_REGISTRY_IMAGE_LAYER_FETCH_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/digest.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_store.h"
#include "registry/layer/single_flight.h"

namespace zlayer {

// Whether a build can do without a layer: a file operation on Windows need not look at what is not
// distributed.
bool MayStayAway(const StoredImage& image, const ImageLayer& layer);

// Thread-safe. What two callers of a namespace want at once is fetched once.
class LayerFetch {
 public:
  struct How {
    const BlobFetcher& fetch;
    BlobLeases::Lease* lease;  // keeps the blobs until a row names them
    std::stop_token stop;
  };

  // `parts` must outlive it.
  explicit LayerFetch(const ImageParts& parts) : parts_(parts) {}

  // Brings the blobs of these layers of the image here that are missing and that the store cannot
  // make, or that the image's namespace has not had (ImageStore::EnsureLayers): where others have
  // one, it is fetched once more, and only its digest is looked at.
  absl::Status FetchBlobs(const StoredImage& image, const std::vector<ImageLayer>& layers,
                          const How& how);
  // Only those that the namespace has not had, but for such as may stay away.
  absl::Status FetchClaimed(const StoredImage& image, const BlobFetcher& fetch,
                            std::stop_token stop);
  // The image without the ids of layers that may stay away and that its namespace has not had:
  // that others have one is nothing to it.
  absl::StatusOr<StoredImage> WithoutClaimed(StoredImage image) const;

  // Brings an image's layers here, reads those that nobody has read, and returns the ids of all:
  // none for a layer that may stay away and is not here.
  absl::StatusOr<std::vector<Digest>> ReadLayers(const StoredImage& image, const BlobFetcher& fetch,
                                                 std::stop_token stop);

 private:
  absl::StatusOr<bool> IsHere(const ImageLayer& layer) const;
  absl::StatusOr<bool> IsClaimed(const StoredImage& image, const ImageLayer& layer) const;
  absl::Status FetchBlob(const StoredImage& image, const ImageLayer& layer,
                         const BlobFetcher& fetch, std::stop_token stop);
  absl::StatusOr<std::vector<LayerRef>> KnownLayers(const StoredImage& image) const;
  // Each layer is read once it is here and those below are read, while others are on their way.
  absl::StatusOr<std::vector<Digest>> ReadAsTheyCome(const StoredImage& image,
                                                     const std::vector<LayerRef>& known,
                                                     const BlobFetcher& fetch,
                                                     std::stop_token stop);

  const ImageParts& parts_;
  SingleFlight<bool, std::string> blobs_;  // by namespace and digest
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_LAYER_FETCH_H_
