// The life of one run, inside the process that the executor forked for it.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_RUN_PROCESS_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_RUN_PROCESS_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "backends/native/exec/runtime.h"

namespace zlayer {

// Where a run's private tmpfs has what. All of it is gone with the run's mount namespace.
struct Workspace {
  explicit Workspace(const std::string& directory)
      : directory(directory),
        merged(directory + "/root"),
        bundle(directory + "/bundle"),
        state(directory + "/state"),
        log(directory + "/log"),
        null(directory + "/null"),
        resolv_conf(directory + "/resolv.conf"),
        hosts(directory + "/hosts"),
        empty(directory + "/empty"),
        tree_mounts(directory + "/mounts") {}

  std::string directory;  // one of the machine's own, that the tmpfs covers
  std::string merged;     // where the overlay is mounted
  std::string bundle;
  std::string state;  // the runtime's
  std::string log;    // the runtime's
  std::string null;
  std::string resolv_conf;
  std::string hosts;
  std::string empty;        // a directory
  std::string tree_mounts;  // <position in Plan.tree_mounts>
};

struct RunFiles {
  int plan;
  int standard_output;
  int standard_error;
  int report;
};

// To be called by pid 1 of a pid namespace whose working directory is that of the trees. Takes a
// mount namespace, mounts, runs the container to its end, unmounts, writes the report, exits: 0
// where there is a report. SIGKILL ends it and everything in it at any point.
[[noreturn]] void RunInOwnProcess(const Runtime& runtime, const Workspace& workspace,
                                  const RunFiles& files);

// Leaves an exec.Report of how a run ended and exits as said above.
[[noreturn]] void WriteReport(const absl::StatusOr<int>& exit_code, int file,
                              int64_t mounted_ns = 0);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_RUN_PROCESS_H_
