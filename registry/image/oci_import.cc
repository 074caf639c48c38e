#include "registry/image/oci_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

std::string Annotation(const Descriptor& descriptor, std::string_view key) {
  auto found = descriptor.annotations.find(std::string(key));
  return found == descriptor.annotations.end() ? std::string() : found->second;
}

// BuildKit's provenance stands beside the images that it is about.
bool IsAttestation(const Descriptor& descriptor) {
  return descriptor.platform.os() == "unknown" ||
         !Annotation(descriptor, "vnd.docker.reference.type").empty();
}

std::vector<v1::Platform> PlatformsOf(const std::vector<Descriptor>& manifests) {
  std::vector<v1::Platform> platforms;
  for (const Descriptor& manifest : manifests) {
    platforms.push_back(manifest.platform);
  }
  return platforms;
}

// What the layout's index calls the image.
struct IndexName {
  std::string name;       // as it is written, or nothing
  bool tag_only = false;  // it is no more than a tag
};

IndexName NameInIndex(const Descriptor& descriptor) {
  IndexName result{Annotation(descriptor, kImageNameAnnotation)};
  if (result.name.empty()) {
    result.name = Annotation(descriptor, kRefNameAnnotation);
    result.tag_only = !result.name.empty() && result.name.find_first_of(":/@") == std::string::npos;
  }
  return result;
}

// The digest by which a Docker archive that is a layout, too, names a configuration.
absl::StatusOr<Digest> ConfigDigest(std::string_view path) {
  path.remove_prefix(path.rfind('/') + 1);
  if (path.ends_with(".json")) {
    path.remove_suffix(5);
  }
  return Digest::FromHex(path);
}

// Normalized names by configuration; none where there is no such document.
absl::StatusOr<std::map<Digest, std::vector<std::string>>> ReadDockerNames(std::string_view json) {
  std::map<Digest, std::vector<std::string>> names;
  if (json.empty()) {
    return names;
  }
  absl::StatusOr<std::vector<DockerArchiveImage>> images = ParseDockerArchive(json);
  if (!images.ok()) {
    return Annotate(images.status(), "the archive's manifest.json");
  }
  for (const DockerArchiveImage& image : *images) {
    absl::StatusOr<Digest> config = ConfigDigest(image.config);
    for (const std::string& written : config.ok() ? image.names : std::vector<std::string>()) {
      ASSIGN_OR_RETURN(std::string name, NameInArchive(written));
      names[*config].push_back(std::move(name));
    }
  }
  return names;
}

}  // namespace

OciImport::OciImport(const ImageParts& parts, std::stop_token stop)
    : parts_(parts), stop_(stop), blobs_(parts), layers_(parts, stop) {}

absl::StatusOr<std::vector<ImportedImage>> OciImport::Run(const ContentFile& archive,
                                                          const std::string& name) {
  keeps_names_ = name.empty();
  RETURN_IF_ERROR(blobs_.Add(archive, stop_));
  absl::StatusOr<std::vector<Descriptor>> manifests = ParseIndex(blobs_.index());
  if (!manifests.ok()) {
    return Annotate(manifests.status(), "the archive's index.json");
  }
  ASSIGN_OR_RETURN(std::vector<Descriptor> chosen, Choose(*manifests, 0));
  std::vector<ImportedImage> images;
  std::set<Digest> different;
  for (const Descriptor& descriptor : chosen) {
    different.insert(descriptor.digest);
    if (!name.empty() && different.size() > 1) {
      return TooManyFor(name);
    }
    std::vector<std::string> names = {name};
    if (name.empty()) {
      ASSIGN_OR_RETURN(names, NamesOf(descriptor));
    }
    ASSIGN_OR_RETURN(ImageRow row, ImportImage(descriptor));
    for (std::string& image_name : names) {
      images.push_back({row, std::move(image_name)});
    }
  }
  RETURN_IF_ERROR(layers_.Publish());
  return images;
}

