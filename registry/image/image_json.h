// The OCI documents as text (image-spec 1.1: config.md, manifest.md; Docker's additions to the
// configuration: Healthcheck, OnBuild, Shell) to and from their decoded forms. Written documents
// have a fixed key order (BuildKit's) and no white space.
#ifndef ZLAYER_REGISTRY_IMAGE_IMAGE_JSON_H_
#define ZLAYER_REGISTRY_IMAGE_IMAGE_JSON_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <map>
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

inline constexpr std::string_view kDockerManifestMediaType =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerConfigMediaType =
    "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerTarMediaType =
    "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view kDockerForeignTarMediaType =
    "application/vnd.docker.image.rootfs.foreign.diff.tar";
inline constexpr std::string_view kNondistributableTarMediaType =
    "application/vnd.oci.image.layer.nondistributable.v1.tar";

// Annotations of an OCI layout's index that name an image: a tag, or whatever the tool that wrote
// it was told; and containerd's and BuildKit's, a normalized reference.
inline constexpr std::string_view kRefNameAnnotation = "org.opencontainers.image.ref.name";
inline constexpr std::string_view kImageNameAnnotation = "io.containerd.image.name";

// Larger documents are refused.
inline constexpr size_t kMaxManifestBytes = size_t{4} << 20;
inline constexpr size_t kMaxConfigBytes = size_t{8} << 20;
inline constexpr int kMaxIndexDepth = 4;

struct ConfigDocument {
  v1::Platform platform;
  v1::ImageConfig config;
  std::vector<ImageHistory> history;
  std::vector<Digest> diff_ids;
  int64_t created_ns = 0;  // 0 where the document does not say
};

struct Descriptor {
  std::string media_type;
  Digest digest;
  uint64_t size = 0;
  v1::Platform platform;  // in indexes; empty where the index does not say
  std::map<std::string, std::string> annotations;
  std::vector<std::string> urls;
  // All that an index says of it, with what these members have no place for (KeepEntries).
  std::string json;
};

struct ManifestDocument {
  std::string media_type;
  Descriptor config;
  std::vector<Descriptor> layers;
};

// A manifest of any kind, as far as a registry looks into it.
struct AnyManifest {
  ManifestKind kind = ManifestKind::kImage;
  std::string media_type;
  Descriptor config;                  // not of an index
  std::vector<Descriptor> layers;     // or an artifact's blobs
  std::vector<Descriptor> manifests;  // kIndex
  Digest subject;                     // none where it is about no other manifest
  std::string artifact_type;          // where it says none, its configuration's media type
  std::map<std::string, std::string> annotations;
};

// An image of a Docker archive's manifest.json. Paths are of the archive.
struct DockerArchiveImage {
  std::string config;
  std::vector<std::string> names;   // familiar ("app:v1"); none for an image without one
  std::vector<std::string> layers;  // tars, lowest first
};

// kInvalidArgument for an index that lies within more than kMaxIndexDepth others: whoever follows
// indexes into each other asks.
absl::Status CheckIndexDepth(int depth);

// Docker's media types ("application/vnd.docker....") count as the OCI types that they became.
bool IsManifestMediaType(std::string_view media_type);
bool IsIndexMediaType(std::string_view media_type);
bool IsConfigMediaType(std::string_view media_type);
// A filesystem layer, compressed in whatever way.
bool IsLayerMediaType(std::string_view media_type);
// One that is not distributed: its bytes stay where its descriptor says.
bool IsForeignLayer(std::string_view media_type);

// kInvalidArgument says what is wrong where in the document. What these forms have no place for is
// passed over.
absl::StatusOr<ConfigDocument> ParseConfig(std::string_view json);
absl::StatusOr<ManifestDocument> ParseManifest(std::string_view json);
// `media_type` is what it came as; empty: its own. kInvalidArgument also where the two differ, and
// for media types other than OCI's and Docker's.
absl::StatusOr<AnyManifest> ParseAnyManifest(std::string_view media_type, std::string_view json);
// The manifests of an index (an OCI index or Docker's manifest list).
absl::StatusOr<std::vector<Descriptor>> ParseIndex(std::string_view json);
// A Docker archive's manifest.json.
absl::StatusOr<std::vector<DockerArchiveImage>> ParseDockerArchive(std::string_view json);

// What a layer is called in a manifest of the format. Docker's names stay in OCI's manifests, which
// every reader takes.
std::string LayerMediaTypeIn(ImageFormat format, std::string_view media_type);

// Strings should be UTF-8: other bytes become U+FFFD.
std::string WriteConfig(const NewImage& image);
std::string WriteManifest(const NewImage& image, const Digest& config, uint64_t config_size);
// An image of an OCI layout, named `reference` (normalized; empty: without a name): both
// annotations above. The descriptor's own annotations are not written.
struct LayoutEntry {
  Descriptor manifest;
  std::string reference;
};
// An image's manifest, which was parsed before, in this format and with its layers in another form.
std::string WithLayers(ImageFormat format, std::string_view manifest_json,
                       const std::vector<ImageLayer>& layers);
// Fills in `json` of the manifests of an index, which were parsed from it, in its order.
void KeepEntries(std::string_view index_json, std::vector<Descriptor>* manifests);
// An index of images, with their annotations, sizes, platforms; annotations of its own. What is
// else in `json` of a manifest stays, but for what is true of one digest alone ("data", "urls")
// where that is another one now. So does what is else in `index_json`, an index that was parsed
// before, which this one is made of.
std::string WriteIndex(const std::vector<Descriptor>& manifests,
                       const std::map<std::string, std::string>& annotations,
                       std::string_view index_json = "");
// An index.json of an OCI layout.
std::string WriteLayoutIndex(const std::vector<LayoutEntry>& entries);
std::string WriteDockerArchive(const std::vector<DockerArchiveImage>& images);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_IMAGE_JSON_H_
