// Opening below a directory without following a link or leaving it.
#ifndef ZLAYER_REGISTRY_LAYER_BENEATH_H_
#define ZLAYER_REGISTRY_LAYER_BENEATH_H_

#include <absl/status/statusor.h>

#include <string>

#include "base/unique_fd.h"

namespace zlayer {

// Opens the clean relative `path` ("" is the directory itself) below `directory` with O_CLOEXEC.
// A symlink anywhere in the path is an error, and so is a mount below the directory.
absl::StatusOr<UniqueFd> OpenBeneath(int directory, const std::string& path, int flags);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_BENEATH_H_
