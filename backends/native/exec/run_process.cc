#include "backends/native/exec/run_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "backends/native/exec/overlay.h"
#include "backends/native/exec/process.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "exec.pb.h"

namespace zlayer {
namespace {

constexpr size_t kMaxPlan = size_t{256} << 20;
constexpr size_t kMaxLog = size_t{1} << 20;

// A mount namespace with the run's own /proc and tmpfs in it.
absl::Status EnterMountNamespace(const Workspace& workspace) {
  if (unshare(CLONE_NEWNS) != 0) {
    return ErrnoError("making a mount namespace");
  }
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return ErrnoError("mounting /proc");
  }
  if (mount("tmpfs", workspace.directory.c_str(), "tmpfs", MS_NOSUID, "mode=0700") != 0) {
    return ErrnoError("mounting a tmpfs");
  }
  return absl::OkStatus();
}

absl::Status FillWorkspace(const Workspace& workspace, const exec::Plan& plan) {
  for (const std::string* path : {&workspace.merged, &workspace.bundle, &workspace.state,
                                  &workspace.empty, &workspace.tree_mounts}) {
    if (mkdir(path->c_str(), 0700) != 0) {
      return ErrnoError(*path);
    }
  }
  RETURN_IF_ERROR(WriteNewFile(workspace.bundle + "/config.json", plan.spec()));
  RETURN_IF_ERROR(WriteNewFile(workspace.resolv_conf, plan.resolv_conf()));
  RETURN_IF_ERROR(WriteNewFile(workspace.hosts, plan.hosts()));
  // Not the machine's: the container's root can change the mode of what its standard input is.
  if (mknod(workspace.null.c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0 ||
      chmod(workspace.null.c_str(), 0666) != 0) {
    return ErrnoError("making a null device");
  }
  return absl::OkStatus();
}

absl::Status MountTreeMounts(const Workspace& workspace, const exec::Plan& plan) {
  for (int i = 0; i < plan.tree_mounts_size(); ++i) {
    const exec::TreeMount& mount = plan.tree_mounts(i);
    TreesOptions options;
    options.lower.assign(mount.lower().begin(), mount.lower().end());
    options.empty = workspace.empty;
    options.target = fmt::format("{}/{}", workspace.tree_mounts, i);
    if (!mount.read_only()) {
      options.scratch = fmt::format("{}/mounts/{}", plan.scratch(), i);
      RETURN_IF_ERROR(MakeDirectories(options.scratch, 0700));
    }
    if (mkdir(options.target.c_str(), 0755) != 0) {
      return ErrnoError(options.target);
    }
    RETURN_IF_ERROR(MountTrees(options));
  }
  return absl::OkStatus();
}

std::vector<std::string> RuntimeCommand(const Runtime& runtime, const Workspace& workspace,
                                        const std::string& id) {
  std::vector<std::string> command = {runtime.path, "--root=" + workspace.state,
                                      "--log=" + workspace.log, "--log-format=json"};
  if (runtime.is_crun) {
    command.push_back("--cgroup-manager=disabled");
  }
  command.insert(command.end(), {"run", "--bundle=" + workspace.bundle, id});
  return command;
}

absl::StatusOr<pid_t> StartRuntime(const Runtime& runtime, const Workspace& workspace,
                                   const std::string& id, const RunFiles& files) {
  std::vector<std::string> command = RuntimeCommand(runtime, workspace, id);
  std::vector<char*> argv;
  for (std::string& argument : command) {
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);
  ASSIGN_OR_RETURN(UniqueFd null, OpenFile(workspace.null, O_RDONLY));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, null.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, files.standard_output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, files.standard_error, STDERR_FILENO);
  pid_t pid = 0;
  int error = posix_spawn(&pid, runtime.path.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return ErrnoError(error, fmt::format("starting {}", runtime.path));
  }
  return pid;
}

// As pid 1 it gets the orphans, too. Returns when the namespace is empty.
int WaitForAll(pid_t runtime) {
  int result = 0;
  while (true) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid == runtime) {
      result = status;
      kill(-1, SIGKILL);
    } else if (pid < 0 && errno == ECHILD) {
      return result;
    }
  }
}

// The last error that the runtime logged; empty where there is none.
std::string LoggedError(const Workspace& workspace) {
  auto log = ReadFile(workspace.log, kMaxLog);
  std::string result;
  if (!log.ok()) {
    return result;
  }
  for (std::string_view line : Split(*log, '\n')) {
    auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object()) {
      continue;
    }
    auto level = entry.find("level");
    auto message = entry.find("msg");
    if (level != entry.end() && (*level == "error" || *level == "fatal") &&
        message != entry.end() && message->is_string()) {
      result = message->get<std::string>();
    }
  }
  constexpr std::string_view kNoise = "runc run failed: unable to start container process: ";
  return result.starts_with(kNoise) ? result.substr(kNoise.size()) : result;
}

absl::StatusOr<int> ExitCode(int status, const Runtime& runtime, const Workspace& workspace) {
  if (WIFSIGNALED(status)) {
    return Internal(fmt::format("{} was killed by signal {}", runtime.version, WTERMSIG(status)));
  }
  int code = WEXITSTATUS(status);
  if (code == 0) {
    return code;
  }
  if (std::string error = LoggedError(workspace); !error.empty()) {
    return FailedPrecondition(fmt::format("the command could not be started: {}", ToUtf8(error)));
  }
  return code;
}

absl::StatusOr<int> RunPlan(const Runtime& runtime, const Workspace& workspace,
                            const RunFiles& files, int64_t* mounted_ns) {
  ASSIGN_OR_RETURN(std::string bytes, ReadAll(files.plan, kMaxPlan));
  exec::Plan plan;
  if (!plan.ParseFromString(bytes)) {
    return Internal("the plan of a run cannot be read");
  }
  RETURN_IF_ERROR(EnterMountNamespace(workspace));
  RETURN_IF_ERROR(FillWorkspace(workspace, plan));
  OverlayOptions options;
  options.lower.assign(plan.lower().begin(), plan.lower().end());
  options.scratch = plan.scratch();
  options.mount_points.assign(plan.mount_points().begin(), plan.mount_points().end());
  options.merged = workspace.merged;
  Overlay overlay;
  RETURN_IF_ERROR(overlay.Mount(options));
  RETURN_IF_ERROR(MountTreeMounts(workspace, plan));
  *mounted_ns = MonotonicNs();
  ASSIGN_OR_RETURN(pid_t pid, StartRuntime(runtime, workspace, plan.id(), files));
  int status = WaitForAll(pid);
  RETURN_IF_ERROR(overlay.Unmount());
  return ExitCode(status, runtime, workspace);
}

}  // namespace

void RunInOwnProcess(const Runtime& runtime, const Workspace& workspace, const RunFiles& files) {
  ResetSignals();
  setsid();
  CloseAllBut({files.plan, files.standard_output, files.standard_error, files.report});
  int64_t mounted_ns = 0;
  const absl::StatusOr<int> exit_code = RunPlan(runtime, workspace, files, &mounted_ns);
  WriteReport(exit_code, files.report, mounted_ns);
}

void WriteReport(const absl::StatusOr<int>& exit_code, int file, int64_t mounted_ns) {
  exec::Report report;
  report.set_mounted_ns(mounted_ns);
  if (exit_code.ok()) {
    report.set_exit_code(*exit_code);
  } else {
    report.set_code(static_cast<int>(exit_code.status().code()));
    report.set_message(ToUtf8(Message(exit_code.status())));
  }
  bool written = WriteFully(file, report.SerializeAsString()).ok();
  _exit(written ? 0 : 1);
}

}  // namespace zlayer
