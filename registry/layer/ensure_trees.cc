#include "registry/layer/ensure_trees.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "base/parallel.h"
#include "base/status_macros.h"

namespace zlayer {

absl::StatusOr<std::vector<uint64_t>> EnsureTrees(LayerStore& store,
                                                  const std::vector<LayerRef>& layers,
                                                  std::stop_token stop) {
  constexpr size_t kThreads = 4;  // more wait for the same disk
  std::vector<LayerRef> filled;
  std::copy_if(layers.begin(), layers.end(), std::back_inserter(filled),
               [](const LayerRef& layer) { return layer->size() > 0; });
  std::vector<uint64_t> trees(filled.size());
  RETURN_IF_ERROR(ForEachInParallel(
      filled.size(), kThreads, std::move(stop),
      [&](size_t i, std::stop_token stopped) -> absl::Status {
        ASSIGN_OR_RETURN(trees[i], store.EnsureTree(filled[i], std::move(stopped)));
        return absl::OkStatus();
      }));
  return trees;
}

}  // namespace zlayer
