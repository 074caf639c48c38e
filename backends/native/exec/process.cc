#include "backends/native/exec/process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {

absl::StatusOr<pid_t> ForkIntoPidNamespace() {
  ASSIGN_OR_RETURN(UniqueFd own, OpenFile("/proc/self/ns/pid", O_RDONLY));
  if (unshare(CLONE_NEWPID) != 0) {
    return ErrnoError("making a pid namespace");
  }
  pid_t pid = fork();
  int fork_error = errno;
  if (pid == 0) {
    return 0;
  }
  // Later children belong to the caller's own namespace again.
  if (setns(own.get(), CLONE_NEWPID) != 0) {
    absl::Status status = ErrnoError("returning to the own pid namespace");
    if (pid > 0) {
      kill(pid, SIGKILL);
      WaitFor(pid);
    }
    return status;
  }
  if (pid < 0) {
    return ErrnoError(fork_error, "fork");
  }
  return pid;
}

void CloseAllBut(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned next = 3;
  for (int fd : keep) {
    if (fd < static_cast<int>(next)) {
      continue;
    }
    if (static_cast<unsigned>(fd) > next) {
      close_range(next, static_cast<unsigned>(fd) - 1, 0);
    }
    next = static_cast<unsigned>(fd) + 1;
  }
  close_range(next, ~0U, 0);
}

absl::Status WriteNewFile(const std::string& path, std::string_view content) {
  ASSIGN_OR_RETURN(UniqueFd file, OpenFile(path, O_WRONLY | O_CREAT | O_EXCL));
  return WriteFully(file.get(), content);
}

void ResetSignals() {
  for (int number = 1; number < NSIG; ++number) {
    signal(number, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

int WaitFor(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) {
      break;
    }
  }
  return status;
}

}  // namespace zlayer
