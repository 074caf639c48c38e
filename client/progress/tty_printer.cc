#include "client/progress/tty_printer.h"

#include <string>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "client/progress/painter.h"
#include "client/progress/progress_state.h"
#include "client/progress/render.h"

namespace zlayer {
namespace {

class TtyPrinter : public ProgressPrinter {
 public:
  explicit TtyPrinter(TtyOptions options)
      : interrupted_(std::move(options.interrupted)),
        painter_({options.fd, std::move(options.write), options.view,
                  [this](const View& view) { return Draw(view); }}) {}

  ~TtyPrinter() override {
    painter_.Finish([this] {
      MutexLock lock(&mutex_);
      state_.Leave(SystemClock()->NowNs());
    });
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
  Drawing Draw(const View& view) {
    MutexLock lock(&mutex_);
    if (interrupted_.stop_requested()) {
      state_.Interrupted();
    }
    Drawing drawing{.history = state_.TakeHistory(), .live = {}};
    drawing.live = RenderProgress(state_.model(), view);
    return drawing;
  }

  const std::stop_token interrupted_;
  Mutex mutex_;
  ProgressState state_ ABSL_GUARDED_BY(mutex_);
  Painter painter_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<ProgressPrinter> MakeTtyPrinter(TtyOptions options) {
  return std::make_unique<TtyPrinter>(std::move(options));
}

}  // namespace zlayer
