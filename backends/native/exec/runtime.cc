#include "backends/native/exec/runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/fmt/fmt.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <optional>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace zlayer {
namespace {

constexpr std::chrono::seconds kVersionLimit{10};
constexpr size_t kMaxVersionOutput = 64 * 1024;

// A file that can be executed, with its symlinks resolved.
std::optional<std::string> Program(const std::string& path) {
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr || access(resolved, X_OK) != 0) {
    return std::nullopt;
  }
  return resolved;
}

std::optional<std::string> FindInPath(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    return Program(name);
  }
  const char* path = std::getenv("PATH");
  // A daemon's PATH may lack the directories where distributions put runc.
  std::string directories =
      fmt::format("{}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin", path == nullptr ? "" : path);
  for (std::string_view directory : Split(directories, ':')) {
    if (!directory.starts_with('/')) {
      continue;
    }
    if (auto program = Program(fmt::format("{}/{}", directory, name))) {
      return program;
    }
  }
  return std::nullopt;
}

// All that comes until the end or the deadline.
std::string ReadUntilEnd(int fd) {
  auto deadline = std::chrono::steady_clock::now() + kVersionLimit;
  std::string output;
  char buffer[4096];
  while (output.size() < kMaxVersionOutput) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd poll_fd = {fd, POLLIN, 0};
    if (left.count() <= 0 || poll(&poll_fd, 1, static_cast<int>(left.count())) <= 0) {
      break;
    }
    ssize_t size = read(fd, buffer, sizeof(buffer));
    if (size <= 0) {
      break;
    }
    output.append(buffer, static_cast<size_t>(size));
  }
  return output;
}

absl::StatusOr<std::string> RunVersion(const std::string& path) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return ErrnoError("pipe2");
  }
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  const char* argv[] = {path.c_str(), "--version", nullptr};
  pid_t pid = 0;
  int error = posix_spawn(&pid, path.c_str(), &actions, nullptr, const_cast<char**>(argv), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return FailedPrecondition(Message(ErrnoError(error, fmt::format("starting {}", path))));
  }
  write_end.Reset();
  std::string output = ReadUntilEnd(read_end.get());
  read_end.Reset();
  kill(pid, SIGKILL);  // nothing where it has ended, as it has unless it hangs
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return output;
}

absl::StatusOr<Runtime> Describe(const std::string& path) {
  ASSIGN_OR_RETURN(std::string output, RunVersion(path));
  Runtime runtime;
  runtime.path = path;
  runtime.version = ParseRuntimeVersion(output);
  if (runtime.version.empty()) {
    return FailedPrecondition(
        fmt::format("\"{} --version\" prints no version; is it an OCI runtime?", path));
  }
  runtime.is_crun = runtime.version.starts_with("crun ");
  return runtime;
}

}  // namespace

std::string ParseRuntimeVersion(std::string_view output) {
  std::string_view line = Split(output, '\n').front();
  std::vector<std::string_view> words;
  for (std::string_view word : Split(line, ' ')) {
    if (!Trim(word).empty()) {
      words.push_back(Trim(word));
    }
  }
  if (words.size() < 3 || words[1] != "version") {
    return "";
  }
  return fmt::format("{} {}", ToUtf8(words[0]), ToUtf8(words[2]));
}

absl::StatusOr<Runtime> FindRuntime(const std::string& name) {
  if (!name.empty()) {
    auto path = FindInPath(name);
    if (!path.has_value()) {
      return NotFound(fmt::format("there is no OCI runtime \"{}\"; install it or name another one",
                                  ToUtf8(name)));
    }
    return Describe(*path);
  }
  absl::Status problem = NotFound("neither crun nor runc is installed; apt-get install crun");
  for (const char* candidate : {"crun", "runc"}) {
    auto path = FindInPath(candidate);
    if (!path.has_value()) {
      continue;
    }
    auto runtime = Describe(*path);
    if (runtime.ok()) {
      return runtime;
    }
    problem = runtime.status();
  }
  return problem;
}

}  // namespace zlayer
