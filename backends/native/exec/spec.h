// The OCI runtime specification (config.json, runtime-spec 1.0.2) of one run.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_SPEC_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_SPEC_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "backends/native/exec/executor.h"
#include "backends/native/exec/privileges.h"

namespace zlayer {

// What a specification says beside the run itself; the same for all runs of a daemon.
struct SpecOptions {
  std::string root;         // where the root file system is mounted
  std::string resolv_conf;  // files that are bound into the container, by path
  std::string hosts;
  std::string tree_mounts;  // `<tree_mounts>/<i>` has the i-th of the run's mounts of trees
  uint64_t max_files = 0;   // the daemon's own hard limit (RLIMIT_NOFILE)
  // Of a privileged run.
  std::vector<std::string> all_capabilities;
  std::vector<DeviceNode> devices;
  // One of these: base64 of BPF, for crun's annotation; JSON, for `linux.seccomp`. Both empty: no
  // filter.
  std::string seccomp_bpf;
  std::string seccomp_json;
};

// JSON text. kInvalidArgument where the run cannot be said in it: no argv, a relative working
// directory, bytes that are not UTF-8, a NUL. Nothing but the annotation of ours is ever annotated.
absl::StatusOr<std::string> BuildSpec(const ContainerRun& run, const SpecOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_SPEC_H_
