#include "backends/native/exec/executor.h"

#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdlib>
#include <utility>

#include "backends/native/exec/overlay.h"
#include "backends/native/exec/privileges.h"
#include "backends/native/exec/process.h"
#include "backends/native/exec/run_call.h"
#include "backends/native/exec/run_process.h"
#include "backends/native/exec/runtime.h"
#include "backends/native/exec/seccomp.h"
#include "backends/native/exec/server.h"
#include "backends/native/exec/spec.h"
#include "backends/native/exec/wire.h"
#include "base/base64.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "exec.pb.h"

namespace zlayer {
namespace {

constexpr timeval kSendLimit = {10, 0};
constexpr int kEndLimitMs = 30'000;

struct ForkedServer {
  UniqueFd socket;
  UniqueFd process;  // a pidfd
  pid_t pid = 0;
};

// Reports why on a machine where containers cannot run.
class UnavailableExecutor : public Executor {
 public:
  explicit UnavailableExecutor(std::string reason) : reason_(std::move(reason)) {}

  std::string unavailable_reason() const override { return reason_; }
  std::string runtime_version() const override { return ""; }
  absl::StatusOr<ContainerExit> Run(const ContainerRun&,
                                    const std::function<void(std::string_view, bool)>&,
                                    std::stop_token) override {
    return FailedPrecondition(reason_);
  }
  absl::StatusOr<ContainerExit> RunProgram(const ProgramRun&,
                                           const std::function<void(std::string_view, bool)>&,
                                           std::stop_token) override {
    return FailedPrecondition(reason_);
  }

 private:
  const std::string reason_;
};

class ProcessExecutor : public Executor {
 public:
  ProcessExecutor(ForkedServer server, const ServerOptions& options, SpecOptions spec)
      : server_(std::move(server)),
        version_(options.runtime.version),
        workspace_(options.workspace),
        spec_(std::move(spec)) {}
  ~ProcessExecutor() override;

  std::string unavailable_reason() const override { return ""; }
  std::string runtime_version() const override { return version_; }
  absl::StatusOr<ContainerExit> Run(
      const ContainerRun& run,
      const std::function<void(std::string_view data, bool is_stderr)>& output,
      std::stop_token stop) override;
  absl::StatusOr<ContainerExit> RunProgram(
      const ProgramRun& run,
      const std::function<void(std::string_view data, bool is_stderr)>& output,
      std::stop_token stop) override;

 private:
  absl::Status Check(const ContainerRun& run) const;
  absl::Status CheckPlace(const std::string& id, const std::string& scratch) const;
  absl::StatusOr<ContainerExit> Call(
      const exec::Order& order, std::string_view plan,
      const std::function<void(std::string_view data, bool is_stderr)>& output,
      const std::stop_token& stop);

