#include "registry/image/image_export.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/image/image_json.h"

namespace zlayer {
namespace {

constexpr std::string_view kLayout = R"({"imageLayoutVersion":"1.0.0"})";

// What a blob of the archive is made from.
struct Source {
  uint64_t size = 0;
  const std::string* document = nullptr;  // null for a layer
  const ImageLayer* layer = nullptr;
};

class Exporter {
 public:
  Exporter(const ImageParts& parts, TarWriter* tar, std::stop_token stop)
      : parts_(parts), tar_(tar), stop_(std::move(stop)) {}

  absl::Status Directory(const std::string& path) {
    TarHeader header;
    header.path = path;
    header.type = TarHeader::Type::kDirectory;
    header.mode = 0755;
    return tar_->Entry(header);
  }

  absl::Status Header(const std::string& path, uint64_t size) {
    TarHeader header;
    header.path = path;
    header.size = size;
    return tar_->Entry(header);
  }

  absl::Status File(const std::string& path, std::string_view content) {
    RETURN_IF_ERROR(Header(path, content.size()));
    return tar_->Data(content);
  }

  absl::Status Blob(const Digest& digest, const Source& source) {
    std::string path = "blobs/sha256/" + digest.Hex();
    if (source.document != nullptr) {
      return File(path, *source.document);
    }
    RETURN_IF_ERROR(Header(path, source.size));
    return Layer(*source.layer);
  }

 private:
  absl::Status Layer(const ImageLayer& layer) {
    uint64_t written = 0;
    auto write = [&](std::string_view data) -> absl::Status {
      if (stop_.stop_requested()) {
        return Cancelled("the export was stopped");
      }
      written += data.size();
      if (written > layer.size) {
        return Damaged(layer);
      }
      return tar_->Data(data);
    };
    absl::StatusOr<ContentFile> blob = parts_.blobs->Open(layer.digest);
    if (blob.ok()) {
      RETURN_IF_ERROR(ReadContent(*blob, layer.digest, write));
    } else if (absl::IsNotFound(blob.status())) {
      RETURN_IF_ERROR(Generate(layer, write));
    } else {
      return blob.status();
    }
    return written == layer.size ? absl::OkStatus() : Damaged(layer);
  }

  absl::Status Generate(const ImageLayer& layer,
                        const std::function<absl::Status(std::string_view)>& write) {
    ASSIGN_OR_RETURN(LayerRef index, parts_.layers->Get(layer.layer));
    Sha256 digest;
    RETURN_IF_ERROR(parts_.layers->WriteTar(
        index,
        [&](std::string_view data) {
          digest.Update(data);
          return write(data);
        },
        stop_));
    return digest.Finish() == layer.digest ? absl::OkStatus() : Damaged(layer);
  }

  static absl::Status Damaged(const ImageLayer& layer) {
    return DataLoss(
        fmt::format("the store cannot make the layer {} again: its contents are damaged",
                    layer.digest.ToString()));
  }

  const ImageParts& parts_;
  TarWriter* const tar_;
  const std::stop_token stop_;
};

// Sorted by digest, and each once.
std::map<Digest, Source> Blobs(const StoredImage& image) {
  std::map<Digest, Source> blobs;
  for (const ImageLayer& layer : image.layers) {
    blobs[layer.digest] = {layer.size, nullptr, &layer};
  }
  blobs[image.config_digest] = {image.config_json.size(), &image.config_json, nullptr};
  blobs[image.manifest] = {image.manifest_json.size(), &image.manifest_json, nullptr};
  return blobs;
}

}  // namespace

absl::Status ExportOciArchive(const ImageParts& parts, const StoredImage& image,
                              const std::string& name, const TarWriter::Sink& sink,
                              std::stop_token stop) {
  ASSIGN_OR_RETURN(ManifestDocument manifest, ParseManifest(image.manifest_json));
  Descriptor descriptor;
  descriptor.media_type = manifest.media_type;
  descriptor.digest = image.manifest;
  descriptor.size = image.manifest_json.size();
  descriptor.platform = image.platform;
  TarWriter tar(sink);
  Exporter exporter(parts, &tar, std::move(stop));
  RETURN_IF_ERROR(exporter.Directory("blobs"));
  RETURN_IF_ERROR(exporter.Directory("blobs/sha256"));
  for (const auto& [digest, source] : Blobs(image)) {
    RETURN_IF_ERROR(exporter.Blob(digest, source));
  }
  RETURN_IF_ERROR(exporter.File("index.json", WriteLayoutIndex(descriptor, name)));
  RETURN_IF_ERROR(exporter.File("oci-layout", kLayout));
  return tar.Finish();
}

}  // namespace zlayer
