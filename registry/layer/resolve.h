// Following symlinks in a view of a filesystem as chroot would.
#ifndef ZLAYER_REGISTRY_LAYER_RESOLVE_H_
#define ZLAYER_REGISTRY_LAYER_RESOLVE_H_

#include <absl/status/statusor.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "registry/layer/index.h"

namespace zlayer {

// The entry at exactly a clean path, or nullopt; only type and link target matter.
using EntryLookup = std::function<std::optional<Entry>(std::string_view path)>;

// Where `path` leads; a symlink in the last component is followed where `follow_last` is set.
// Results and errors are those of Rootfs::Resolve.
absl::StatusOr<std::string> ResolvePath(std::string_view path, bool follow_last,
                                        const EntryLookup& lookup);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_RESOLVE_H_
