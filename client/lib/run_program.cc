#include "client/lib/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace zlayer {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLookForStop{50};

// A child that is killed where it has not ended.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      Wait();
    }
  }

  // Its exit code.
  int Wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

// A file in memory at its begin, so that a program that does not read it disturbs nobody.
absl::StatusOr<UniqueFd> InMemory(std::string_view text) {
  UniqueFd fd(memfd_create("input", MFD_CLOEXEC));
  if (fd.get() < 0) {
    return ErrnoError("making a file in memory");
  }
  RETURN_IF_ERROR(WriteFully(fd.get(), text));
  lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& words, int in, int out) {
  std::vector<char*> arguments;
  for (const std::string& word : words) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return ErrnoError(error, fmt::format("starting {}", words[0]));
  }
  return pid;
}

// Appends what is in the pipe by now. False once nothing more can come.
bool ReadWhatThereIs(int pipe, size_t max_output, std::string* text) {
  std::array<char, 4096> buffer;
  while (text->size() <= max_output) {
    const ssize_t count = read(pipe, buffer.data(), buffer.size());
    if (count <= 0) {
      return count < 0 && (errno == EAGAIN || errno == EINTR);
    }
    text->append(buffer.data(), static_cast<size_t>(count));
  }
  return true;
}

}  // namespace

absl::StatusOr<ProgramOutput> RunProgram(const std::vector<std::string>& words,
                                         std::string_view input, size_t max_output,
                                         milliseconds limit, std::stop_token stop) {
  ASSIGN_OR_RETURN(UniqueFd in, InMemory(input));
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return ErrnoError("making a pipe");
  }
  UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  fcntl(to.get(), F_SETFL, 0);  // the program need not know of O_NONBLOCK
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(words, in.get(), to.get()));
  Child child(pid);
  to = UniqueFd();
  const UniqueFd ended(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (ended.get() < 0) {
    return ErrnoError(fmt::format("watching {}", words[0]));
  }
  ProgramOutput output;
  const Clock::time_point deadline = Clock::now() + limit;
  std::array<pollfd, 2> events = {{{ended.get(), POLLIN, 0}, {from.get(), POLLIN, 0}}};
  while (events[0].revents == 0) {
    poll(events.data(), events.size(), static_cast<int>(kLookForStop.count()));
    // What it wrote before its end is in the pipe by then.
    if (!ReadWhatThereIs(from.get(), max_output, &output.text)) {
      events[1].fd = -1;
    }
    if (output.text.size() > max_output) {
      return ResourceExhausted(fmt::format("{} wrote more than {} bytes", words[0], max_output));
    }
    if (stop.stop_requested()) {
      return Cancelled(fmt::format("{} was stopped", words[0]));
    }
    if (events[0].revents == 0 && Clock::now() >= deadline) {
      return FailedPrecondition(
          fmt::format("{} did not end within {} s", words[0], limit.count() / 1000.0));
    }
  }
  output.exit_code = child.Wait();
  return output;
}

}  // namespace zlayer
