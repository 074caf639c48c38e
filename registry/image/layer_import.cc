#include "registry/image/layer_import.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"

namespace zlayer {

LayerImport::LayerImport(const ImageParts& parts, std::stop_token stop)
    : parts_(parts), stop_(std::move(stop)) {}

absl::StatusOr<LayerImport::Layer> LayerImport::ReadLayer(const ContentFile& file,
                                                          const ArchiveOptions& options) {
  if (scratch_.path().empty()) {
    ASSIGN_OR_RETURN(scratch_, ScopedDirectory::Make(parts_.tmp_directory, "import-"));
  }
  Layer layer;
  ASSIGN_OR_RETURN(layer.pack, parts_.contents->NewPack());
  LayerIndexBuilder builder;
  ASSIGN_OR_RETURN(layer.archive, ReadArchive(file, options, /*in_place=*/true, layer.pack.get(),
                                              &builder, stop_));
  ASSIGN_OR_RETURN(std::string serialized, builder.Serialize());
  layer.index_file = fmt::format("{}/{}", scratch_.path(), layers_.size());
  RETURN_IF_ERROR(WriteFileAtomically(layer.index_file, serialized));
  ASSIGN_OR_RETURN(layer.index, LayerIndex::Open(layer.index_file));
  return layer;
}

absl::StatusOr<LayerImport::Layer> LayerImport::ReadSource(const LayerSource& source,
                                                           const Rootfs& below) {
  ArchiveOptions options;
  options.layer = true;
  options.below = &below;
  ASSIGN_OR_RETURN(const ContentFile file, source.open());
  ASSIGN_OR_RETURN(Layer layer, ReadLayer(file, options));
  if (layer.archive.tar_digest != source.diff_id) {
    return InvalidArgument(fmt::format("its tar has the digest {}, the configuration says {}",
                                       layer.archive.tar_digest.ToString(),
                                       source.diff_id.ToString()));
  }
  return layer;
}

absl::StatusOr<std::vector<Digest>> LayerImport::Read(const std::vector<LayerSource>& chain) {
  std::vector<Digest> ids;
  std::string key;
  Rootfs rootfs;
  for (const LayerSource& source : chain) {
    key += source.blob.Bytes();
    if (source.known != nullptr) {
      rootfs = rootfs.With(source.known);
      ids.push_back(source.known->id());
      continue;
    }
    if (source.open == nullptr) {
      ids.emplace_back();
      continue;
    }
    auto layer = layers_.find(key);
    if (layer == layers_.end()) {
      absl::StatusOr<Layer> read = ReadSource(source, rootfs);
      if (!read.ok()) {
        return Annotate(read.status(), fmt::format("layer {} of {} ({})", ids.size() + 1,
                                                   chain.size(), source.blob.ToString()));
      }
      layer = layers_.emplace(key, *std::move(read)).first;
    } else if (layer->second.archive.tar_digest != source.diff_id) {
      return InvalidArgument(fmt::format("two images of the archive disagree on the diff id of {}",
                                         source.blob.ToString()));
    }
    rootfs = rootfs.With(layer->second.index);
    ids.push_back(layer->second.index->id());
  }
  return ids;
}

absl::StatusOr<LayerImport::RootFilesystem> LayerImport::ReadRootFilesystem(
    const ContentFile& tar) {
  ASSIGN_OR_RETURN(Layer layer, ReadLayer(tar, ArchiveOptions()));
  RootFilesystem result;
  result.layer = layer.index->id();
  if (layer.archive.uncompressed) {
    result.blob = layer.archive.tar_digest;
    result.size = layer.archive.tar_size;
  }
  std::string key(layer.archive.tar_digest.Bytes());
  layers_.emplace(std::move(key), std::move(layer));
  return result;
}

absl::Status LayerImport::Publish() {
  for (auto& [key, layer] : layers_) {
    RETURN_IF_ERROR(PublishLayer(layer));
  }
  return absl::OkStatus();
}

absl::Status LayerImport::PublishLayer(Layer& layer) {
  RETURN_IF_ERROR(layer.pack->Commit());
  if (layer.archive.uncompressed) {
    RETURN_IF_ERROR(parts_.contents->AddBlobRanges(layer.archive.tar_digest, layer.archive.ranges));
  }
  ASSIGN_OR_RETURN(std::string serialized,
                   ReadFile(layer.index_file, std::numeric_limits<size_t>::max()));
  RETURN_IF_ERROR(parts_.layers->Add(serialized, "").status());
  // A tar that came compressed is not the layer's for good: its bytes are in a blob that goes with
  // the image, and the store can always write one of its own.
  if (!layer.archive.uncompressed) {
    return absl::OkStatus();
  }
  return parts_.layers->SetTarIdentity(layer.index->id(),
                                       {layer.archive.tar_digest, layer.archive.tar_size});
}

}  // namespace zlayer
