// Runs processes in containers. A separate, single-threaded process does it: pid 1 of a pid and
// mount namespace of its own, forked before the daemon has threads. However the daemon dies, that
// process ends every step, with its mounts and scratch files; threads of the daemon never fork.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_EXECUTOR_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_EXECUTOR_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

struct ExecutorOptions {
  // Where layer trees are (`<trees>/<n>`); scratch directories must be on the same filesystem.
  std::string trees_directory;
  // An OCI runtime, by path or name in PATH; empty: the first of crun and runc that is there.
  std::string runtime;
};

// Something mounted over what the root filesystem has.
struct ContainerMount {
  enum class Kind {
    kTrees,      // layers, or a file or directory of them
    kDirectory,  // a directory of the machine
    kTmpfs,
  };
  Kind kind = Kind::kTmpfs;
  // Absolute and clean. Of two mounts on one target, the container's own included, the later is
  // made. Where it lies in another mount, the runtime makes what is missing there.
  std::string target;
  // Else what is written to trees goes into a directory that is thrown away.
  bool read_only = false;
  std::vector<uint64_t> lower;  // kTrees: lowest first; none to 498
  // kTrees: what of them, relative, clean and without links on the way; empty is all. kDirectory:
  // an absolute path.
  std::string source;
  uint64_t size_bytes = 0;       // kTmpfs; 0: half of the machine's memory
  std::optional<uint32_t> mode;  // kTmpfs, of its root; else 01777
};

// One process to run.
struct ContainerRun {
  std::string id;               // unique among live runs, [a-z0-9-]
  std::vector<uint64_t> lower;  // trees, lowest first; none to 499
  // An empty directory that this run owns, by absolute path. It gets `upper` (the changes that the
  // process made, in overlayfs's form), and holds nothing else when the run is over. The executor
  // removes it if the daemon dies.
  std::string scratch;
  // Mount points that the merged lower layers lack, with symlinks resolved: directories and, where
  // a path does not end with '/', empty files; relative to the root, parents first. They are put
  // below all layers, so that `upper` does not show them. Always mounted on: proc, dev, sys,
  // etc/hosts, etc/resolv.conf.
  std::vector<std::string> mount_points;
  std::vector<ContainerMount> mounts;  // in this order, after the container's own

  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::string working_directory;  // absolute, exists
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> additional_gids;
  bool host_network = false;  // else none
  // All capabilities of the daemon, no system call filter, nothing of /proc and /sys masked or read
  // only, devices: the process can do to the machine what root can.
  bool privileged = false;
  std::string hostname = "zlayer";
  // Contents of /etc/resolv.conf and /etc/hosts in the container.
  std::string resolv_conf;
  std::string hosts;
};

// A program of the machine's own (git) on files from outside. It runs as nobody (65534), without
// capabilities or ways to get some, in mount, pid and ipc namespaces of its own, with the machine's
// network. It sees /usr, /etc and what belongs to them, read-only, and nothing else of the machine.
struct ProgramRun {
  std::string id;                 // as ContainerRun::id
  std::vector<std::string> argv;  // the program by absolute path
  std::vector<std::string> env;   // complete
  // The one directory that it can write to, and its working directory: /work there, by absolute
  // path here. All of it becomes nobody's. The executor removes it if the daemon dies.
  std::string scratch;
  // Read-only files in memory: /run/NAME has CONTENT. For what must reach neither the disk nor a
  // command line.
  std::map<std::string, std::string> files;
  uint64_t max_bytes = 0;    // of the disk, below `scratch`
  uint32_t max_seconds = 0;  // of time
};

struct ContainerExit {
  int exit_code = 0;  // 0 to 255; 128 + signal for a process that was killed
  // MonotonicNs() when all was mounted and the runtime began; 0 for a program.
  int64_t mounted_ns = 0;
};

// Thread-safe; runs go on side by side.
class Executor {
 public:
  // Forks the executor. Call it before any thread exists, from the main thread, which must live as
  // long as the daemon. The runtime is looked for now; a machine where none can run still gets an
  // Executor, whose `unavailable_reason` says why.
  static absl::StatusOr<std::unique_ptr<Executor>> Start(const ExecutorOptions& options);

  // Ends every run, waits for the process.
  virtual ~Executor() = default;

  // Empty where containers can run here; else why not and what to do ("neither crun nor runc is
  // installed; apt-get install crun").
  virtual std::string unavailable_reason() const = 0;
  // "crun 1.8.1": part of the keys of what was run.
  virtual std::string runtime_version() const = 0;

  // Runs to the end. `output` gets what the process writes as it comes, from the calling thread.
  // When this returns, however it does, no process and no mount of the run is left and `upper` is
  // complete. kCancelled once `stop` is requested; kUnavailable where the executor itself is gone;
  // kFailedPrecondition where the runtime could not start the process (its own words; a missing
  // program is this: "exec: \"/bin/sh\": not found").
  virtual absl::StatusOr<ContainerExit> Run(
      const ContainerRun& run,
      const std::function<void(std::string_view data, bool is_stderr)>& output,
      std::stop_token stop) = 0;

  // The same for a program: no process of it is left when this returns. kDeadlineExceeded and
  // kResourceExhausted where it went over its limits. It does not need the OCI runtime, but an
  // executor that is not unavailable.
  virtual absl::StatusOr<ContainerExit> RunProgram(
      const ProgramRun& run,
      const std::function<void(std::string_view data, bool is_stderr)>& output,
      std::stop_token stop) = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_EXECUTOR_H_
