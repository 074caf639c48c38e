#include "registry/image/image_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/image/image_json.h"
#include "registry/image/reference.h"
#include "registry/layer/archive.h"

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
  using Write = std::function<absl::Status(std::string_view)>;

  Exporter(const ImageParts& parts, TarWriter* tar, std::stop_token stop)
      : parts_(parts), tar_(tar), stop_(std::move(stop)) {}

  absl::Status Directory(const std::string& path) {
    TarHeader header;
    header.path = path;
    header.type = TarHeader::Type::kDirectory;
    header.mode = 0755;
    return tar_->Entry(header);
  }

  absl::Status File(const std::string& path, std::string_view content) {
    RETURN_IF_ERROR(Header(path, content.size()));
    return tar_->Data(content);
  }

  // A layer as its descriptor says.
  absl::Status Layer(const std::string& path, const ImageLayer& layer) {
    RETURN_IF_ERROR(Header(path, layer.size));
    return Exactly(layer.digest, layer.size, [&](const Write& write) {
      absl::StatusOr<ContentFile> blob = parts_.blobs->Open(layer.digest);
      if (absl::IsNotFound(blob.status())) {
        return Generate(layer, write);
      }
      RETURN_IF_ERROR(blob.status());
      return ReadContent(*blob, layer.digest, write);
    });
  }

  // A layer that is compressed, as its tar.
  absl::Status Unpacked(const std::string& path, const ImageLayer& layer) {
    ASSIGN_OR_RETURN(ContentFile blob, parts_.blobs->Open(layer.digest));
    uint64_t size = 0;
    RETURN_IF_ERROR(Unpack(blob, layer, [&size](std::string_view data) {
      size += data.size();
      return absl::OkStatus();
    }));
    RETURN_IF_ERROR(Header(path, size));
    return Exactly(layer.diff_id, size,
                   [&](const Write& write) { return Unpack(blob, layer, write); });
  }

 private:
  absl::Status Header(const std::string& path, uint64_t size) {
    TarHeader header;
    header.path = path;
    header.size = size;
    return tar_->Entry(header);
  }

  // What `produce` writes has to have the size that the header promised.
  absl::Status Exactly(const Digest& digest, uint64_t size,
                       const std::function<absl::Status(const Write&)>& produce) {
    uint64_t written = 0;
    RETURN_IF_ERROR(produce([&](std::string_view data) -> absl::Status {
      if (stop_.stop_requested()) {
        return Cancelled("the export was stopped");
      }
      written += data.size();
      return written > size ? Damaged(digest) : tar_->Data(data);
    }));
    return written == size ? absl::OkStatus() : Damaged(digest);
  }

  absl::Status Generate(const ImageLayer& layer, const Write& write) {
    ASSIGN_OR_RETURN(LayerRef index, parts_.layers->Get(layer.layer));
    Sha256 digest;
    RETURN_IF_ERROR(parts_.layers->WriteTar(
        index, layer.digest,
        [&](std::string_view data) {
          digest.Update(data);
          return write(data);
        },
        stop_));
    return digest.Finish() == layer.digest ? absl::OkStatus() : Damaged(layer.digest);
  }

  absl::Status Unpack(const ContentFile& blob, const ImageLayer& layer, const Write& write) {
    Sha256 digest;
    absl::Status read = ReadUncompressed(
        blob, ArchiveLimits(),
        [&](std::string_view data) {
          digest.Update(data);
          return write(data);
        },
        stop_);
    if (absl::IsInvalidArgument(read)) {
      return Damaged(layer.diff_id);
    }
    RETURN_IF_ERROR(read);
    return digest.Finish() == layer.diff_id ? absl::OkStatus() : Damaged(layer.diff_id);
  }

  static absl::Status Damaged(const Digest& layer) {
    return DataLoss(fmt::format(
        "the store cannot make the layer {} again: its contents are damaged", layer.ToString()));
  }

  const ImageParts& parts_;
  TarWriter* const tar_;
  const std::stop_token stop_;
};

absl::Status NotDistributed(const ImageLayer& layer) {
  return FailedPrecondition(fmt::format(
      "a Docker archive has all layers of its image, and the layer {} ({}) is not distributed and "
      "not here; an OCI archive can be made (--format oci)",
      layer.digest.ToString(), ToUtf8(layer.media_type)));
}

// Sorted by digest, and each once.
std::map<Digest, Source> Blobs(const ExportedImages& images) {
  std::map<Digest, Source> blobs;
  for (const auto& [manifest, exported] : images) {
    const StoredImage& image = exported.image;
    for (const ImageLayer& layer : image.layers) {
      if (!IsForeignLayer(layer.media_type)) {
        blobs[layer.digest] = {layer.size, nullptr, &layer};
      }
    }
    blobs[image.config_digest] = {image.config_json.size(), &image.config_json, nullptr};
    blobs[manifest] = {image.manifest_json.size(), &image.manifest_json, nullptr};
  }
  return blobs;
}

