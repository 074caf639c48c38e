#include "registry/image/docker_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr size_t kMaxImages = 1000;
// What versions of Docker wrote for an image without a name.
constexpr std::string_view kNoName = "<none>:<none>";

absl::StatusOr<std::vector<std::string>> NamesOf(const DockerArchiveImage& listed) {
  std::vector<std::string> names;
  for (const std::string& written : listed.names) {
    if (written != kNoName) {
      ASSIGN_OR_RETURN(std::string name, NameInArchive(written));
      names.push_back(std::move(name));
    }
  }
  return names;
}

// How messages name an image.
std::string LabelOf(const DockerArchiveImage& listed) {
  const std::string& label = listed.names.empty() ? listed.config : listed.names[0];
  return fmt::format("image \"{}\"", ToUtf8(std::string_view(label).substr(0, 200)));
}

}  // namespace

DockerImport::DockerImport(const ImageParts& parts, std::stop_token stop)
    : parts_(parts), stop_(stop), files_(parts_), layers_(parts, stop) {}

absl::StatusOr<std::vector<ImportedImage>> DockerImport::Run(const ContentFile& archive,
                                                             const std::string& name) {
  RETURN_IF_ERROR(files_.Add(archive, stop_));
  ASSIGN_OR_RETURN(std::vector<Image> images, ReadImages());
  if (!name.empty()) {
    auto has_no_name = [](const Image& image) { return image.names.empty(); };
    auto named = images.size() == 1 ? images.begin()
                                    : std::find_if(images.begin(), images.end(), has_no_name);
    if (named == images.end() ||
        std::find_if(std::next(named), images.end(), has_no_name) != images.end()) {
      return TooManyFor(name);
    }
    named->names = {name};
  }
  RETURN_IF_ERROR(layers_.Publish());
  std::vector<ImportedImage> imported;
  for (Image& image : images) {
    if (image.names.empty()) {
      image.names.emplace_back();
    }
    for (std::string& image_name : image.names) {
      imported.push_back({image.row, std::move(image_name)});
    }
  }
  return imported;
}

// Each once, with the names of all its entries.
absl::StatusOr<std::vector<DockerImport::Image>> DockerImport::ReadImages() {
  absl::StatusOr<std::vector<DockerArchiveImage>> listed = ParseDockerArchive(files_.manifest());
  if (!listed.ok()) {
    return Annotate(listed.status(), "the archive's manifest.json");
  }
  if (listed->empty()) {
    return InvalidArgument("the archive has no image");
  }
  if (listed->size() > kMaxImages) {
    return InvalidArgument(fmt::format("the archive has {} images, at most {} are allowed",
                                       listed->size(), kMaxImages));
  }
  std::vector<Image> images;
  for (const DockerArchiveImage& entry : *listed) {
    absl::StatusOr<ImageRow> row = ReadImage(entry);
    if (!row.ok()) {
      return Annotate(row.status(), LabelOf(entry));
    }
    ASSIGN_OR_RETURN(std::vector<std::string> names, NamesOf(entry));
    auto known = std::find_if(images.begin(), images.end(), [&](const Image& image) {
      return image.row.manifest == row->manifest;
    });
    if (known == images.end()) {
      known = images.insert(known, Image{*std::move(row), {}});
    }
    std::move(names.begin(), names.end(), std::back_inserter(known->names));
  }
  return images;
}

absl::StatusOr<ImageRow> DockerImport::ReadImage(const DockerArchiveImage& listed) {
  if (stop_.stop_requested()) {
    return Cancelled("the import was stopped");
  }
  ASSIGN_OR_RETURN(DockerFiles::File file, files_.Find(listed.config, "its configuration"));
  if (file.size > kMaxConfigBytes) {
    return InvalidArgument(fmt::format("its configuration has {} bytes, at most {} are allowed",
                                       file.size, kMaxConfigBytes));
  }
  ASSIGN_OR_RETURN(std::string json, parts_.blobs->Read(file.digest));
  absl::StatusOr<ConfigDocument> config = ParseConfig(json);
  if (!config.ok()) {
    return Annotate(config.status(), "its configuration");
  }
  if (config->diff_ids.size() != listed.layers.size()) {
    return InvalidArgument(fmt::format("it has {} layers, but its configuration has {} diff ids",
                                       listed.layers.size(), config->diff_ids.size()));
  }
  if (listed.layers.size() > kMaxImageLayers) {
    return InvalidArgument(fmt::format("it has {} layers, at most {} are allowed",
                                       listed.layers.size(), kMaxImageLayers));
  }
  return ReadLayers(listed, *config, ImageRow{{}, file.digest, config->created_ns, {}});
}

absl::StatusOr<ImageRow> DockerImport::ReadLayers(const DockerArchiveImage& listed,
                                                  const ConfigDocument& config, ImageRow row) {
  std::vector<LayerSource> sources;
  NewImage image;
  for (size_t i = 0; i < listed.layers.size(); ++i) {
    ASSIGN_OR_RETURN(DockerFiles::File tar,
                     files_.Find(listed.layers[i], fmt::format("its layer {}", i + 1)));
    sources.push_back({tar.digest, config.diff_ids[i],
                       [this, digest = tar.digest] { return parts_.blobs->Open(digest); }});
    image.layers.push_back(
        {{}, config.diff_ids[i], tar.digest, tar.size, std::string(kTarMediaType)});
  }
  ASSIGN_OR_RETURN(ContentFile config_file, parts_.blobs->Open(row.config));
  ASSIGN_OR_RETURN(row.manifest,
                   files_.AddDocument(WriteManifest(image, row.config, config_file.size)));
  ASSIGN_OR_RETURN(std::optional<ImageRow> stored, FindStored(parts_, row.manifest));
  if (stored.has_value()) {
    return *std::move(stored);
  }
  ASSIGN_OR_RETURN(std::vector<Digest> ids, layers_.Read(sources));
  for (size_t i = 0; i < ids.size(); ++i) {
    image.layers[i].layer = ids[i];
  }
  row.layers = std::move(image.layers);
  return row;
}

}  // namespace zlayer
