// Docker archives (`docker save`): which images are in one, checked through and through.
#ifndef ZLAYER_REGISTRY_IMAGE_DOCKER_IMPORT_H_
#define ZLAYER_REGISTRY_IMAGE_DOCKER_IMPORT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <stop_token>
#include <string>
#include <vector>

#include "registry/content/content_file.h"
#include "registry/image/docker_files.h"
#include "registry/image/image_json.h"
#include "registry/image/image_parts.h"
#include "registry/image/imported_image.h"
#include "registry/image/layer_import.h"

namespace zlayer {

// One import. Keep it until the images' rows are written: what it put into the blob store for them
// goes with it otherwise. Not thread-safe.
//
// The archive has configurations, which are kept as they are, and tars. The manifest is one of ours
// over the uncompressed tars, the same for the same image.
class DockerImport {
 public:
  DockerImport(const ImageParts& parts, std::stop_token stop);

  // Puts blobs and layers of the archive's images into the stores. `name` (normalized) replaces
  // what the archive calls its only image, or names the only one of several that has no name.
  absl::StatusOr<std::vector<ImportedImage>> Run(const ContentFile& archive,
                                                 const std::string& name);

 private:
  // An image with all its names.
  struct Image {
    ImageRow row;
    std::vector<std::string> names;
  };

  absl::StatusOr<std::vector<Image>> ReadImages();
  absl::StatusOr<ImageRow> ReadImage(const DockerArchiveImage& listed);
  absl::StatusOr<ImageRow> ReadLayers(const DockerArchiveImage& listed,
                                      const ConfigDocument& config, ImageRow row);

  const ImageParts parts_;
  const std::stop_token stop_;
  DockerFiles files_;
  LayerImport layers_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_DOCKER_IMPORT_H_
