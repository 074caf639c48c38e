// The tar of a layer, made from its index and contents: tar format 1 (base/tar_writer.h), the same
// bytes on every machine.
//
// Entries are in index order, implied parents among them; the root directory is "./". A whiteout
// of dir/name is the empty file dir/.wh.name, an opaque directory is followed by an empty file
// .wh..wh..opq in it; these have mode, owner and time 0. A hard link names its leader and repeats
// its metadata.
#ifndef ZLAYER_REGISTRY_LAYER_LAYER_TAR_H_
#define ZLAYER_REGISTRY_LAYER_LAYER_TAR_H_

#include <absl/status/status.h>

#include <functional>
#include <stop_token>
#include <string_view>

#include "registry/layer/index.h"
#include "registry/layer/tree.h"

namespace zlayer {

// Changes whenever the same layer would give other bytes; stored with each diff id.
inline constexpr int kTarFormat = 1;

// Contents are checked against their digests while they stream (kDataLoss); the first error of
// `sink` ends the writing and is returned.
absl::Status WriteLayerTar(const LayerIndex& layer, const ContentOpener& open,
                           const std::function<absl::Status(std::string_view)>& sink,
                           std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_LAYER_TAR_H_
