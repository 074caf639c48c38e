// A layer's tree: a directory in overlayfs's form, that is with whiteouts as 0:0 character devices
// and trusted.overlay.opaque=y on opaque directories. Both directions work relative to open
// directories and follow no link. They need the privileges to make devices, to give files away,
// and for trusted xattrs.
#ifndef ZLAYER_REGISTRY_LAYER_TREE_H_
#define ZLAYER_REGISTRY_LAYER_TREE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <stop_token>
#include <string>

#include "registry/content/content_file.h"
#include "registry/layer/index.h"

namespace zlayer {

// Opens the content of a file of a layer.
using ContentOpener = std::function<absl::StatusOr<ContentFile>(const Entry& file)>;

// Reads a directory in overlayfs's form (the upper directory of a RUN) into `builder`: contents
// digested, whiteouts and opaque marks recognised, hard links grouped, sockets left out, overlay's
// and SELinux's xattrs dropped. The root directory's own metadata is not an entry. Nothing may
// change the tree meanwhile: kFailedPrecondition names a file that changed its size.
// kInvalidArgument names a path that an index cannot hold.
absl::Status ScanTree(const std::string& directory, LayerIndexBuilder* builder,
                      std::stop_token stop);

// The same without the digests of contents: no file is opened.
absl::Status ListTree(const std::string& directory, LayerIndexBuilder* builder,
                      std::stop_token stop);

// Writes one layer as a tree: metadata from the index, bytes from `open`, checked against their
// digests (kDataLoss) unless they are verified. `directory` exists and is empty; it gets the
// metadata of the layer's root entry, else mode 0755. After an error it holds a part of the layer.
absl::Status WriteTree(const LayerIndex& layer, const ContentOpener& open,
                       const std::string& directory, std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_TREE_H_
