// Images: manifests, configurations and names, on top of layers and blobs. What arrived is kept
// byte for byte; what a build made is written here, the same bytes for the same input.
#ifndef ZLAYER_REGISTRY_IMAGE_IMAGE_STORE_H_
#define ZLAYER_REGISTRY_IMAGE_IMAGE_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "registry/content/content_store.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

class BlobStore;
class Database;
class LayerStore;

struct ImageLayer {
  Digest layer;  // its id in the LayerStore
  Digest diff_id;
  Digest digest;  // of its descriptor in the manifest
  uint64_t size = 0;
  std::string media_type;
};

struct ImageHistory {
  int64_t created_ns = 0;
  std::string created_by;
  std::string comment;
  std::string author;
  bool empty_layer = false;
};

// An image of the store, with its documents decoded.
struct StoredImage {
  Digest manifest;
  Digest config_digest;
  std::string manifest_json;
  std::string config_json;
  v1::Platform platform;
  v1::ImageConfig config;
  std::vector<ImageHistory> history;
  std::vector<ImageLayer> layers;  // lowest first
  int64_t created_ns = 0;
  uint64_t size = 0;                    // sum of the layers' descriptor sizes
  std::vector<std::string> references;  // of the namespace that asked, normalized, sorted
};

// What a build made: to be written as configuration and manifest. Layers carry their diff ids.
struct NewImage {
  v1::Platform platform;
  v1::ImageConfig config;
  std::vector<ImageHistory> history;
  std::vector<ImageLayer> layers;
  int64_t created_ns = 0;
  std::map<std::string, std::string> annotations;
};

struct TagRemoval {
  std::vector<std::string> untagged;  // normalized
  std::optional<Digest> removed;      // the image that lost its last name
};

// Thread-safe. "Reference" is what a user wrote: a name that is normalized here, or a manifest or
// configuration digest ("sha256:..." or at least 12 hex digits). kNotFound names it as written.
class ImageStore {
 public:
  virtual ~ImageStore() = default;

  virtual absl::StatusOr<StoredImage> Get(std::string_view name_space,
                                          std::string_view reference) = 0;
  // Sorted by reference.
  virtual absl::StatusOr<std::vector<StoredImage>> List(std::string_view name_space) = 0;
  // Writes configuration and manifest and names the image (without a tag it stays, nameless).
  virtual absl::StatusOr<StoredImage> Commit(std::string_view name_space, const NewImage& image,
                                             const std::vector<std::string>& tags) = 0;
  virtual absl::StatusOr<StoredImage> Tag(std::string_view name_space, std::string_view source,
                                          std::string_view target) = 0;
  virtual absl::StatusOr<TagRemoval> Remove(std::string_view name_space,
                                            std::string_view reference) = 0;
  // Takes an OCI archive or a root filesystem tar; see image.proto. `reference` may be empty for an
  // OCI archive. All or nothing.
  virtual absl::StatusOr<std::vector<StoredImage>> Import(std::string_view name_space,
                                                          const ContentFile& archive,
                                                          std::string_view reference,
                                                          std::stop_token stop) = 0;
  // Streams an OCI archive.
  virtual absl::Status Export(std::string_view name_space, std::string_view reference,
                              const std::function<absl::Status(std::string_view)>& sink,
                              std::stop_token stop) = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_IMAGE_STORE_H_
