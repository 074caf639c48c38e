// The overlay file system that one run stands on.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_OVERLAY_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_OVERLAY_H_

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backends/native/exec/hidden_stubs.h"
#include "base/unique_fd.h"

namespace zlayer {

// Overlayfs takes 500; one is for mount points.
inline constexpr size_t kMaxLowerLayers = 499;

struct OverlayOptions {
  // Directories by number in the working directory, lowest first; at most kMaxLowerLayers.
  std::vector<uint64_t> lower;
  std::string scratch;                    // as in ContainerRun
  std::vector<std::string> mount_points;  // as in ContainerRun
  std::string merged;                     // an existing directory to mount on
};

struct TreesOptions {
  std::vector<uint64_t> lower;  // as in OverlayOptions, but one less at most
  std::string empty;            // an empty directory, by a path without ':' and ','
  // A directory for what is written; empty: nothing can be.
  std::string scratch;
  std::string target;  // an existing directory to mount on
};

// Mounts layers without a run on them. The mount goes with the caller's mount namespace.
absl::Status MountTrees(const TreesOptions& options);

class Overlay {
 public:
  // Makes `upper` (with the mode, owner and times of the topmost lower root), `work` and, where
  // there are mount points or no lower layers, `stub`; mounts; makes the mount points that layers
  // hide (below an opaque directory or a whiteout). /proc must be that of the caller's pid
  // namespace. On an error the mount may be there: it goes with the caller's mount namespace.
  absl::Status Mount(const OverlayOptions& options);

  // Unmounts, and takes the hidden mount points out of `upper`, with the times of their directories
  // restored. `work` and `stub` stay.
  absl::Status Unmount();

 private:
  std::string merged_;
  UniqueFd upper_;
  HiddenStubs hidden_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_OVERLAY_H_
