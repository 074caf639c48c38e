// Layers in their three forms. The index always exists; the tree and the diff id are made when
// something needs them; a tar is never stored but where one arrived (registry/blob keeps what
// arrives), because index and contents make the same bytes again.
#ifndef ZLAYER_REGISTRY_LAYER_LAYER_STORE_H_
#define ZLAYER_REGISTRY_LAYER_LAYER_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "registry/content/content_store.h"
#include "registry/layer/index.h"
#include "registry/layer/layer_tar.h"
#include "registry/layer/tree.h"
#include "registry/meta/database.h"
#include "registry/uses/uses.h"

namespace zlayer {

// A layer of the store; its index stays mapped as long as the object lives.
using LayerRef = std::shared_ptr<const LayerIndex>;

// A tar of a layer, from an offset on.
struct WantedTar {
  WantedTar(const Digest& digest, uint64_t offset = 0) : diff_id(digest), from(offset) {}
  Digest diff_id;
  uint64_t from = 0;
};

// Thread-safe. Two calls for the same layer share the work.
class LayerStore {
 public:
  virtual ~LayerStore() = default;

  // Adds a layer whose contents are all in the content store (or in `tree`, see below). Adding what
  // is there already changes nothing and returns the stored one. The serialized index must come
  // from LayerIndexBuilder::Serialize.
  //
  // `tree`: empty, or an absolute path of a directory on the store's filesystem with the layer in
  // overlayfs's form (whiteouts as 0:0 character devices, trusted.overlay.opaque=y), which the
  // store takes over by renaming it. A layer that is there already without a tree gets it; where it
  // is not needed it is removed. After an error it may be gone or not.
  virtual absl::StatusOr<LayerRef> Add(std::string_view serialized_index,
                                       const std::string& tree) = 0;

  // Makes a layer of a directory, the upper one of a RUN: reads each file once, for its digest and
  // the tar's, and takes the directory over as Add does. Errors are also those of ScanTree.
  virtual absl::StatusOr<LayerRef> AddTree(const std::string& tree, std::stop_token stop) = 0;

  // kNotFound where there is no such layer.
  virtual absl::StatusOr<LayerRef> Get(const Digest& id) = 0;

  // Makes the layer's tree where it has none; returns its number: the tree is the directory
  // `<trees_directory()>/<number>`.
  virtual absl::StatusOr<uint64_t> EnsureTree(const LayerRef& layer, std::stop_token stop) = 0;
  virtual const std::string& trees_directory() const = 0;

  // Streams the tar through the digest the first time, remembers it: the layer's index is opened
  // then only. For a layer that arrived as a tar, without an epoch: that tar's. kNotFound where
  // there is no such layer.
  virtual absl::StatusOr<TarIdentity> EnsureTarIdentity(const Digest& layer, TarEpoch epoch,
                                                        std::stop_token stop) = 0;
  // Length of this tar of the layer; nothing where neither EnsureTarIdentity nor SetTarIdentity
  // named it. kNotFound where there is no such layer.
  virtual absl::StatusOr<std::optional<uint64_t>> TarSize(const Digest& layer,
                                                          const Digest& diff_id) = 0;
  // Says what the tar of an imported layer is, with its verbatim digest and length. A layer that
  // has a tar identity already keeps that: what was built on it refers to it. kNotFound where there
  // is no such layer.
  virtual absl::Status SetTarIdentity(const Digest& layer, const TarIdentity& tar) = 0;

  // Generates the tar (tar format 1) with this diff id, or its end, which the caller compares with
  // what it got. kDataLoss where the layer has no such tar, kFailedPrecondition for one that
  // arrived: its blob is the tar.
  virtual absl::Status WriteTar(const LayerRef& layer, const WantedTar& wanted,
                                const std::function<absl::Status(std::string_view)>& sink,
                                std::stop_token stop) = 0;

  // Content of a file of the layer, from wherever the store has it: the content store, else the
  // layer's tree. Metadata comes from the index only; the bytes are not checked here. kNotFound
  // names the path and layer.
  virtual absl::StatusOr<ContentFile> OpenContent(const LayerIndex& layer, const Entry& file) = 0;

  // Whether a LayerRef of it is alive, or was handed out to work that may still be under way.
  virtual bool InUse(const Digest& layer) = 0;

  // Removes those of `layers` that no row names and that were not handed out since `since`: the
  // rows in one transaction, then the files, which are moved to the directory `trash`. An index
  // without a row, as a crash leaves one, goes too. Returns what went.
  virtual absl::StatusOr<std::vector<Digest>> Remove(const std::vector<Digest>& layers,
                                                     Uses::Stamp since,
                                                     const std::string& trash) = 0;
};

// Indexes in `root`/indexes, trees in `root`/trees, scratch space in `root`/tmp, one row of the
// database for each layer. The other arguments must outlive the store.
absl::StatusOr<std::unique_ptr<LayerStore>> OpenDiskLayerStore(const std::string& root,
                                                               Database* database,
                                                               ContentStore* contents,
                                                               const Clock* clock,
                                                               const Uses* uses);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_LAYER_STORE_H_
