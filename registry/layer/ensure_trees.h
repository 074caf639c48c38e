// The trees that a command stands on.
#ifndef ZLAYER_REGISTRY_LAYER_ENSURE_TREES_H_
#define ZLAYER_REGISTRY_LAYER_ENSURE_TREES_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <stop_token>
#include <vector>

#include "registry/layer/layer_store.h"

namespace zlayer {

// The trees of those of `layers` that have entries, in their order. Missing ones are made side by
// side. Errors are those of LayerStore::EnsureTree.
absl::StatusOr<std::vector<uint64_t>> EnsureTrees(LayerStore& store,
                                                  const std::vector<LayerRef>& layers,
                                                  std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_ENSURE_TREES_H_
