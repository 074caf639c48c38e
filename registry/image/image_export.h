// Images as archives, for other tools. The same images make the same bytes.
#ifndef ZLAYER_REGISTRY_IMAGE_IMAGE_EXPORT_H_
#define ZLAYER_REGISTRY_IMAGE_IMAGE_EXPORT_H_

#include <absl/status/status.h>

#include <map>
#include <set>
#include <stop_token>
#include <string>

#include "base/tar_writer.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_store.h"

namespace zlayer {

// An image with the names (normalized) that it gets in the archive.
struct ExportedImage {
  StoredImage image;
  std::set<std::string> names;
};
using ExportedImages = std::map<Digest, ExportedImage>;  // by manifest

// Both stream an archive whose entries are owned by root, with time 0. A layer comes from its blob
// or is generated; its digest is checked either way, kDataLoss names it.

// An OCI archive (image-spec 1.1, image-layout.md), entries sorted.
absl::Status ExportOciArchive(const ImageParts& parts, const ExportedImages& images,
                              const TarWriter::Sink& sink, std::stop_token stop);

// What `docker load` reads: manifest.json, then a configuration an image (<hex>.json) and a tar a
// layer (<hex of the diff id>.tar), each once, sorted. A layer that is compressed is unpacked, and
// before that once more, to know its length.
absl::Status ExportDockerArchive(const ImageParts& parts, const ExportedImages& images,
                                 const TarWriter::Sink& sink, std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_IMAGE_EXPORT_H_
