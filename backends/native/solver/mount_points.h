// Places in a root filesystem that a container's own mounts need.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_MOUNT_POINTS_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_MOUNT_POINTS_H_

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "registry/layer/rootfs.h"

namespace zlayer {

// What of /proc, /sys, /dev, /etc/hosts, /etc/resolv.conf and `more` (relative, a final '/' marks a
// directory) the view lacks, links followed, with missing parents, in the form of
// ContainerRun.mount_points.
absl::StatusOr<std::vector<std::string>> MissingMountPoints(
    const Rootfs& view, const std::vector<std::string>& more = {});

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_MOUNT_POINTS_H_
