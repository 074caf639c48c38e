#include "client/progress/tty_pipeline_printer.h"

#include <utility>

#include "base/mutex.h"
#include "client/progress/painter.h"
#include "client/progress/pipeline_model.h"

namespace zlayer {
namespace {

class TtyPipelinePrinter : public PipelinePrinter {
 public:
  explicit TtyPipelinePrinter(TtyOptions options)
      : interrupted_(std::move(options.interrupted)),
        painter_({options.fd, std::move(options.write), options.view,
                  [this](const View& view) { return Draw(view); }}) {}

  ~TtyPipelinePrinter() override {
    painter_.Finish([this] { leaving_ = true; });
  }

  void Event(const v1::PipelineEvent& event) override {
    MutexLock lock(&mutex_);
    model_.Event(event);
  }
  void BuildEvent(const std::string& image, const v1::BuildEvent& event) override {
    MutexLock lock(&mutex_);
    model_.BuildEvent(image, event);
  }
  void Lost(std::string_view reason) override {
    MutexLock lock(&mutex_);
    model_.Lost(reason);
  }

 private:
  Drawing Draw(const View& view) {
    MutexLock lock(&mutex_);
    if (interrupted_.stop_requested()) {
      model_.Interrupted();
    }
    Drawing drawing{.history = model_.TakeHistory(), .live = {}};
    if (!leaving_) {
      drawing.live = model_.Render(view);
    }
    return drawing;
  }

  const std::stop_token interrupted_;
  Mutex mutex_;
  PipelineModel model_ ABSL_GUARDED_BY(mutex_);
  bool leaving_ = false;  // written once the painter has stopped
  Painter painter_;       // last: it uses all of the above
};

}  // namespace

std::unique_ptr<PipelinePrinter> MakeTtyPipelinePrinter(TtyOptions options) {
  return std::make_unique<TtyPipelinePrinter>(std::move(options));
}

}  // namespace zlayer
