// Places in a root filesystem that a container's own mounts need: they must exist while a process
// runs, and must not be in the layer that it makes.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_MOUNT_POINTS_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_MOUNT_POINTS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "registry/layer/rootfs.h"

namespace zlayer {

// What of /proc, /sys, /dev, /etc/hosts and /etc/resolv.conf the view lacks, links followed, with
// missing parents, in the form of ContainerRun.mount_points.
absl::StatusOr<std::vector<std::string>> MissingMountPoints(const Rootfs& view);

// Removes from the upper directory of a run what the runtime had to make of `mount_points` because a
// layer hides the place below it; times of the directories around stay as they are.
absl::Status RemoveMountPoints(const std::string& upper,
                               const std::vector<std::string>& mount_points);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_MOUNT_POINTS_H_
