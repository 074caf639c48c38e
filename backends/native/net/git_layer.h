// What git checked out, as a layer.
#ifndef ZLAYER_BACKENDS_NATIVE_NET_GIT_LAYER_H_
#define ZLAYER_BACKENDS_NATIVE_NET_GIT_LAYER_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <stop_token>
#include <string>

#include "registry/store.h"

namespace zlayer {

struct GitLayerOptions {
  std::string tree;          // where it is checked out; nothing changes there
  std::string subdirectory;  // what of it becomes the root; empty for all
  bool keep_git = false;     // else `.git`, here and of submodules, is left out
  int64_t commit_time = 0;   // in seconds: the time of everything
};

// Adds the layer and its contents to the store; the tree stays as it is. Files become 0755 where
// their owner may execute them, else 0644, but for those of `.git`; directories 0755; all of them
// root's. kNotFound where the subdirectory is no directory of the tree (symlinks are not followed).
absl::StatusOr<LayerRef> AddGitLayer(Store* store, const GitLayerOptions& options,
                                     std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_NET_GIT_LAYER_H_