// Normalized; an empty one for an image without a name.
absl::StatusOr<std::vector<std::string>> OciImport::NamesOf(const Descriptor& descriptor) {
  const IndexName in_index = NameInIndex(descriptor);
  if (in_index.name.empty() || in_index.tag_only) {
    ASSIGN_OR_RETURN(std::vector<std::string> names, DockerNames(descriptor));
    if (!names.empty()) {
      return names;
    }
  }
  if (in_index.tag_only) {
    return InvalidArgument(fmt::format(
        "the archive has only a tag for its image, \"{}\": say what it is to be called (zlayer "
        "import FILE REF)",
        in_index.name));
  }
  if (in_index.name.empty()) {
    return std::vector<std::string>{""};
  }
  ASSIGN_OR_RETURN(std::string name, NameInArchive(in_index.name));
  return std::vector<std::string>{std::move(name)};
}

// What the manifest.json beside the index says, if there is one.
absl::StatusOr<std::vector<std::string>> OciImport::DockerNames(const Descriptor& descriptor) {
  if (!docker_names_.has_value()) {
    ASSIGN_OR_RETURN(docker_names_, ReadDockerNames(blobs_.docker_manifest()));
  }
  if (docker_names_->empty()) {
    return std::vector<std::string>();
  }
  ASSIGN_OR_RETURN(ManifestDocument manifest, ReadManifest(descriptor));
  auto names = docker_names_->find(manifest.config.digest);
  return names == docker_names_->end() ? std::vector<std::string>() : names->second;
}

// The only image, or those for the host, with nested indexes resolved; never empty.
absl::StatusOr<std::vector<Descriptor>> OciImport::Choose(const std::vector<Descriptor>& manifests,
                                                          int depth) const {
  std::vector<Descriptor> candidates;
  std::map<std::string, int> named;
  std::copy_if(manifests.begin(), manifests.end(), std::back_inserter(candidates),
               [](const Descriptor& manifest) { return !IsAttestation(manifest); });
  if (candidates.empty()) {
    return InvalidArgument("the archive has no image");
  }
  for (const Descriptor& candidate : candidates) {
    ++named[NameInIndex(candidate).name];
  }
  // What has a name of its own is no variant of the others.
  auto is_alone = [&](const Descriptor& candidate) {
    std::string name = NameInIndex(candidate).name;
    return candidates.size() == 1 ||
           (depth == 0 && keeps_names_ && !name.empty() && named[name] == 1);
  };
  v1::Platform host = HostPlatform();
  std::vector<Descriptor> chosen;
  for (const Descriptor& candidate : candidates) {
    if (is_alone(candidate) || MayBeFor(candidate.platform, host)) {
      ASSIGN_OR_RETURN(std::vector<Descriptor> images, Resolve(candidate, depth));
      std::move(images.begin(), images.end(), std::back_inserter(chosen));
    }
  }
  if (chosen.empty()) {
    return InvalidArgument(fmt::format("the archive has no image for {}, only for {}",
                                       FormatPlatform(host),
                                       FormatPlatforms(PlatformsOf(candidates))));
  }
  return chosen;
}

// A manifest is itself; an index is the first of its images that suits, under the index's name.
absl::StatusOr<std::vector<Descriptor>> OciImport::Resolve(const Descriptor& chosen,
                                                           int depth) const {
  if (IsManifestMediaType(chosen.media_type)) {
    return std::vector<Descriptor>{chosen};
  }
  if (!IsIndexMediaType(chosen.media_type)) {
    return InvalidArgument(
        fmt::format("the archive's {} has the media type \"{}\", which is not an "
                    "image's",
                    chosen.digest.ToString(), chosen.media_type));
  }
  if (depth >= kMaxIndexDepth) {
    return InvalidArgument(
        fmt::format("the archive's indexes are nested more than {} deep", kMaxIndexDepth));
  }
  ASSIGN_OR_RETURN(std::string json,
                   blobs_.Read(chosen.digest, "an image index", kMaxManifestBytes));
  absl::StatusOr<std::vector<Descriptor>> manifests = ParseIndex(json);
  if (!manifests.ok()) {
    return Annotate(manifests.status(), fmt::format("index {}", chosen.digest.ToString()));
  }
  ASSIGN_OR_RETURN(std::vector<Descriptor> images, Choose(*manifests, depth + 1));
  images.resize(1);
  images[0].annotations = chosen.annotations;
  return images;
}

