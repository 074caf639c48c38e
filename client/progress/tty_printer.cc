#include "client/progress/tty_printer.h"

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "client/progress/progress_state.h"
#include "client/progress/render.h"
#include "client/progress/screen.h"

namespace zlayer {
namespace {

constexpr std::chrono::milliseconds kBetweenFrames{100};

class TtyPrinter : public ProgressPrinter {
 public:
  explicit TtyPrinter(TtyOptions options)
      : options_(std::move(options)),
        painter_([this](const std::stop_token& stop) { PaintUntil(stop); }) {}

  ~TtyPrinter() override {
    painter_.request_stop();
    painter_.join();
    {
      MutexLock lock(&mutex_);
      state_.Leave(SystemClock()->NowNs());
    }
    Paint();
  }

  bool ShowsSource() const override { return true; }

  void Uploading(std::string_view name, const UploadCounts& counts) override {
    MutexLock lock(&mutex_);
    state_.Uploading(name, counts, SystemClock()->NowNs());
  }
  void ContextSent(std::string_view name, const v1::ContextReady& ready) override {
    MutexLock lock(&mutex_);
    state_.ContextSent(name, ready, SystemClock()->NowNs());
  }
  void Event(const v1::BuildEvent& event) override {
    MutexLock lock(&mutex_);
    state_.Event(event);
  }
  void Lost(std::string_view reason) override {
    MutexLock lock(&mutex_);
    state_.Lost(reason, SystemClock()->NowNs());
  }

 private:
  void PaintUntil(const std::stop_token& stop);
  void Paint();
  void Suspend();

  const TtyOptions options_;
  JobSignals signals_;
  Screen screen_;  // of the painter, later of the destructor
  Mutex mutex_;
  CondVar never_;
  ProgressState state_ ABSL_GUARDED_BY(mutex_);
  std::jthread painter_;  // last: it uses all of the above
};

void TtyPrinter::PaintUntil(const std::stop_token& stop) {
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

void TtyPrinter::Paint() {
  View view = options_.view;
  ReadSize(options_.fd, &view);
  view.now_ns = SystemClock()->NowNs();
  const bool live_too = IsForeground(options_.fd);
  std::vector<Row> rows;
  std::vector<std::string> live;
  {
    MutexLock lock(&mutex_);
    if (options_.interrupted.stop_requested()) {
      state_.Interrupted();
    }
    rows = state_.TakeHistory();
    if (live_too) {
      live = RenderProgress(state_.model(), view);
    }
  }
  std::vector<std::string> history;
  for (const Row& row : rows) {
    history.push_back(row.Text(view));
  }
  // Without the mutex: a terminal that is stopped (Ctrl-S) holds back nobody else.
  if (std::string frame = screen_.Frame(history, live, view); !frame.empty()) {
    options_.write(frame);
  }
}

void TtyPrinter::Suspend() {
  View view = options_.view;
  ReadSize(options_.fd, &view);
  if (std::string frame = screen_.Frame({}, {}, view); !frame.empty()) {
    options_.write(frame);
  }
  signals_.Suspend();
}

}  // namespace

std::unique_ptr<ProgressPrinter> MakeTtyPrinter(TtyOptions options) {
  return std::make_unique<TtyPrinter>(std::move(options));
}

}  // namespace zlayer