absl::StatusOr<std::string> LayoutIndex(const ExportedImages& images) {
  std::vector<LayoutEntry> entries;
  for (const auto& [digest, exported] : images) {
    ASSIGN_OR_RETURN(ManifestDocument manifest, ParseManifest(exported.image.manifest_json));
    Descriptor descriptor;
    descriptor.media_type = manifest.media_type;
    descriptor.digest = digest;
    descriptor.size = exported.image.manifest_json.size();
    descriptor.platform = exported.image.platform;
    if (exported.names.empty()) {
      entries.push_back({descriptor, ""});
    }
    for (const std::string& name : exported.names) {
      entries.push_back({descriptor, name});
    }
  }
  std::stable_sort(entries.begin(), entries.end(), [](const LayoutEntry& a, const LayoutEntry& b) {
    return a.reference < b.reference;
  });
  return WriteLayoutIndex(entries);
}

// A Docker archive's images by configuration: those with other manifests are the same to Docker.
std::vector<DockerArchiveImage> DockerImages(const ExportedImages& images) {
  std::map<Digest, DockerArchiveImage> by_config;
  std::map<Digest, std::set<std::string>> names;
  for (const auto& [manifest, exported] : images) {
    const StoredImage& image = exported.image;
    DockerArchiveImage& listed = by_config[image.config_digest];
    listed.config = image.config_digest.Hex() + ".json";
    listed.layers.clear();
    for (const ImageLayer& layer : image.layers) {
      listed.layers.push_back(layer.diff_id.Hex() + ".tar");
    }
    names[image.config_digest].insert(exported.names.begin(), exported.names.end());
  }
  std::vector<DockerArchiveImage> result;
  for (auto& [config, listed] : by_config) {
    for (const std::string& name : names[config]) {
      absl::StatusOr<Reference> reference = Reference::Parse(name);
      listed.names.push_back(reference.ok() ? reference->Familiar() : name);
    }
    result.push_back(std::move(listed));
  }
  return result;
}

}  // namespace

absl::Status ExportOciArchive(const ImageParts& parts, const ExportedImages& images,
                              const TarWriter::Sink& sink, std::stop_token stop) {
  ASSIGN_OR_RETURN(std::string index, LayoutIndex(images));
  TarWriter tar(sink);
  Exporter exporter(parts, &tar, std::move(stop));
  RETURN_IF_ERROR(exporter.Directory("blobs"));
  RETURN_IF_ERROR(exporter.Directory("blobs/sha256"));
  for (const auto& [digest, source] : Blobs(images)) {
    const std::string path = "blobs/sha256/" + digest.Hex();
    RETURN_IF_ERROR(source.document != nullptr ? exporter.File(path, *source.document)
                                               : exporter.Layer(path, *source.layer));
  }
  RETURN_IF_ERROR(exporter.File("index.json", index));
  RETURN_IF_ERROR(exporter.File("oci-layout", kLayout));
  return tar.Finish();
}

absl::Status ExportDockerArchive(const ImageParts& parts, const ExportedImages& images,
                                 const TarWriter::Sink& sink, std::stop_token stop) {
  std::map<Digest, const std::string*> configs;
  std::map<Digest, const ImageLayer*> layers;  // by diff id
  for (const auto& [manifest, exported] : images) {
    configs[exported.image.config_digest] = &exported.image.config_json;
    for (const ImageLayer& layer : exported.image.layers) {
      if (IsForeignLayer(layer.media_type) && !parts.blobs->Has(layer.digest)) {
        return NotDistributed(layer);
      }
      // Of several forms the one that needs no unpacking.
      const ImageLayer*& chosen = layers[layer.diff_id];
      chosen = chosen == nullptr || layer.digest == layer.diff_id ? &layer : chosen;
    }
  }
  TarWriter tar(sink);
  Exporter exporter(parts, &tar, std::move(stop));
  RETURN_IF_ERROR(exporter.File("manifest.json", WriteDockerArchive(DockerImages(images))));
  for (const auto& [digest, json] : configs) {
    RETURN_IF_ERROR(exporter.File(digest.Hex() + ".json", *json));
  }
  for (const auto& [diff_id, layer] : layers) {
    const std::string path = diff_id.Hex() + ".tar";
    RETURN_IF_ERROR(layer->digest == diff_id ? exporter.Layer(path, *layer)
                                             : exporter.Unpacked(path, *layer));
  }
  return tar.Finish();
}

}  // namespace zlayer
