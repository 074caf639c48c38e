#include "backends/native/exec/program_process.h"

#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "backends/native/exec/process.h"
#include "backends/native/exec/program_view.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "exec.pb.h"

namespace zlayer {
namespace {

constexpr size_t kMaxProgram = size_t{16} << 20;
constexpr int kOpenDirectories = 32;
constexpr uint64_t kBlock = 512;
// A look at the disk takes at most a tenth of the time.
constexpr int64_t kPauseForWalk = 10;
constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kMinPauseNs = kSecondNs / 5;
constexpr int kCannotStart = 127;

// nftw has no argument for its callback, and this process one walk at a time.
uint64_t walked_bytes = 0;

uint64_t DiskBytes(const char* directory) {
  walked_bytes = 0;
  nftw(
      directory,
      [](const char*, const struct stat* status, int kind, FTW*) {
        walked_bytes += kind == FTW_NS ? 0 : static_cast<uint64_t>(status->st_blocks) * kBlock;
        return 0;
      },
      kOpenDirectories, FTW_PHYS | FTW_MOUNT);
  return walked_bytes;
}

// Everything an earlier program left is nobody's already.
absl::Status GiveAway(const char* directory) {
  if (lchown(directory, kProgramUser, kProgramUser) != 0 || chmod(directory, 0700) != 0) {
    return ErrnoError("giving a program its directory");
  }
  return absl::OkStatus();
}

// For the child, between fork and exec: no way leads back.
bool DropPrivileges(uint64_t max_bytes) {
  const rlimit file_size = {max_bytes, max_bytes};
  const rlimit no_cores = {};
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    prctl(PR_CAPBSET_DROP, capability);
  }
  return setrlimit(RLIMIT_FSIZE, &file_size) == 0 && setrlimit(RLIMIT_CORE, &no_cores) == 0 &&
         setgroups(0, nullptr) == 0 && setresgid(kProgramUser, kProgramUser, kProgramUser) == 0 &&
         setresuid(kProgramUser, kProgramUser, kProgramUser) == 0 &&
         prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

std::vector<char*> Pointers(const google::protobuf::RepeatedPtrField<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) {
    pointers.push_back(const_cast<char*>(word.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

absl::StatusOr<pid_t> StartProgram(const exec::Program& program, const RunFiles& files) {
  const std::vector<char*> argv = Pointers(program.argv());
  const std::vector<char*> env = Pointers(program.env());
  ASSIGN_OR_RETURN(const UniqueFd null, OpenFile("/dev/null", O_RDONLY));
  const pid_t pid = fork();
  if (pid < 0) {
    return ErrnoError("fork");
  }
  if (pid == 0) {
    umask(022);
    ResetSignals();
    if (dup2(null.get(), STDIN_FILENO) >= 0 && dup2(files.standard_output, STDOUT_FILENO) >= 0 &&
        dup2(files.standard_error, STDERR_FILENO) >= 0 && DropPrivileges(program.max_bytes())) {
      CloseAllBut({});
      execve(argv[0], argv.data(), env.data());
    }
    _exit(kCannotStart);
  }
  return pid;
}

// Waits for the program and ends what it left. As pid 1 it gets the orphans, too.
absl::StatusOr<int> WaitWithinLimits(pid_t program_pid, const exec::Program& program,
                                     const sigset_t& child_ended) {
  const int64_t begin = MonotonicNs();
  const int64_t end = begin + program.max_seconds() * kSecondNs;
  int64_t next_walk = begin + kMinPauseNs;
  int result = 0;
  absl::Status over;
  while (true) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid == program_pid) {
      result = status;
      kill(-1, SIGKILL);
    } else if (pid < 0) {
      break;
    }
    if (pid != 0) {
      continue;
    }
    const int64_t now = MonotonicNs();
    if (over.ok() && now >= end) {
      over = absl::DeadlineExceededError(fmt::format(
          "it was stopped after {} seconds, the most that it may take", program.max_seconds()));
    } else if (over.ok() && now >= next_walk) {
      const uint64_t bytes = DiskBytes(".");
      const int64_t after = MonotonicNs();
      next_walk = after + std::max(kMinPauseNs, kPauseForWalk * (after - now));
      if (bytes > program.max_bytes()) {
        over = ResourceExhausted(fmt::format("it was stopped with more than {} MiB on the disk",
                                             program.max_bytes() >> 20));
      }
    }
    if (!over.ok()) {
      kill(-1, SIGKILL);
    }
    const timespec pause = {0, kMinPauseNs};
    sigtimedwait(&child_ended, nullptr, &pause);
  }
  RETURN_IF_ERROR(over);
  return WIFSIGNALED(result) ? 128 + WTERMSIG(result) : WEXITSTATUS(result);
}

absl::StatusOr<int> RunProgramIn(const std::string& directory, const RunFiles& files) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadAll(files.plan, kMaxProgram));
  exec::Program program;
  if (!program.ParseFromString(bytes) || program.argv().empty()) {
    return Internal("the order to run a program cannot be read");
  }
  RETURN_IF_ERROR(EnterProgramView(directory, program));
  RETURN_IF_ERROR(GiveAway("."));
  if (access(program.argv(0).c_str(), X_OK) != 0) {
    return FailedPrecondition(fmt::format("{} is not installed", ToUtf8(program.argv(0))));
  }
  sigset_t child_ended;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_ended, nullptr);
  ASSIGN_OR_RETURN(const pid_t pid, StartProgram(program, files));
  return WaitWithinLimits(pid, program, child_ended);
}

}  // namespace

void RunProgramInOwnProcess(const std::string& directory, const RunFiles& files) {
  ResetSignals();
  setsid();
  CloseAllBut({files.plan, files.standard_output, files.standard_error, files.report});
  WriteReport(RunProgramIn(directory, files), files.report);
}

}  // namespace zlayer
