#include "registry/image/image_import.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "registry/image/docker_import.h"
#include "registry/image/image_json.h"
#include "registry/image/image_rows.h"
#include "registry/image/imported_image.h"
#include "registry/image/layer_import.h"
#include "registry/image/oci_import.h"
#include "registry/image/platform.h"
#include "registry/image/repository_rows.h"

namespace zlayer {
namespace {

absl::Status InsertImages(const ImageParts& parts, std::string_view name_space,
                          const std::vector<ImportedImage>& images) {
  return parts.database->Write([&](Connection& connection) -> absl::Status {
    for (const ImportedImage& image : images) {
      RETURN_IF_ERROR(InsertImage(connection, image.row));
      for (const ImageLayer& layer : image.row.layers) {
        RETURN_IF_ERROR(EndClaim(connection, name_space, layer.digest));
      }
      RETURN_IF_ERROR(
          SetTag(connection, name_space, image.name, image.row.manifest, parts.clock->NowNs()));
    }
    return absl::OkStatus();
  });
}

std::vector<ArchiveImage> JoinNames(const std::vector<ImportedImage>& images) {
  std::vector<ArchiveImage> joined;
  for (const ImportedImage& image : images) {
    auto same = std::find_if(joined.begin(), joined.end(), [&](const ArchiveImage& other) {
      return other.manifest == image.row.manifest;
    });
    if (same == joined.end()) {
      same = joined.insert(same, {image.row.manifest, {}});
    }
    if (!image.name.empty()) {
      same->names.insert(image.name);
    }
  }
  return joined;
}

template <typename ArchiveImport>
absl::StatusOr<std::vector<ArchiveImage>> RunImport(const ImageParts& parts,
                                                    std::string_view name_space,
                                                    const ContentFile& archive,
                                                    const std::string& name, std::stop_token stop) {
  ArchiveImport import(parts, std::move(stop));
  ASSIGN_OR_RETURN(const std::vector<ImportedImage> images, import.Run(archive, name));
  RETURN_IF_ERROR(InsertImages(parts, name_space, images));
  return JoinNames(images);
}

// The tar as a blob.
absl::Status KeepTar(const ImageParts& parts, const ContentFile& tar, const Digest& digest,
                     BlobLeases::Lease* lease) {
  lease->AddNew(digest);
  ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> writer, parts.blobs->NewBlob());
  RETURN_IF_ERROR(
      ReadContent(tar, Digest(), [&](std::string_view data) { return writer->Append(data); }));
  return writer->Commit(digest).status();
}

}  // namespace

absl::StatusOr<std::vector<ArchiveImage>> ImportImages(const ImageParts& parts,
                                                       std::string_view name_space,
                                                       const ContentFile& archive, ArchiveKind kind,
                                                       const std::string& name,
                                                       std::stop_token stop) {
  return kind == ArchiveKind::kDocker
             ? RunImport<DockerImport>(parts, name_space, archive, name, std::move(stop))
             : RunImport<OciImport>(parts, name_space, archive, name, std::move(stop));
}

absl::StatusOr<NewImage> ImportRootFilesystem(const ImageParts& parts, const ContentFile& tar,
                                              BlobLeases::Lease* lease, std::stop_token stop) {
  LayerImport import(parts, std::move(stop));
  ASSIGN_OR_RETURN(const LayerImport::RootFilesystem root, import.ReadRootFilesystem(tar));
  ImageLayer layer;
  layer.layer = root.layer;
  if (!root.blob.IsNone()) {
    RETURN_IF_ERROR(KeepTar(parts, tar, root.blob, lease));
    layer.diff_id = layer.digest = root.blob;
    layer.size = root.size;
    layer.media_type = kTarMediaType;
  }
  RETURN_IF_ERROR(import.Publish());
  NewImage image;
  image.platform = HostPlatform();
  image.created_ns = parts.clock->NowNs();
  image.history.push_back({image.created_ns, "", "imported from a root filesystem tar", "", false});
  image.layers.push_back(std::move(layer));
  return image;
}

}  // namespace zlayer
