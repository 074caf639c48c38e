// Paints on a terminal, again and again, what happens.
#ifndef ZLAYER_CLIENT_PROGRESS_PAINTER_H_
#define ZLAYER_CLIENT_PROGRESS_PAINTER_H_

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "client/progress/row.h"
#include "client/progress/screen.h"
#include "client/progress/terminal.h"

namespace zlayer {

// What a frame shows.
struct Drawing {
  std::vector<Row> history;       // scrolls up, once
  std::vector<std::string> live;  // below it, drawn anew each time
};

struct PainterOptions {
  // The terminal, and what writes to it: whole frames, on a thread of the painter's.
  int fd = -1;
  std::function<void(std::string_view)> write;
  // What the terminal can do (DrawableTerminal).
  View view;
  // Makes the next frame. In the background, where lines must not change, its live ones are not
  // painted.
  std::function<Drawing(const View&)> draw;
};

// Paints at most ten times a second (a thread of its own, since time goes on without events). A
// terminal that takes no bytes delays nobody but that thread. Ctrl-Z takes the live lines away
// before the process stops. At most one at a time, since signals are the process's.
class Painter {
 public:
  explicit Painter(PainterOptions options);
  ~Painter();

  // Ends the thread, then calls `last`, and paints once more.
  void Finish(const std::function<void()>& last);

 private:
  void PaintUntil(const std::stop_token& stop);
  void Paint();
  void Suspend();

  const PainterOptions options_;
  JobSignals signals_;
  Screen screen_;  // of the thread, later of Finish
  Mutex mutex_;
  CondVar never_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_PAINTER_H_
