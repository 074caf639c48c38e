// Layers that arrive as tars: read and checked first, all of an import, and put into the stores
// once nothing can be wrong with the archive any more.
#ifndef ZLAYER_REGISTRY_IMAGE_LAYER_IMPORT_H_
#define ZLAYER_REGISTRY_IMAGE_LAYER_IMPORT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "registry/content/content_file.h"
#include "registry/image/image_parts.h"
#include "registry/layer/archive.h"
#include "registry/layer/layer_store.h"
#include "registry/layer/rootfs.h"

namespace zlayer {

// A layer's blob, as it came, plain or compressed.
struct LayerSource {
  Digest blob;
  Digest diff_id;  // what its tar must have
  // Asked for once those below are read; empty: it is not here, and what is in it stays unknown.
  std::function<absl::StatusOr<ContentFile>()> open;
  LayerRef known;  // what it was read as before, on the same ones below: the file is not needed
};

// Not thread-safe.
class LayerImport {
 public:
  LayerImport(const ImageParts& parts, std::stop_token stop);

  // Reads an image's layers, lowest first, and returns their ids, none for what is not here. Layers
  // that an earlier call read on the same ones below are not read again. Nothing reaches the
  // stores. Errors name the layer: kInvalidArgument, and those of LayerSource::open.
  absl::StatusOr<std::vector<Digest>> Read(const std::vector<LayerSource>& chain);

  // Reads the tar of a root filesystem, of which nothing is known yet.
  struct RootFilesystem {
    Digest layer;
    // Of the tar, where that is kept, because it came uncompressed; else none.
    Digest blob;
    uint64_t size = 0;
  };
  absl::StatusOr<RootFilesystem> ReadRootFilesystem(const ContentFile& tar);

  // Puts what was read into the stores. The blobs must be in the blob store.
  absl::Status Publish();

 private:
  struct Layer {
    std::shared_ptr<const LayerIndex> index;
    std::string index_file;
    ArchiveResult archive;
    // Contents that do not lie in the blob as they are: none or few where it is uncompressed.
    std::unique_ptr<PackWriter> pack;
  };

  absl::StatusOr<Layer> ReadLayer(const ContentFile& file, const ArchiveOptions& options);
  absl::StatusOr<Layer> ReadSource(const LayerSource& source, const Rootfs& below);
  absl::Status PublishLayer(Layer& layer);

  const ImageParts parts_;
  const std::stop_token stop_;
  ScopedDirectory scratch_;
  // By the digests of all blobs from the lowest to this one, joined.
  std::map<std::string, Layer> layers_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_LAYER_IMPORT_H_
