#include "backends/native/exec/run_call.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr size_t kBufferSize = 64 * 1024;
// More than a pipe holds, and little enough for a request to stop to be seen soon.
constexpr size_t kMaxAtOnce = size_t{1} << 20;
constexpr size_t kMaxReport = size_t{1} << 20;
// For a killed process to leave the kernel.
constexpr int kGoneLimitMs = 30'000;

struct Pipe {
  UniqueFd read_end;  // non-blocking
  UniqueFd write_end;
};

absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return ErrnoError("pipe2");
  }
  Pipe pipe;
  pipe.read_end.Reset(ends[0]);
  pipe.write_end.Reset(ends[1]);
  if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
    return ErrnoError("fcntl");
  }
  return pipe;
}

absl::StatusOr<UniqueFd> MakeMemoryFile(const char* name, std::string_view content) {
  UniqueFd file(memfd_create(name, MFD_CLOEXEC));
  if (!file.valid()) {
    return ErrnoError("memfd_create");
  }
  RETURN_IF_ERROR(WriteFully(file.get(), content));
  if (lseek(file.get(), 0, SEEK_SET) != 0) {
    return ErrnoError("lseek");
  }
  return file;
}

}  // namespace

RunCall::RunCall(int socket, int process, uint64_t number)
    : socket_(socket), process_(process), number_(number), buffer_(kBufferSize) {}

absl::StatusOr<ContainerExit> RunCall::Run(exec::Order order, std::string_view plan,
                                           const Output& output, const std::stop_token& stop) {
  stop_event_.Reset(eventfd(0, EFD_CLOEXEC));
  if (!stop_event_.valid()) {
    return ErrnoError("eventfd");
  }
  order.set_number(number_);
  RETURN_IF_ERROR(SendOrder(order, plan));
  std::stop_callback on_stop(stop, [this] { eventfd_write(stop_event_.get(), 1); });
  ASSIGN_OR_RETURN(std::optional<Answer> answer, WaitForAnswer(output));
  if (!answer.has_value()) {
    return Gone();
  }
  if (stop.stop_requested()) {
    return Cancelled("the command was cancelled");
  }
  return ReadReport(*answer);
}

absl::Status RunCall::SendOrder(const exec::Order& order, std::string_view plan) {
  ASSIGN_OR_RETURN(UniqueFd plan_file, MakeMemoryFile("plan", plan));
  ASSIGN_OR_RETURN(report_, MakeMemoryFile("report", ""));
  ASSIGN_OR_RETURN(Pipe standard_output, MakePipe());
  ASSIGN_OR_RETURN(Pipe standard_error, MakePipe());
  ASSIGN_OR_RETURN(Pipe answer, MakePipe());
  stdout_ = std::move(standard_output.read_end);
  stderr_ = std::move(standard_error.read_end);
  answer_ = std::move(answer.read_end);
  std::vector<int> fds(kRunFds);
  fds[kPlanFd] = plan_file.get();
  fds[kStdoutFd] = standard_output.write_end.get();
  fds[kStderrFd] = standard_error.write_end.get();
  fds[kReportFd] = report_.get();
  fds[kAnswerFd] = answer.write_end.get();
  return SendDatagram(socket_, order.SerializeAsString(), fds);
}

absl::Status RunCall::Cancel() {
  exec::Order order;
  order.set_number(number_);
  order.set_cancel(true);
  return SendDatagram(socket_, order.SerializeAsString(), {});
}

bool RunCall::Forward(int fd, bool is_stderr, const Output& output) {
  for (size_t forwarded = 0; forwarded < kMaxAtOnce;) {
    ssize_t size = read(fd, buffer_.data(), buffer_.size());
    if (size > 0) {
      forwarded += static_cast<size_t>(size);
      output(std::string_view(buffer_.data(), static_cast<size_t>(size)), is_stderr);
    } else if (size == 0) {
      return false;
    } else if (errno != EINTR) {
      return errno == EAGAIN;
    }
  }
  return true;
}

absl::StatusOr<std::optional<Answer>> RunCall::WaitForAnswer(const Output& output) {
  enum { kStdout, kStderr, kAnswer, kStop, kCount };
  pollfd fds[kCount] = {{stdout_.get(), POLLIN, 0},
                        {stderr_.get(), POLLIN, 0},
                        {answer_.get(), POLLIN, 0},
                        {stop_event_.get(), POLLIN, 0}};
  while (true) {
    if (poll(fds, kCount, -1) < 0 && errno != EINTR) {
      return ErrnoError("poll");
    }
    if (fds[kStop].revents != 0) {
      fds[kStop].fd = -1;
      (void)Cancel();  // where that fails the executor is gone, which the answer's pipe tells
    }
    // Before the output: all that was written is in the pipes when the answer is there.
    bool end = fds[kAnswer].revents != 0;
    for (int i : {kStdout, kStderr}) {
      if ((fds[i].revents != 0 || (end && fds[i].fd >= 0)) &&
          !Forward(fds[i].fd, i == kStderr, output)) {
        fds[i].fd = -1;
      }
    }
    if (end) {
      Answer answer;
      ssize_t size = read(answer_.get(), &answer, sizeof(answer));
      return size == sizeof(answer) ? std::optional<Answer>(answer) : std::nullopt;
    }
  }
}

absl::Status RunCall::Gone() {
  // A process that dies closes its files before the processes of its namespace are gone.
  pollfd fd = {process_, POLLIN, 0};
  int result;
  do {
    result = poll(&fd, 1, kGoneLimitMs);
  } while (result < 0 && errno == EINTR);
  return Unavailable("the executor process is gone, and the command with it; restart the daemon");
}

absl::StatusOr<ContainerExit> RunCall::ReadReport(const Answer& answer) {
  if (WIFSIGNALED(answer.wait_status)) {
    return Internal(
        fmt::format("the process that ran the command was killed by signal {}; the "
                    "machine may be out of memory",
                    WTERMSIG(answer.wait_status)));
  }
  if (lseek(report_.get(), 0, SEEK_SET) != 0) {
    return ErrnoError("lseek");
  }
  ASSIGN_OR_RETURN(std::string bytes, ReadAll(report_.get(), kMaxReport));
  exec::Report report;
  if (WEXITSTATUS(answer.wait_status) != 0 || !report.ParseFromString(bytes)) {
    return Internal("the process that ran the command left no report");
  }
  if (report.code() != 0) {
    return absl::Status(static_cast<absl::StatusCode>(report.code()), report.message());
  }
  return ContainerExit{report.exit_code(), report.mounted_ns()};
}

}  // namespace zlayer
