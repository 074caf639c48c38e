// OCI archives: which images are in one, checked through and through.
#ifndef ZLAYER_REGISTRY_IMAGE_OCI_IMPORT_H_
#define ZLAYER_REGISTRY_IMAGE_OCI_IMPORT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "registry/content/content_file.h"
#include "registry/image/archive_blobs.h"
#include "registry/image/image_json.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_rows.h"
#include "registry/image/imported_image.h"
#include "registry/image/layer_import.h"

namespace zlayer {

// One import. Keep it until the images' rows are written: what it put into the blob store for them
// goes with it otherwise. Not thread-safe.
class OciImport {
 public:
  OciImport(const ImageParts& parts, std::stop_token stop);

  // Puts blobs and layers of the archive's images into the stores. Of an image for several
  // platforms, or several without a name, the host's is taken. `name` (normalized) replaces what
  // the archive calls its image.
  absl::StatusOr<std::vector<ImportedImage>> Run(const ContentFile& archive,
                                                 const std::string& name);

 private:
  absl::StatusOr<std::vector<Descriptor>> Choose(const std::vector<Descriptor>& manifests,
                                                 int depth) const;
  absl::StatusOr<std::vector<Descriptor>> Resolve(const Descriptor& chosen, int depth) const;
  absl::StatusOr<ImageRow> ImportImage(const Descriptor& descriptor);
  absl::StatusOr<ImageRow> ReadLayers(const Descriptor& descriptor,
                                      const ManifestDocument& manifest,
                                      const ConfigDocument& config);
  absl::StatusOr<std::vector<std::string>> NamesOf(const Descriptor& descriptor);
  absl::StatusOr<std::vector<std::string>> DockerNames(const Descriptor& descriptor);
  absl::StatusOr<ConfigDocument> ReadConfig(const ManifestDocument& manifest) const;
  absl::StatusOr<ManifestDocument> ReadManifest(const Descriptor& descriptor) const;
  absl::StatusOr<std::vector<LayerSource>> Sources(const ManifestDocument& manifest,
                                                   const ConfigDocument& config) const;

  const ImageParts parts_;
  const std::stop_token stop_;
  ArchiveBlobs blobs_;
  LayerImport layers_;
  bool keeps_names_ = true;  // those that the archive has
  // Of the manifest.json beside the index, by configuration; read when it is first asked for.
  std::optional<std::map<Digest, std::vector<std::string>>> docker_names_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_OCI_IMPORT_H_
