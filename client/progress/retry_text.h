// How a further attempt at a command is announced.
#ifndef ZLAYER_CLIENT_PROGRESS_RETRY_TEXT_H_
#define ZLAYER_CLIENT_PROGRESS_RETRY_TEXT_H_

#include <fmt/format.h>

#include <string>

#include "zlayer/v1/events.pb.h"

namespace zlayer {

// "attempt 2 of 4 begins in 3 s: the command ... exited with code 1".
inline std::string RetryText(const v1::InstructionRetried& retried) {
  return fmt::format("attempt {} of {} begins in {:.0f} s: {}", retried.attempt(),
                     retried.attempts(), retried.pause_seconds(), retried.reason());
}

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_RETRY_TEXT_H_