  const ForkedServer server_;
  const std::string version_;
  const std::string workspace_;
  const SpecOptions spec_;
  std::atomic<uint64_t> next_number_{1};
};

ProcessExecutor::~ProcessExecutor() {
  shutdown(server_.socket.get(), SHUT_RDWR);
  pollfd process = {server_.process.get(), POLLIN, 0};
  if (poll(&process, 1, kEndLimitMs) == 0) {
    kill(server_.pid, SIGKILL);
  }
  WaitFor(server_.pid);
}

absl::Status ProcessExecutor::CheckPlace(const std::string& id, const std::string& scratch) const {
  if (id.empty() || id.size() > 128 ||
      id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
    return InvalidArgument(fmt::format("\"{}\" is no name for a run", ToUtf8(id)));
  }
  if (!scratch.starts_with('/') || scratch.size() >= PATH_MAX) {
    return InvalidArgument("the scratch directory of a run must be an absolute path");
  }
  if (scratch.starts_with(workspace_ + "/")) {
    return FailedPrecondition(
        fmt::format("the scratch directory {} is below {}, which containers' "
                    "files hide; keep the data elsewhere",
                    ToUtf8(scratch), workspace_));
  }
  return absl::OkStatus();
}

absl::Status ProcessExecutor::Check(const ContainerRun& run) const {
  RETURN_IF_ERROR(CheckPlace(run.id, run.scratch));
  if (run.lower.size() > kMaxLowerLayers) {
    return FailedPrecondition(
        fmt::format("{} layers are too many to run a command on; at most {} "
                    "are possible",
                    run.lower.size(), kMaxLowerLayers));
  }
  for (const ContainerMount& mount : run.mounts) {
    if (mount.kind == ContainerMount::Kind::kTrees && mount.lower.size() >= kMaxLowerLayers) {
      return FailedPrecondition(
          fmt::format("{} layers are too many to mount on {}; at most {} can be",
                      mount.lower.size(), ToUtf8(mount.target), kMaxLowerLayers - 1));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ContainerExit> ProcessExecutor::Run(
    const ContainerRun& run, const std::function<void(std::string_view, bool)>& output,
    std::stop_token stop) {
  RETURN_IF_ERROR(Check(run));
  exec::Plan plan;
  ASSIGN_OR_RETURN(*plan.mutable_spec(), BuildSpec(run, spec_));
  plan.set_id(run.id);
  plan.mutable_lower()->Add(run.lower.begin(), run.lower.end());
  plan.set_scratch(run.scratch);
  plan.mutable_mount_points()->Add(run.mount_points.begin(), run.mount_points.end());
  for (const ContainerMount& mount : run.mounts) {
    if (mount.kind == ContainerMount::Kind::kTrees) {
      exec::TreeMount* planned = plan.add_tree_mounts();
      planned->mutable_lower()->Add(mount.lower.begin(), mount.lower.end());
      planned->set_read_only(mount.read_only);
    }
  }
  plan.set_resolv_conf(run.resolv_conf);
  plan.set_hosts(run.hosts);
  exec::Order order;
  order.set_id(run.id);
  order.set_scratch(run.scratch);
  absl::StatusOr<ContainerExit> result = Call(order, plan.SerializeAsString(), output, stop);
  // What is left of it was in no mount any more: nobody needs its content.
  for (const char* name : {"work", "stub", "mounts"}) {
    absl::Status removed = RemoveTree(fmt::format("{}/{}", run.scratch, name));
    if (result.ok() && !removed.ok()) {
      return Annotate(removed, "cleaning up after a command");
    }
  }
  return result;
}

absl::StatusOr<ContainerExit> ProcessExecutor::RunProgram(
    const ProgramRun& run, const std::function<void(std::string_view, bool)>& output,
    std::stop_token stop) {
  RETURN_IF_ERROR(CheckPlace(run.id, run.scratch));
  exec::Program program;
  program.mutable_argv()->Add(run.argv.begin(), run.argv.end());
  program.mutable_env()->Add(run.env.begin(), run.env.end());
  program.set_scratch(run.scratch);
  for (const auto& [name, content] : run.files) {
    exec::Program::File* file = program.add_files();
    file->set_name(name);
    file->set_content(content);
  }
  program.set_max_bytes(run.max_bytes);
  program.set_max_seconds(run.max_seconds);
  exec::Order order;
  order.set_id(run.id);
  order.set_scratch(run.scratch);
  order.set_program(true);
  return Call(order, program.SerializeAsString(), output, stop);
}

absl::StatusOr<ContainerExit> ProcessExecutor::Call(
    const exec::Order& order, std::string_view plan,
    const std::function<void(std::string_view, bool)>& output, const std::stop_token& stop) {
  if (stop.stop_requested()) {
    return Cancelled("the command was cancelled before it started");
  }
  RunCall call(server_.socket.get(), server_.process.get(), next_number_++);
  return call.Run(order, plan, output, stop);
}

// Of the machine's directories, one that nothing of a run's files is below: a tmpfs will cover it
// in the runs' mount namespaces.
absl::StatusOr<std::string> ChooseWorkspace(const std::string& trees, const Runtime& runtime) {
  for (const char* candidate : {"/run", "/mnt", "/media", "/srv", "/opt"}) {
    std::string prefix = fmt::format("{}/", candidate);
    struct stat status;
    if (lstat(candidate, &status) == 0 && S_ISDIR(status.st_mode) &&
        !(trees + "/").starts_with(prefix) && !runtime.path.starts_with(prefix)) {
      return candidate;
    }
  }
  return FailedPrecondition(
      "none of the directories /run, /mnt, /media, /srv and /opt exists and "
      "is free to mount on for containers");
}

// kFailedPrecondition where runs are impossible on this machine.
absl::StatusOr<ServerOptions> Prepare(const ExecutorOptions& options) {
  if (geteuid() != 0) {
    return FailedPrecondition("running containers needs root; start the daemon as root");
  }
  ServerOptions result;
  ASSIGN_OR_RETURN(result.runtime, FindRuntime(options.runtime));
  RETURN_IF_ERROR(MakeDirectories(options.trees_directory, 0700));
  char resolved[PATH_MAX];
  struct statfs status;
  if (realpath(options.trees_directory.c_str(), resolved) == nullptr ||
      statfs(resolved, &status) != 0) {
    return ErrnoError(options.trees_directory);
  }
  if (status.f_type == OVERLAYFS_SUPER_MAGIC) {
    return FailedPrecondition(fmt::format(
        "{} is on overlayfs, where containers cannot stand; put the data on a volume", resolved));
  }
  result.trees = resolved;
  ASSIGN_OR_RETURN(result.workspace, ChooseWorkspace(result.trees, result.runtime));
  return result;
}

absl::StatusOr<SpecOptions> MakeSpecOptions(const ServerOptions& options) {
  Workspace workspace(options.workspace);
  SpecOptions spec;
  spec.root = workspace.merged;
  spec.resolv_conf = workspace.resolv_conf;
  spec.hosts = workspace.hosts;
  spec.tree_mounts = workspace.tree_mounts;
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
    return ErrnoError("getrlimit");
  }
  spec.max_files = files.rlim_max;
  ASSIGN_OR_RETURN(const std::string status, ReadFile("/proc/self/status"));
  ASSIGN_OR_RETURN(spec.all_capabilities, ParseEffectiveCapabilities(status));
  spec.devices = PrivilegedDevices();
  if (options.runtime.is_crun) {
    ASSIGN_OR_RETURN(std::string program, CompileSeccompProfile());
    spec.seccomp_bpf = EncodeBase64(program);
  } else {
    spec.seccomp_json = SeccompProfileJson().dump();
  }
  return spec;
}

absl::StatusOr<ForkedServer> ForkServer(const ServerOptions& options) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoError("socketpair");
  }
  ForkedServer server;
  server.socket.Reset(ends[0]);
  UniqueFd theirs(ends[1]);
  setsockopt(server.socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendLimit, sizeof(kSendLimit));
  ASSIGN_OR_RETURN(server.pid, ForkIntoPidNamespace());
  if (server.pid == 0) {
    ServeRuns(theirs.get(), options);
  }
  theirs.Reset();
  server.process.Reset(static_cast<int>(syscall(SYS_pidfd_open, server.pid, 0)));
  auto greeting = ReceiveDatagram(server.socket.get());
  if (server.process.valid() && greeting.ok() && greeting->data == kServerReady) {
    return server;
  }
  kill(server.pid, SIGKILL);
  WaitFor(server.pid);
  RETURN_IF_ERROR(greeting.status());
  return FailedPrecondition(fmt::format("the executor process cannot work: {}", greeting->data));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Executor>> Executor::Start(const ExecutorOptions& options) {
  if (!options.trees_directory.starts_with('/')) {
    return InvalidArgument("the directory of the trees must be an absolute path");
  }
  auto start = [&]() -> absl::StatusOr<std::unique_ptr<Executor>> {
    ASSIGN_OR_RETURN(ServerOptions server, Prepare(options));
    ASSIGN_OR_RETURN(SpecOptions spec, MakeSpecOptions(server));
    ASSIGN_OR_RETURN(ForkedServer process, ForkServer(server));
    return std::make_unique<ProcessExecutor>(std::move(process), server, std::move(spec));
  };
  auto executor = start();
  if (executor.ok()) {
    return executor;
  }
  return std::make_unique<UnavailableExecutor>(std::string(Message(executor.status())));
}

}  // namespace zlayer
