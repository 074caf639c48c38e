// The OCI documents as text (image-spec 1.1: config.md, manifest.md; Docker's additions to the
// configuration: Healthcheck, OnBuild, Shell) to and from their decoded forms. Written documents
// have a fixed key order and no white space.
#ifndef ZLAYER_REGISTRY_IMAGE_IMAGE_JSON_H_
#define ZLAYER_REGISTRY_IMAGE_IMAGE_JSON_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/image/image_store.h"

namespace zlayer {

inline constexpr std::string_view kManifestMediaType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kIndexMediaType = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kConfigMediaType = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kTarMediaType = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kTarGzipMediaType = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kTarZstdMediaType = "application/vnd.oci.image.layer.v1.tar+zstd";

struct ConfigDocument {
  v1::Platform platform;
  v1::ImageConfig config;
  std::vector<ImageHistory> history;
  std::vector<Digest> diff_ids;
  int64_t created_ns = 0;
};

struct Descriptor {
  std::string media_type;
  Digest digest;
  uint64_t size = 0;
  v1::Platform platform;  // indexes
  std::map<std::string, std::string> annotations;
};

struct ManifestDocument {
  std::string media_type;
  Descriptor config;
  std::vector<Descriptor> layers;
};

// kInvalidArgument says what is wrong where in the document.
absl::StatusOr<ConfigDocument> ParseConfig(std::string_view json);
absl::StatusOr<ManifestDocument> ParseManifest(std::string_view json);
// The manifests of an index.
absl::StatusOr<std::vector<Descriptor>> ParseIndex(std::string_view json);

// Strings must be UTF-8.
std::string WriteConfig(const NewImage& image);
std::string WriteManifest(const NewImage& image, const Digest& config, uint64_t config_size);
// An index.json of an OCI layout with one image, named `reference` (empty: without a name).
std::string WriteLayoutIndex(const Descriptor& manifest, const std::string& reference);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_IMAGE_JSON_H_
