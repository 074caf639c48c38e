// Shows a build on a terminal, as it is now.
#ifndef ZLAYER_CLIENT_PROGRESS_TTY_PRINTER_H_
#define ZLAYER_CLIENT_PROGRESS_TTY_PRINTER_H_

#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>

#include "client/progress/printer.h"
#include "client/progress/row.h"

namespace zlayer {

struct TtyOptions {
  // The terminal, and what writes to it: whole frames, on a thread of the printer's.
  int fd = -1;
  std::function<void(std::string_view)> write;
  // What the terminal can do (DrawableTerminal).
  View view;
  // Requested once the user wants the end.
  std::stop_token interrupted;
};

// Paints as painter.h says, and whatever is left when it is destroyed. The newest state wins: a
// terminal that takes no bytes delays no event. What ended scrolls up (progress_state.h), the rest
// is drawn anew (render.h, screen.h); in the background only what ended is printed.
std::unique_ptr<ProgressPrinter> MakeTtyPrinter(TtyOptions options);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_TTY_PRINTER_H_
