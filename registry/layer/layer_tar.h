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
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string_view>

#include "base/digest.h"
#include "registry/layer/index.h"
#include "registry/layer/tree.h"

namespace zlayer {

// Changes whenever the same layer would give other bytes; stored with each diff id.
inline constexpr int kTarFormat = 1;

// A layer's tar: its digest (the diff id) and length.
struct TarIdentity {
  Digest diff_id;
  uint64_t size = 0;
};

// What no time in a layer's tar is later than, in seconds since 1970 (SOURCE_DATE_EPOCH); earlier
// times stay. None leaves all as they are.
using TarEpoch = std::optional<int64_t>;

struct LayerTar {
  const LayerIndex& layer;
  ContentOpener open;
  TarEpoch epoch;
  uint64_t from = 0;  // WriteLayerTar: what is before this offset is neither written nor read
};

// What the tar is, without its bytes. Contents are checked against their digests (kDataLoss), but for
// those that are known to be right (ContentFile::verified).
absl::StatusOr<TarIdentity> DigestLayerTar(const LayerTar& source, std::stop_token stop);

// The same for a layer under way, whose contents are not known yet: the one read of each file gives
// both its digest, which is set in `builder`, and its share of the tar's. Errors of `builder` are
// those of Serialize.
absl::StatusOr<TarIdentity> DigestContents(LayerIndexBuilder* builder, const ContentOpener& open,
                                           std::stop_token stop);

// Contents are not checked: whoever takes the whole tar compares its digest, which proves them all.
// The first error of `sink` ends the writing and is returned.
absl::Status WriteLayerTar(const LayerTar& source,
                           const std::function<absl::Status(std::string_view)>& sink,
                           std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_LAYER_TAR_H_
