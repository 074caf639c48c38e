// Several layers as one.
#ifndef ZLAYER_REGISTRY_LAYER_MERGE_LAYERS_H_
#define ZLAYER_REGISTRY_LAYER_MERGE_LAYERS_H_

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "registry/layer/index.h"
#include "registry/layer/rootfs.h"

namespace zlayer {

// The serialized index of the one layer that does on top of `below` what `layers` (lowest first) do
// there one after the other: the same merged view, with the same metadata and hard links. A
// whiteout, or an opaque directory, stays only where `below` has something for it to hide, so on
// nothing (an empty `below`) none is left. Depends on its arguments alone.
absl::StatusOr<std::string> MergeLayers(
    const std::vector<std::shared_ptr<const LayerIndex>>& layers, const Rootfs& below);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_MERGE_LAYERS_H_
