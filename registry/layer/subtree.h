// A directory of a layer as if it were a layer of its own.
#ifndef ZLAYER_REGISTRY_LAYER_SUBTREE_H_
#define ZLAYER_REGISTRY_LAYER_SUBTREE_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <memory>
#include <string_view>

#include "registry/layer/index.h"

namespace zlayer {

struct Subtree {
  // What is below the directory, with paths relative to it; nothing of what is beside it, so a
  // symlink cannot lead there. Its contents are found as those of the layer, but by digest alone:
  // in no tree.
  std::shared_ptr<const LayerIndex> index;
  // Entry `i` of `index` is entry `first + i` of the layer.
  size_t first = 0;
};

// What is below `directory`, symlinks on the way followed within the layer; "" is all of it.
// kNotFound where there is nothing of that name, kFailedPrecondition where it is no directory; the
// message names it.
absl::StatusOr<Subtree> SubtreeOf(const std::shared_ptr<const LayerIndex>& layer,
                                  std::string_view directory);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_SUBTREE_H_
