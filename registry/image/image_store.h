// Images: manifests, configurations and names, on top of layers and blobs. What arrived is kept
// byte for byte; what a build made is written here, the same bytes for the same input.
#ifndef ZLAYER_REGISTRY_IMAGE_IMAGE_STORE_H_
#define ZLAYER_REGISTRY_IMAGE_IMAGE_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
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
#include "registry/image/repositories.h"
#include "registry/uses/uses.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

enum class ManifestKind {
  kImage = 0,
  kIndex = 1,     // of images for several platforms
  kArtifact = 2,  // something else that a registry keeps
};

struct ImageLayer {
  Digest layer;  // its id in the LayerStore; none while nobody has read its blob (EnsureLayers)
  Digest diff_id;
  Digest digest;  // of its descriptor in the manifest
  uint64_t size = 0;
  std::string media_type;
  // Of its descriptor: where a layer that is not distributed can be had (IsForeignLayer).
  std::vector<std::string> urls;
};

// Which names the documents give to what they consist of; the rest is the same.
enum class ImageFormat {
  kOci,
  kDocker,  // manifest version 2, schema 2, which has no annotations
};

struct ImageHistory {
  int64_t created_ns = 0;
  std::string created_by;
  std::string comment;
  std::string author;
  bool empty_layer = false;
};

// What an index says of one of its manifests.
struct IndexedImage {
  Digest manifest;
  v1::Platform platform;  // empty where the index does not say
};

// An image of the store, with its documents decoded. What Get returns is an image; a list has
// indexes and artifacts, too, of which most members say nothing.
struct StoredImage {
  ManifestKind kind = ManifestKind::kImage;
  std::string name_space;  // that asked
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
  std::string source;  // where it was pulled: a registry's repository, "docker.io/library/debian"
  std::vector<IndexedImage> index;  // kIndex: what is in it
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
  // What no time in the tars of the build's own layers is later than (TarEpoch).
  std::optional<int64_t> layer_epoch;
  // Where layers of the base can be had that nobody has fetched (StoredImage.source).
  std::string source;
  ImageFormat format = ImageFormat::kOci;
  // What says of another build that it would make the same; remembered with the image's first name
  // (FindBySourceHash). Empty for nothing.
  std::string source_hash;
};

// A place in the list of a namespace's images: sorted by name, then by manifest. The name is
// normalized, or empty for an image without one: those come first.
struct ImagePosition {
  std::string name;
  Digest manifest;
};

// What is wanted of a list; all that is set must hold.
struct ImageQuery {
  // A glob (base/glob.h) over names as users write them and in full, with their tag or without.
  std::string pattern;
  bool nameless = false;  // only images without a name
  size_t limit = 100;
  ImagePosition after;
};

struct ListedImage {
  StoredImage image;
  std::string name;  // of the several that it may have, or empty
};

struct ImagePage {
  std::vector<ListedImage> images;
  // Where the next page begins, unless this is the last one. There may be nothing there.
  std::optional<ImagePosition> next;
};

// Takes a blob: its bytes in order and each once, unless they turn out to be wrong: then `restart`,
// and all of them again.
struct BlobReceiver {
  std::function<absl::Status(std::string_view)> append;
  std::function<absl::Status()> restart;

  absl::Status operator()(std::string_view data) const { return append(data); }
};

// Fetches a blob of an image that the store lacks. Called by several threads at once.
using BlobFetcher = std::function<absl::Status(const StoredImage& image, const ImageLayer& layer,
                                               const BlobReceiver& receiver, std::stop_token stop)>;

// Which images go into an archive.
struct ArchiveRequest {
  enum class Format { kOci, kDocker };
  Format format = Format::kOci;
  // What is written under a name gets that name in the archive, an image that is given by its
  // digest its first one.
  std::vector<std::string> references;
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

