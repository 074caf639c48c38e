#include "daemon/build/run_defaults.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/index.h"

namespace zlayer {
namespace {

constexpr size_t kMaxId = 256;

std::string TargetOf(const v1::Mount& mount) { return "/" + CleanPath(mount.target()); }

absl::Status CheckMount(const v1::Mount& mount) {
  const std::string shown = ToUtf8(mount.target().substr(0, 100));
  if (mount.type() != v1::Mount::CACHE) {
    return InvalidArgument(fmt::format("the mount at \"{}\" is not of type cache", shown));
  }
  if (!mount.target().starts_with('/') || TargetOf(mount) == "/") {
    return InvalidArgument(
        fmt::format("the target \"{}\" is not an absolute path below \"/\"", shown));
  }
  if (mount.has_from() || !mount.source().empty()) {
    return InvalidArgument(fmt::format(
        "the mount at \"{}\" is from somewhere, but one for every RUN begins empty", shown));
  }
  if (mount.id().empty() && TargetOf(mount).size() > kMaxId) {
    return InvalidArgument(fmt::format(
        "the mount at \"{}\" has no id, and its target is longer than the {} bytes of one", shown,
        kMaxId));
  }
  return absl::OkStatus();
}

void AddMissing(const v1::BuildSpec& spec, v1::Run* run) {
  std::set<std::string> targets;
  for (const v1::Mount& mount : run->mounts()) {
    targets.insert(TargetOf(mount));
  }
  for (const v1::Mount& mount : spec.default_cache_mounts()) {
    if (targets.insert(TargetOf(mount)).second) {
      v1::Mount* added = run->add_mounts();
      *added = mount;
      if (added->id().empty()) {
        added->set_id(TargetOf(mount));
      }
    }
  }
}

}  // namespace

absl::Status CheckRunDefaults(const v1::BuildSpec& spec) {
  std::set<std::string> targets;
  for (const v1::Mount& mount : spec.default_cache_mounts()) {
    RETURN_IF_ERROR(CheckMount(mount));
    if (!targets.insert(TargetOf(mount)).second) {
      return InvalidArgument(
          fmt::format("two mounts have the target \"{}\"", ToUtf8(TargetOf(mount).substr(0, 100))));
    }
  }
  return absl::OkStatus();
}

void ApplyRunDefaults(const v1::BuildSpec& spec, v1::Graph* graph) {
  for (v1::Stage& stage : *graph->mutable_stages()) {
    for (v1::Operation& operation : *stage.mutable_operations()) {
      if (!operation.has_run()) {
        continue;
      }
      v1::Run* run = operation.mutable_run();
      AddMissing(spec, run);
      if (spec.host_network() && run->network() == v1::NETWORK_DEFAULT) {
        run->set_network(v1::NETWORK_HOST);
      }
    }
  }
}

}  // namespace zlayer
