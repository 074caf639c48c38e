// The merged view of a chain of layers: what a container would see, without mounting anything and
// without building anything in memory. Lookups walk the layers from the top by binary search,
// honouring whiteouts and opaque directories.
#ifndef ZLAYER_REGISTRY_LAYER_ROOTFS_H_
#define ZLAYER_REGISTRY_LAYER_ROOTFS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/layer/index.h"

namespace zlayer {

// An entry of the merged view and the layer it comes from (0 is the lowest).
struct RootfsEntry {
  Entry entry;
  size_t layer = 0;
};

// Immutable and thread-safe; copies are cheap.
class Rootfs {
 public:
  Rootfs() = default;
  // Lowest layer first.
  explicit Rootfs(std::vector<std::shared_ptr<const LayerIndex>> layers);

  const std::vector<std::shared_ptr<const LayerIndex>>& layers() const { return layers_; }
  // This view with one more layer on top.
  Rootfs With(std::shared_ptr<const LayerIndex> layer) const;
  // The view of a directory of this one (clean, no link) as if there were nothing beside it: paths,
  // those of hard links too, begin in it.
  Rootfs Below(std::string_view directory) const;
  // Where the layers have a path of this view.
  std::string PathInLayers(std::string_view path) const;

  // The entry at exactly `path` (clean, relative; symlinks in it are not followed), nullopt where
  // there is none. "" is the root: always a directory, 0755 of root where no layer says otherwise.
  std::optional<RootfsEntry> Lookup(std::string_view path) const;

  // Where `path` leads with every symlink followed, the last one too, staying below the root as
  // with chroot. Components that do not exist are kept as they are (so "a/new" can be created
  // later). kInvalidArgument after 40 links, kFailedPrecondition where a component on the way is
  // not a directory.
  absl::StatusOr<std::string> Resolve(std::string_view path) const;
  // The same, but a symlink in the last component is not followed.
  absl::StatusOr<std::string> ResolveParent(std::string_view path) const;

  // Calls `visit` for `path` and all below it, in index order, until it returns an error, which is
  // returned. Symlinks are not followed. Nothing happens where `path` does not exist.
  absl::Status Walk(std::string_view path,
                    const std::function<absl::Status(const RootfsEntry&)>& visit) const;

  // Names in a directory, sorted.
  std::vector<std::string> List(std::string_view directory) const;

 private:
  std::optional<RootfsEntry> LookupInLayers(std::string_view path) const;
  // An entry of a layer, as this view has it.
  Entry Seen(Entry entry) const;

  std::vector<std::shared_ptr<const LayerIndex>> layers_;
  std::string directory_;  // in the layers, that is this view's root
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_ROOTFS_H_
