// What a build reads of a stored context itself: its build file and its ignore file.
#ifndef ZLAYER_DAEMON_BUILD_CONTEXT_FILES_H_
#define ZLAYER_DAEMON_BUILD_CONTEXT_FILES_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/dockerfile/ignore.h"
#include "registry/layer/layer_store.h"

namespace zlayer {

// The file at `path` of the context, symlinks followed within it. kNotFound where there is none,
// kInvalidArgument where it is no regular file, kResourceExhausted beyond `limit` bytes; each names
// the path.
absl::StatusOr<std::string> ReadContextFile(LayerStore& layers, const LayerRef& context,
                                            const std::string& path,
                                            size_t limit = size_t{1} << 20);

// Names of what is in a directory of the context ("" is its root) and is no directory, sorted;
// symlinks on the way are followed. kNotFound where there is no such directory.
absl::StatusOr<std::vector<std::string>> ListContextFiles(const LayerRef& context,
                                                          const std::string& directory);

// The first `size` bytes of the file at `path`, symlinks followed within the context; empty where
// there is no regular file.
absl::StatusOr<std::string> ReadContextHead(LayerStore& layers, const LayerRef& context,
                                            const std::string& path, size_t size);

// The index of the context without what `rules` ignore, as LayerStore::Add takes it. A directory
// that is ignored stays where something in it is kept.
absl::StatusOr<std::string> WithoutIgnored(const LayerIndex& context, const IgnoreRules& rules);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_CONTEXT_FILES_H_
