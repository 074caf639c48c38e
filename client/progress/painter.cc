#include "client/progress/painter.h"

#include <chrono>
#include <utility>

#include "base/clock.h"

namespace zlayer {
namespace {

constexpr std::chrono::milliseconds kBetweenFrames{100};

}  // namespace

Painter::Painter(Canvas canvas, Draw draw)
    : canvas_(std::move(canvas)),
      draw_(std::move(draw)),
      thread_([this](const std::stop_token& stop) { PaintUntil(stop); }) {}

void Painter::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) {
    thread_.join();
  }
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
  View view = canvas_.view;
  ReadSize(canvas_.fd, &view);
  view.now_ns = SystemClock()->NowNs();
  const bool live_wanted = IsForeground(canvas_.fd);
  Picture picture = draw_(view, live_wanted);
  if (!live_wanted) {
    picture.live.clear();
  }
  std::vector<std::string> history;
  for (const Row& row : picture.history) {
    history.push_back(row.Text(view));
  }
  if (std::string frame = screen_.Frame(history, picture.live, view); !frame.empty()) {
    canvas_.write(frame);
  }
}

void Painter::Suspend() {
  View view = canvas_.view;
  ReadSize(canvas_.fd, &view);
  if (std::string frame = screen_.Frame({}, {}, view); !frame.empty()) {
    canvas_.write(frame);
  }
  signals_.Suspend();
}

}  // namespace zlayer
