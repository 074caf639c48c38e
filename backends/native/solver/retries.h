// Commands that failed, tried again.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_RETRIES_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_RETRIES_H_

#include <absl/status/status.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>

#include "backends/native/solver/step.h"

namespace zlayer {

struct RetryOptions {
  uint32_t retries = 0;
  std::chrono::nanoseconds pause{0};  // before each further attempt
  // Waits for that long, or until `stop` is requested.
  std::function<void(std::chrono::nanoseconds pause, std::stop_token stop)> wait;
};

// Calls `attempt` until it is OK or fails with another reason than RUN_FAILED, at most retries + 1
// times, and returns what the last one did. `sink` is told of each further attempt
// (InstructionRetried). kCancelled where `stop` is requested between two attempts.
absl::Status WithRetries(const RetryOptions& options, const std::function<absl::Status()>& attempt,
                         const StepSink& sink, std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_RETRIES_H_
