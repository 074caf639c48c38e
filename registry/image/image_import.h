// Images that arrive in a file: archives of images, and tars of root filesystems.
#ifndef ZLAYER_REGISTRY_IMAGE_IMAGE_IMPORT_H_
#define ZLAYER_REGISTRY_IMAGE_IMAGE_IMPORT_H_

#include <absl/status/statusor.h>

#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/content/content_file.h"
#include "registry/image/archive_kind.h"
#include "registry/image/blob_leases.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_store.h"

namespace zlayer {

// An image of an archive with the names (normalized) that it got.
struct ArchiveImage {
  Digest manifest;
  std::set<std::string> names;
};

// Puts the images of a Docker or OCI archive into the stores and the namespace, all or none, and
// returns them in the archive's order. `name`: as DockerImport and OciImport have it.
absl::StatusOr<std::vector<ArchiveImage>> ImportImages(const ImageParts& parts,
                                                       std::string_view name_space,
                                                       const ContentFile& archive, ArchiveKind kind,
                                                       const std::string& name,
                                                       std::stop_token stop);

// Puts the only layer of an image of this root filesystem into the stores. `lease` holds what the
// image is made of until it is committed.
absl::StatusOr<NewImage> ImportRootFilesystem(const ImageParts& parts, const ContentFile& tar,
                                              BlobLeases::Lease* lease, std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_IMAGE_IMPORT_H_
