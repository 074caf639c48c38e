// Paints what is shown on a terminal again and again, on a thread of its own.
#ifndef ZLAYER_CLIENT_PROGRESS_PAINTER_H_
#define ZLAYER_CLIENT_PROGRESS_PAINTER_H_

#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "client/progress/row.h"
#include "client/progress/screen.h"
#include "client/progress/terminal.h"

namespace zlayer {

struct Canvas {
  // The terminal, and what writes to it: whole frames.
  int fd = -1;
  std::function<void(std::string_view)> write;
  // What the terminal can do (DrawableTerminal).
  View view;
};

struct Picture {
  std::vector<Row> history;       // what ended since the last picture; scrolls up
  std::vector<std::string> live;  // takes the place of what was live
};

// Paints at most ten times a second, since time goes on without events. The newest picture wins: a
// terminal that takes no bytes delays nobody who makes pictures. Ctrl-Z takes the live lines away
// before the process stops; in the background only history is printed. At most one at a time, since
// signals are the process's.
class Painter {
 public:
  // Makes the next picture; the live lines are not looked at where they are not `wanted`. Called on
  // the painter's thread, and by Paint.
  using Draw = std::function<Picture(const View& view, bool live_wanted)>;

  Painter(Canvas canvas, Draw draw);
  ~Painter() { Stop(); }

  // From now on only Paint paints.
  void Stop();
  // Once more, after Stop.
  void Paint();

 private:
  void PaintUntil(const std::stop_token& stop);
  void Suspend();

  const Canvas canvas_;
  const Draw draw_;
  JobSignals signals_;
  Screen screen_;  // of the thread, later of whoever calls Paint
  Mutex mutex_;
  CondVar never_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_PAINTER_H_
