#include "backends/native/exec/server.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "backends/native/exec/process.h"
#include "backends/native/exec/program_process.h"
#include "backends/native/exec/run_process.h"
#include "backends/native/exec/wire.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "exec.pb.h"

namespace zlayer {
namespace {

constexpr char kCgroups[] = "/sys/fs/cgroup";

std::vector<std::string> Entries(const std::string& directory) {
  std::vector<std::string> result;
  std::unique_ptr<DIR, int (*)(DIR*)> handle(opendir(directory.c_str()), &closedir);
  while (dirent* entry = handle == nullptr ? nullptr : readdir(handle.get())) {
    if (entry->d_name[0] != '.') {
      result.emplace_back(entry->d_name);
    }
  }
  return result;
}

// The cgroups of runc, which makes them whether we want them or not, in each hierarchy. Those that
// have processes stay.
void RemoveCgroups(const std::string& id) {
  rmdir(fmt::format("{}/zlayer/{}", kCgroups, id).c_str());
  for (const std::string& controller : Entries(kCgroups)) {
    rmdir(fmt::format("{}/{}/zlayer/{}", kCgroups, controller, id).c_str());
  }
}

void SweepCgroups() {
  std::vector<std::string> parents = {fmt::format("{}/zlayer", kCgroups)};
  for (const std::string& controller : Entries(kCgroups)) {
    parents.push_back(fmt::format("{}/{}/zlayer", kCgroups, controller));
  }
  for (const std::string& parent : parents) {
    for (const std::string& id : Entries(parent)) {
      rmdir(fmt::format("{}/{}", parent, id).c_str());
    }
  }
}

// crun refuses a machine with both kinds of cgroups.
absl::Status HideHybridCgroups() {
  struct statfs status;
  std::string unified = fmt::format("{}/unified", kCgroups);
  if (statfs(unified.c_str(), &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC &&
      umount2(unified.c_str(), MNT_DETACH) != 0) {
    return ErrnoError(fmt::format("unmounting {} for containers", unified));
  }
  return absl::OkStatus();
}

// Also loads the kernel's module.
absl::Status CheckOverlayfs() {
  UniqueFd context(fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context.valid() && errno == ENODEV) {
    return FailedPrecondition("this kernel has no overlayfs; load its module \"overlay\"");
  }
  return absl::OkStatus();
}

// Where the daemon has stopped listening, nobody waits for it.
void SendAnswer(int pipe, int wait_status) {
  Answer answer;
  answer.wait_status = wait_status;
  (void)!write(pipe, &answer, sizeof(answer));
}

class Server {
 public:
  Server(int socket, const ServerOptions& options)
      : socket_(socket), runtime_(options.runtime), workspace_(options.workspace) {}

  absl::Status SetUp(const std::string& trees);
  void Serve();
  void EndAll();

 private:
  struct Run {
    uint64_t number = 0;
    std::string id;
    std::string scratch;
    UniqueFd answer;
  };

  // False where the daemon is gone.
  bool TakeOrder();
  bool TakeSignals();
  void Start(const exec::Order& order, std::vector<UniqueFd> fds);
  void Reap();

  const int socket_;
  const Runtime runtime_;
  const Workspace workspace_;
  UniqueFd signals_;
  std::map<pid_t, Run> runs_;
};

absl::Status Server::SetUp(const std::string& trees) {
  setsid();
  umask(022);
  prctl(PR_SET_NAME, "zlayer-executor");
  rlimit no_cores = {};
  setrlimit(RLIMIT_CORE, &no_cores);
  sigset_t mask;
  sigemptyset(&mask);
  for (int number : {SIGCHLD, SIGTERM}) {
    sigaddset(&mask, number);
  }
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  signals_.Reset(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) {
    return ErrnoError("signalfd");
  }
  if (unshare(CLONE_NEWNS) != 0) {
    return ErrnoError("making a mount namespace");
  }
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0 ||
      mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return ErrnoError("preparing the mount namespace");
  }
  if (runtime_.is_crun) {
    RETURN_IF_ERROR(HideHybridCgroups());
  } else {
    SweepCgroups();
  }
  RETURN_IF_ERROR(CheckOverlayfs());
  return chdir(trees.c_str()) == 0 ? absl::OkStatus() : ErrnoError(trees);
}

void Server::Serve() {
  while (true) {
    pollfd fds[] = {{socket_, POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) {
      return;
    }
    if (fds[1].revents != 0 && !TakeSignals()) {
      return;
    }
    if (fds[0].revents != 0 && !TakeOrder()) {
      return;
    }
  }
}

bool Server::TakeSignals() {
  signalfd_siginfo info;
  bool terminate = false;
  while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
    terminate = terminate || info.ssi_signo == SIGTERM;
  }
  Reap();
  return !terminate;
}

bool Server::TakeOrder() {
  auto datagram = ReceiveDatagram(socket_);
  if (!datagram.ok() || datagram->end) {
    return false;
  }
  exec::Order order;
  if (!order.ParseFromString(datagram->data)) {
    return false;
  }
  if (!order.cancel()) {
    Start(order, std::move(datagram->fds));
    return true;
  }
  for (const auto& [pid, run] : runs_) {
    if (run.number == order.number()) {
      kill(pid, SIGKILL);
    }
  }
  return true;
}

void Server::Start(const exec::Order& order, std::vector<UniqueFd> fds) {
  if (fds.size() != kRunFds) {
    return;  // the daemon sees its end of the pipes close
  }
  auto pid = ForkIntoPidNamespace();
  if (!pid.ok()) {
    exec::Report report;
    report.set_code(static_cast<int>(pid.status().code()));
    report.set_message(std::string(Message(pid.status())));
    (void)WriteFully(fds[kReportFd].get(), report.SerializeAsString());
    SendAnswer(fds[kAnswerFd].get(), 0);
    return;
  }
  if (*pid == 0) {
    const RunFiles files = {fds[kPlanFd].get(), fds[kStdoutFd].get(), fds[kStderrFd].get(),
                            fds[kReportFd].get()};
    if (order.program()) {
      RunProgramInOwnProcess(workspace_.directory, files);
    }
    RunInOwnProcess(runtime_, workspace_, files);
  }
  Run run;
  run.number = order.number();
  run.id = order.id();
  run.scratch = order.scratch();
  run.answer = std::move(fds[kAnswerFd]);
  runs_[*pid] = std::move(run);
}

void Server::Reap() {
  int status = 0;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    auto run = runs_.find(pid);
    if (run == runs_.end()) {
      continue;
    }
    if (!runtime_.is_crun) {
      RemoveCgroups(run->second.id);
    }
    SendAnswer(run->second.answer.get(), status);
    runs_.erase(run);
  }
}

void Server::EndAll() {
  for (const auto& [pid, run] : runs_) {
    kill(pid, SIGKILL);
  }
  for (const auto& [pid, run] : runs_) {
    WaitFor(pid);
    if (!runtime_.is_crun) {
      RemoveCgroups(run.id);
    }
    (void)RemoveTree(run.scratch);
  }
}

}  // namespace

void ServeRuns(int socket, const ServerOptions& options) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  ResetSignals();
  signal(SIGPIPE, SIG_IGN);
  CloseAllBut({socket});
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  dup2(null.get(), STDIN_FILENO);
  dup2(null.get(), STDOUT_FILENO);
  Server server(socket, options);
  absl::Status status = server.SetUp(options.trees);
  std::string greeting = status.ok() ? kServerReady : std::string(Message(status));
  if (!SendDatagram(socket, greeting, {}).ok() || !status.ok()) {
    _exit(1);
  }
  server.Serve();
  server.EndAll();
  _exit(0);
}

}  // namespace zlayer
