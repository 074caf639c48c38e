// The daemon's side of one run: sends the order, passes output on, waits for the end.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_RUN_CALL_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_RUN_CALL_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "backends/native/exec/executor.h"
#include "backends/native/exec/wire.h"
#include "base/unique_fd.h"
#include "exec.pb.h"

namespace zlayer {

// For one run and one thread.
class RunCall {
 public:
  using Output = std::function<void(std::string_view data, bool is_stderr)>;

  // `socket` leads to the executor, `process` is a pidfd of it; both stay the caller's.
  RunCall(int socket, int process, uint64_t number);

  // As Executor::Run. `order` lacks its number; `plan` is an exec.Plan or, where the order says so,
  // an exec.Program.
  absl::StatusOr<ContainerExit> Run(exec::Order order, std::string_view plan, const Output& output,
                                    const std::stop_token& stop);

 private:
  absl::Status SendOrder(const exec::Order& order, std::string_view plan);
  // Passes output on until the answer comes; nullopt where the executor is gone.
  absl::StatusOr<std::optional<Answer>> WaitForAnswer(const Output& output);
  // What the pipe holds now, if the writer does not keep up; else some. False at its end.
  bool Forward(int fd, bool is_stderr, const Output& output);
  absl::Status Cancel();
  absl::StatusOr<ContainerExit> ReadReport(const Answer& answer);
  absl::Status Gone();

  const int socket_;
  const int process_;
  const uint64_t number_;
  std::vector<char> buffer_;
  UniqueFd stdout_;
  UniqueFd stderr_;
  UniqueFd answer_;
  UniqueFd report_;
  UniqueFd stop_event_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_RUN_CALL_H_
