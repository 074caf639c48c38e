// File modes as `--chmod` writes them.
#ifndef ZLAYER_BACKENDS_GRAPH_FILE_MODE_H_
#define ZLAYER_BACKENDS_GRAPH_FILE_MODE_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace zlayer {

// `old_mode` (07777 bits) changed by `change`: octal ("755", "01777") or symbolic as chmod(1) reads
// it ("u=rwX,go=rX", "+x"; a missing who is "a", no umask applies). nullopt where `change` is
// neither.
std::optional<uint32_t> ChangeMode(std::string_view change, uint32_t old_mode, bool is_directory);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_GRAPH_FILE_MODE_H_
