// What the terminal on a file descriptor can do, and its signals.
#ifndef ZLAYER_CLIENT_PROGRESS_TERMINAL_H_
#define ZLAYER_CLIENT_PROGRESS_TERMINAL_H_

#include <functional>
#include <optional>
#include <string>

#include "client/progress/row.h"

namespace zlayer {

// The value of a variable of the environment, if it is set.
using EnvironmentReader = std::function<std::optional<std::string>(const std::string& name)>;

// How to draw on a terminal; nullopt where lines cannot be changed once they are written: `fd` is
// no terminal, or TERM says "dumb" or nothing. Colour unless NO_COLOR holds anything; Unicode where
// the first of LC_ALL, LC_CTYPE and LANG that holds anything names UTF-8. The size is left alone.
std::optional<View> DrawableTerminal(int fd, const EnvironmentReader& environment);

// Sets width and height to the terminal's, where it tells. Cheap: to be asked before each frame,
// which makes SIGWINCH needless.
void ReadSize(int fd, View* view);

// Whether this process may change lines: false while a shell has put it into the background.
bool IsForeground(int fd);

// SIGTSTP (Ctrl-Z) and SIGCONT, while the one object of this type lives. Where SIGTSTP was ignored
// it stays so.
class JobSignals {
 public:
  JobSignals();
  ~JobSignals();
  JobSignals(const JobSignals&) = delete;
  JobSignals& operator=(const JobSignals&) = delete;

  // Whether the signal came since the last call.
  bool TakeSuspend();
  bool TakeContinue();
  // Stops the process until it is continued.
  void Suspend();

 private:
  bool handles_suspend_ = false;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_TERMINAL_H_
