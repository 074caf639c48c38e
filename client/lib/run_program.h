// Runs a program and takes what it writes to its stdout.
#ifndef ZLAYER_CLIENT_LIB_RUN_PROGRAM_H_
#define ZLAYER_CLIENT_LIB_RUN_PROGRAM_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

struct ProgramOutput {
  int exit_code = 0;  // 128 and the signal's number where one ended it
  std::string text;
};

// Runs `words`, the first of which is looked for in PATH, with `input` on stdin; stderr is this
// process's. kNotFound: there is no such program. Where it takes longer than `limit`
// (kDeadlineExceeded), writes more than `max_output` bytes (kResourceExhausted), or `stop` is
// requested (kCancelled), it is killed. No message has anything of the input or the output.
absl::StatusOr<ProgramOutput> RunProgram(const std::vector<std::string>& words,
                                         std::string_view input, size_t max_output,
                                         std::chrono::milliseconds limit, std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_RUN_PROGRAM_H_