  // Of an index the image for `platform`, or for the host where that is empty: kNotFound, with the
  // platforms that there are, where it has none, or where the one that it has is not here.
  // kFailedPrecondition for an artifact.
  virtual absl::StatusOr<StoredImage> Get(std::string_view name_space, std::string_view reference,
                                          const v1::Platform& platform = {}) = 0;
  // What the reference means, byte for byte: an image's manifest, an index, an artifact's.
  virtual absl::StatusOr<RepositoryManifest> GetManifest(std::string_view name_space,
                                                         std::string_view reference) = 0;
  // Makes the layers of an image known that nobody has read yet, and returns the image with them.
  // Blobs that are missing are fetched first, all at once. So are those that the image's namespace
  // has not had, whoever else has them: the registry that named them has to give them to it, too.
  // kNotFound where the image is gone;
  // kDataLoss, or what `fetch` returned, where a blob cannot be had; kInvalidArgument where one is
  // not the layer that the configuration says. Two calls for the same image share the work. Of an
  // image for Windows, layers that are not distributed stay unknown unless their blobs are here.
  virtual absl::StatusOr<StoredImage> EnsureLayers(const StoredImage& image,
                                                   const BlobFetcher& fetch,
                                                   std::stop_token stop) = 0;
  // Only the first half of that: the blobs are here. What the store can make itself is not fetched,
  // nor what is not distributed.
  virtual absl::Status EnsureBlobs(const StoredImage& image, const BlobFetcher& fetch,
                                   std::stop_token stop) = 0;
  // The same for one of its layers.
  virtual absl::Status EnsureBlob(const StoredImage& image, const ImageLayer& layer,
                                  const BlobFetcher& fetch, std::stop_token stop) = 0;
  // Images of the namespace that a registry has (`source`) with this blob as a layer, some of them.
  virtual absl::StatusOr<std::vector<StoredImage>> FindPulled(std::string_view name_space,
                                                              const Digest& blob) = 0;
  // One entry a name. kInvalidArgument: the pattern is malformed.
  virtual absl::StatusOr<ImagePage> List(std::string_view name_space, const ImageQuery& query) = 0;
  // Writes configuration and manifest and names the image (without a tag it stays, nameless). The
  // same image makes the same bytes. A base layer whose image was removed meanwhile, and its blob
  // with it, is described like one that the build made.
  virtual absl::StatusOr<StoredImage> Commit(std::string_view name_space, const NewImage& image,
                                             const std::vector<std::string>& tags) = 0;
  // The image that has this name and got it, as its first one, by a commit with this hash.
  // kNotFound where the name means something else by now.
  virtual absl::StatusOr<StoredImage> FindBySourceHash(std::string_view name_space,
                                                       std::string_view name,
                                                       std::string_view source_hash) = 0;
  // A name that is taken moves; the image that had it stays, nameless if that was its last name.
  virtual absl::StatusOr<StoredImage> Tag(std::string_view name_space, std::string_view source,
                                          std::string_view target) = 0;
  // Takes a name from an image, which stays, nameless after its last one.
  virtual absl::StatusOr<StoredImage> Untag(std::string_view name_space, std::string_view name) = 0;
  // Removes a name; by digest, the image's name: kFailedPrecondition where it has several, unless
  // `force` is set. The image goes with its last name in any namespace, and with it the blobs that
  // nothing else needs. Layers, and blobs that file contents are read from, stay for whatever
  // shares them.
  virtual absl::StatusOr<TagRemoval> Remove(std::string_view name_space, std::string_view reference,
                                            bool force) = 0;
  // Takes an OCI archive, a Docker archive or a root filesystem tar; see image.proto. `reference`
  // may be empty but for a root filesystem: images get the names that the archive has for them, or
  // none. All or nothing. Returns each image once; its references are the names that it got.
  // kInvalidArgument says what is wrong with the archive.
  virtual absl::StatusOr<std::vector<StoredImage>> Import(std::string_view name_space,
                                                          const ContentFile& archive,
                                                          std::string_view reference,
                                                          std::stop_token stop) = 0;
  // Streams an archive; the same images under the same references make the same bytes, in whatever
  // order they are given. An error of `sink` ends it and is returned. An OCI archive has no layers
  // that are not distributed; a Docker archive, which must have all, is kFailedPrecondition where
  // the blob of one is not here.
  virtual absl::Status Export(std::string_view name_space, const ArchiveRequest& wanted,
                              const std::function<absl::Status(std::string_view)>& sink,
                              std::stop_token stop) = 0;

  // For the garbage collector. Removes, in all namespaces, the images that have had no name since
  // `before_ns`, but not what was handed out since `since`. Returns how many went.
  virtual absl::StatusOr<size_t> RemoveNameless(int64_t before_ns, Uses::Stamp since) = 0;
  // The same of one image. Returns its blobs, which may be needed elsewhere (DropUnusedBlobs);
  // nothing where it stays.
  virtual absl::StatusOr<std::vector<Digest>> RemoveIfNameless(const Digest& manifest,
                                                               int64_t before_ns,
                                                               Uses::Stamp since) = 0;
  // Unlinks those of `blobs` that neither a row nor work under way needs.
  virtual absl::Status DropUnusedBlobs(const std::vector<Digest>& blobs) = 0;
};

// The stores of `parts` must outlive the image store.
struct ImageParts;
std::unique_ptr<ImageStore> OpenImageStore(const ImageParts& parts);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_IMAGE_STORE_H_
