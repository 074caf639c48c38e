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
#include "registry/content/content_file.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

class BlobStore;
class ContentStore;
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

// What a build made: to be written as configuration and manifest. A layer that came with a base
// image has all its members, as StoredImage has them. One that a build made may have `layer` alone:
// it is described by the tar that the LayerStore makes of it.
struct NewImage {
  v1::Platform platform;
  v1::ImageConfig config;
  std::vector<ImageHistory> history;
  std::vector<ImageLayer> layers;  // lowest first
  int64_t created_ns = 0;
  std::map<std::string, std::string> annotations;
};

struct TagRemoval {
  std::vector<std::string> untagged;  // normalized, sorted
  // Manifest of the image that the namespace has under no name any more.
  std::optional<Digest> removed;
};

// Thread-safe. "Reference" is what a user wrote: a name that is normalized here, or a manifest or
// configuration digest ("sha256:..." or at least 12 hex digits, after which it must be the only
// one). A name with a digest means the digest. kNotFound names it as written, kInvalidArgument says
// what is wrong with a name.
//
// A namespace sees its own images alone; those that several namespaces have are stored once.
class ImageStore {
 public:
  virtual ~ImageStore() = default;

  virtual absl::StatusOr<StoredImage> Get(std::string_view name_space,
                                          std::string_view reference) = 0;
  // Each image once, sorted by its first reference; those without one come last.
  virtual absl::StatusOr<std::vector<StoredImage>> List(std::string_view name_space) = 0;
  // Writes configuration and manifest and names the image (without a tag it stays, nameless). The
  // same image makes the same bytes. A base layer whose image was removed meanwhile, and its blob
  // with it, is described like one that the build made.
  virtual absl::StatusOr<StoredImage> Commit(std::string_view name_space, const NewImage& image,
                                             const std::vector<std::string>& tags) = 0;
  // A name that is taken moves; the image that had it stays, nameless if that was its last name.
  virtual absl::StatusOr<StoredImage> Tag(std::string_view name_space, std::string_view source,
                                          std::string_view target) = 0;
  // Removes a name; by digest, all of the image's names. The image goes with its last name in any
  // namespace, and with it the blobs that nothing else needs.
  virtual absl::StatusOr<TagRemoval> Remove(std::string_view name_space,
                                            std::string_view reference) = 0;
  // Takes an OCI archive or a root filesystem tar; see image.proto. `reference` may be empty for an
  // OCI archive: images get the names that the archive has for them, or none. All or nothing.
  // kInvalidArgument says what is wrong with the archive.
  virtual absl::StatusOr<std::vector<StoredImage>> Import(std::string_view name_space,
                                                          const ContentFile& archive,
                                                          std::string_view reference,
                                                          std::stop_token stop) = 0;
  // Streams an OCI archive; the same image under the same reference makes the same bytes. An error
  // of `sink` ends it and is returned.
  virtual absl::Status Export(std::string_view name_space, std::string_view reference,
                              const std::function<absl::Status(std::string_view)>& sink,
                              std::stop_token stop) = 0;
};

// Images in `database`, with their documents and layers in the other stores. Scratch files go to
// `tmp_directory`. The arguments must outlive the image store.
absl::StatusOr<std::unique_ptr<ImageStore>> OpenImageStore(Database* database, BlobStore* blobs,
                                                           ContentStore* contents,
                                                           LayerStore* layers, const Clock* clock,
                                                           std::string tmp_directory);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_IMAGE_STORE_H_
