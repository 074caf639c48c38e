// Images as OCI archives.
#ifndef ZLAYER_REGISTRY_IMAGE_IMAGE_EXPORT_H_
#define ZLAYER_REGISTRY_IMAGE_IMAGE_EXPORT_H_

#include <absl/status/status.h>

#include <stop_token>
#include <string>

#include "base/tar_writer.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_store.h"

namespace zlayer {

// Streams an OCI archive (image-spec 1.1, image-layout.md) with one image, called `name`
// (normalized; empty: without a name). Entries are sorted, owned by root, with time 0. A layer
// comes from its blob or is generated; its digest is checked either way, kDataLoss names it.
absl::Status ExportOciArchive(const ImageParts& parts, const StoredImage& image,
                              const std::string& name, const TarWriter::Sink& sink,
                              std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_IMAGE_EXPORT_H_
