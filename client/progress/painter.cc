#include "client/progress/painter.h"

#include <chrono>
#include <utility>

#include "base/clock.h"

namespace zlayer {
namespace {

constexpr std::chrono::milliseconds kBetweenFrames{100};

}  // namespace

Painter::Painter(PainterOptions options)
    : options_(std::move(options)),
      thread_([this](const std::stop_token& stop) { PaintUntil(stop); }) {}

Painter::~Painter() = default;

void Painter::Finish(const std::function<void()>& last) {
  thread_.request_stop();
  thread_.join();
  last();
  Paint();
}

void Painter::PaintUntil(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (signals_.TakeSuspend()) {
      Suspend();
    }
    if (signals_.TakeContinue()) {
      screen_.Forget();
    }
    Paint();
    MutexLock lock(&mutex_);
    never_.WaitFor(&mutex_, kBetweenFrames, stop, [] { return false; });
  }
}

void Painter::Paint() {
  View view = options_.view;
  ReadSize(options_.fd, &view);
  view.now_ns = SystemClock()->NowNs();
  Drawing drawing = options_.draw(view);
  if (!IsForeground(options_.fd)) {
    drawing.live.clear();
  }
  std::vector<std::string> history;
  for (const Row& row : drawing.history) {
    history.push_back(row.Text(view));
  }
  if (std::string frame = screen_.Frame(history, drawing.live, view); !frame.empty()) {
    options_.write(frame);
  }
}

void Painter::Suspend() {
  View view = options_.view;
  ReadSize(options_.fd, &view);
  if (std::string frame = screen_.Frame({}, {}, view); !frame.empty()) {
    options_.write(frame);
  }
  signals_.Suspend();
}

}  // namespace zlayer
