// What kind of image archive a file is, seen from its content.
#ifndef ZLAYER_REGISTRY_IMAGE_ARCHIVE_KIND_H_
#define ZLAYER_REGISTRY_IMAGE_ARCHIVE_KIND_H_

#include <absl/status/statusor.h>

#include <stop_token>

#include "registry/content/content_file.h"

namespace zlayer {

enum class ArchiveKind {
  kOci,             // an OCI layout in a tar
  kDocker,          // what `docker save` writes, unless that is an OCI layout, too
  kRootFilesystem,  // any other tar
};

// kInvalidArgument where the file is no archive or a broken one.
absl::StatusOr<ArchiveKind> DetectArchive(const ContentFile& archive, std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_ARCHIVE_KIND_H_
