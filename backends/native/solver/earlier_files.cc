#include "backends/native/solver/earlier_files.h"

#include <string>
#include <utility>
#include <vector>

#include "backends/native/solver/run_mounts.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/layer/rootfs.h"

namespace zlayer {
namespace {

absl::StatusOr<std::shared_ptr<const LayerIndex>> SelectAgain(Store& store,
                                                              const FilesOrigin& origin) {
  std::vector<LayerRef> layers;
  for (const Digest& id : origin.layers) {
    ASSIGN_OR_RETURN(LayerRef layer, store.layers().Get(id));
    layers.push_back(std::move(layer));
  }
  ASSIGN_OR_RETURN(std::string selected,
                   SelectTree(Rootfs(std::move(layers)), origin.path, origin.reset_owner));
  return LayerIndex::FromBytes(std::move(selected));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LayerIndex>> FindEarlierFiles(Store& store,
                                                                   const KeyScope& scope,
                                                                   const Digest& content,
                                                                   const FilesOrigin& origin) {
  ASSIGN_OR_RETURN(LayerRef layer, RecordedLayer(store, FileKey(scope, content)));
  if (layer != nullptr && layer->ContentDigest() == content) {
    return layer;
  }
  if (!origin.layers.empty()) {
    ASSIGN_OR_RETURN(std::shared_ptr<const LayerIndex> files, SelectAgain(store, origin));
    if (files->ContentDigest() == content) {
      return files;
    }
  }
  return NotFound("the files are gone");
}

}  // namespace zlayer
