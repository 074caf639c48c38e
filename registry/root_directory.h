// The root directory itself: that it is there, can be used, and is used by one process alone.
#ifndef ZLAYER_REGISTRY_ROOT_DIRECTORY_H_
#define ZLAYER_REGISTRY_ROOT_DIRECTORY_H_

#include <absl/status/statusor.h>

#include <string>

#include "base/unique_fd.h"

namespace zlayer {

// A root that this process has locked; unlocked when the object goes, and when the process ends in
// whatever way.
struct RootDirectory {
  std::string path;  // absolute, without symlinks
  UniqueFd fd;       // of the directory
  UniqueFd lock;
};

// Makes the root, 0700, and what belongs in it where they are missing, and locks it.
// kFailedPrecondition where another process has it, named by its pid, where it belongs to another
// user or others can write to it, and on overlayfs.
absl::StatusOr<RootDirectory> OpenRootDirectory(const std::string& path);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_ROOT_DIRECTORY_H_