absl::StatusOr<ManifestDocument> OciImport::ReadManifest(const Descriptor& descriptor) const {
  ASSIGN_OR_RETURN(std::string json,
                   blobs_.Read(descriptor.digest, "an image manifest", kMaxManifestBytes));
  ASSIGN_OR_RETURN(ManifestDocument manifest, ParseManifest(json));
  if (!IsConfigMediaType(manifest.config.media_type)) {
    return InvalidArgument(
        fmt::format("its configuration has the media type \"{}\": this is not a "
                    "container image",
                    manifest.config.media_type));
  }
  if (manifest.layers.size() > kMaxImageLayers) {
    return InvalidArgument(fmt::format("it has {} layers, at most {} are allowed",
                                       manifest.layers.size(), kMaxImageLayers));
  }
  return manifest;
}

absl::StatusOr<std::vector<LayerSource>> OciImport::Sources(const ManifestDocument& manifest,
                                                            const ConfigDocument& config) const {
  if (manifest.layers.size() != config.diff_ids.size()) {
    return InvalidArgument(fmt::format("it has {} layers, but its configuration has {} diff ids",
                                       manifest.layers.size(), config.diff_ids.size()));
  }
  std::vector<LayerSource> sources;
  for (size_t i = 0; i < manifest.layers.size(); ++i) {
    const Descriptor& layer = manifest.layers[i];
    if (!IsLayerMediaType(layer.media_type)) {
      return InvalidArgument(fmt::format("layer {} has the media type \"{}\", which is not a tar's",
                                         i + 1, layer.media_type));
    }
    LayerSource source{layer.digest, config.diff_ids[i], {}};
    if (IsForeignLayer(layer.media_type) && !blobs_.Has(layer.digest)) {
      sources.push_back(std::move(source));
      continue;
    }
    ASSIGN_OR_RETURN(const ContentFile file,
                     blobs_.Open(layer.digest, fmt::format("layer {}", i + 1)));
    if (file.size != layer.size) {
      return InvalidArgument(
          fmt::format("layer {} has {} bytes, the manifest says {}", i + 1, file.size, layer.size));
    }
    source.open = [file] { return file; };
    sources.push_back(std::move(source));
  }
  return sources;
}

absl::StatusOr<ConfigDocument> OciImport::ReadConfig(const ManifestDocument& manifest) const {
  ASSIGN_OR_RETURN(std::string json,
                   blobs_.Read(manifest.config.digest, "the configuration", kMaxConfigBytes));
  absl::StatusOr<ConfigDocument> config = ParseConfig(json);
  if (!config.ok()) {
    return Annotate(config.status(),
                    fmt::format("configuration {}", manifest.config.digest.ToString()));
  }
  return config;
}

absl::StatusOr<ImageRow> OciImport::ReadLayers(const Descriptor& descriptor,
                                               const ManifestDocument& manifest,
                                               const ConfigDocument& config) {
  ASSIGN_OR_RETURN(std::vector<LayerSource> sources, Sources(manifest, config));
  ASSIGN_OR_RETURN(std::optional<ImageRow> stored, FindStored(parts_, descriptor.digest));
  if (stored.has_value()) {
    return *std::move(stored);
  }
  ASSIGN_OR_RETURN(std::vector<Digest> ids, layers_.Read(sources));
  ImageRow row{descriptor.digest, manifest.config.digest, config.created_ns, {}};
  for (size_t i = 0; i < ids.size(); ++i) {
    const Descriptor& layer = manifest.layers[i];
    row.layers.push_back({ids[i], config.diff_ids[i], layer.digest, layer.size, layer.media_type});
  }
  return row;
}

absl::StatusOr<ImageRow> OciImport::ImportImage(const Descriptor& descriptor) {
  auto read = [&]() -> absl::StatusOr<ImageRow> {
    ASSIGN_OR_RETURN(ManifestDocument manifest, ReadManifest(descriptor));
    ASSIGN_OR_RETURN(ConfigDocument config, ReadConfig(manifest));
    return ReadLayers(descriptor, manifest, config);
  };
  absl::StatusOr<ImageRow> row = read();
  if (!row.ok()) {
    return Annotate(row.status(), fmt::format("image {}", descriptor.digest.ToString()));
  }
  return row;
}

}  // namespace zlayer
