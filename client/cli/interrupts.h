// SIGINT and SIGTERM as a stop token.
#ifndef ZLAYER_CLIENT_CLI_INTERRUPTS_H_
#define ZLAYER_CLIENT_CLI_INTERRUPTS_H_

#include <stop_token>
#include <thread>

#include "base/unique_fd.h"

namespace zlayer {

inline constexpr int kInterruptedExitCode = 130;

// Has `text` written to stdout before a second signal ends the process. It must live for ever.
void SayBeforeExit(const char* text);

// While the one object of this type lives, the first signal requests a stop, with the token's
// callbacks on a thread of the object; a second one ends the process at once with exit code 130.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();

  std::stop_token token() const { return source_.get_token(); }

 private:
  void Watch();

  std::stop_source source_;
  UniqueFd event_;
  std::jthread thread_;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_INTERRUPTS_H_
