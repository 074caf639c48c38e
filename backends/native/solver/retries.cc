#include "backends/native/solver/retries.h"

#include <string>
#include <utility>

#include "base/errors.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

v1::BuildEvent Retried(const RetryOptions& options, uint32_t attempt, const absl::Status& failure) {
  v1::BuildEvent event;
  v1::InstructionRetried& retried = *event.mutable_instruction_retried();
  retried.set_attempt(attempt);
  retried.set_attempts(options.retries + 1);
  retried.set_pause_seconds(std::chrono::duration<double>(options.pause).count());
  retried.set_reason(std::string(Message(failure)));
  return event;
}

}  // namespace

absl::Status WithRetries(const RetryOptions& options, const std::function<absl::Status()>& attempt,
                         const StepSink& sink, std::stop_token stop) {
  absl::Status status = attempt();
  for (uint32_t made = 1; made <= options.retries; ++made) {
    if (DetailOf(status).reason() != "RUN_FAILED") {
      return status;
    }
    if (!stop.stop_requested()) {
      sink(Retried(options, made + 1, status));
      options.wait(options.pause, stop);
    }
    if (stop.stop_requested()) {
      return Cancelled("the build was canceled");
    }
    status = attempt();
  }
  return status;
}

}  // namespace zlayer
