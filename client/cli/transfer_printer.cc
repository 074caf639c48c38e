#include "client/cli/transfer_printer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "base/clock.h"
#include "base/mutex.h"
#include "client/cli/outcome.h"
#include "client/cli/session.h"
#include "client/progress/painter.h"
#include "client/progress/text.h"
#include "client/progress/transfer_state.h"

namespace zlayer {
namespace {

void PrintNames(const v1::TransferComplete& complete) {
  for (const std::string& reference : complete.references()) {
    Print(fmt::format("{}  {}\n", reference, complete.manifest_digest()));
  }
}

class JsonTransferPrinter : public TransferPrinter {
 public:
  void Event(const v1::TransferEvent& event) override { Print(ToJson(event) + "\n"); }
};

class PlainTransferPrinter : public TransferPrinter {
 public:
  explicit PlainTransferPrinter(bool quiet) : quiet_(quiet) {}

  void Event(const v1::TransferEvent& event) override {
    const v1::TransferProgress& progress = event.progress();
    if (event.has_complete()) {
      PrintNames(event.complete());
    } else if (!quiet_ && progress.state() != v1::TransferProgress::RUNNING) {
      PrintError(fmt::format("{}  {}  {}", progress.item(), FormatSize(progress.bytes_done()),
                             TransferEnd(progress.state())));
    }
  }

 private:
  const bool quiet_;
};

class LiveTransferPrinter : public TransferPrinter {
 public:
  explicit LiveTransferPrinter(const View& view)
      : painter_({STDOUT_FILENO, Print, view, [this](const View& now) { return Draw(now); }}) {}

  ~LiveTransferPrinter() override {
    painter_.Finish([this] {
      MutexLock lock(&mutex_);
      state_.Leave();
    });
    PrintNames(complete_);
  }

  void Event(const v1::TransferEvent& event) override {
    if (event.has_complete()) {
      complete_ = event.complete();
      return;
    }
    MutexLock lock(&mutex_);
    state_.Progress(event.progress(), SystemClock()->NowNs());
  }

 private:
  Drawing Draw(const View& view) {
    MutexLock lock(&mutex_);
    Drawing drawing{.history = state_.TakeHistory(), .live = {}};
    drawing.live = state_.Live(view);
    return drawing;
  }

  v1::TransferComplete complete_;
  Mutex mutex_;
  TransferState state_ ABSL_GUARDED_BY(mutex_);
  Painter painter_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<TransferPrinter> MakeTransferPrinter(const std::string& mode, bool quiet) {
  if (mode == "json") {
    return std::make_unique<JsonTransferPrinter>();
  }
  const std::optional<View> view = quiet ? std::nullopt : LiveView(mode);
  if (view.has_value()) {
    return std::make_unique<LiveTransferPrinter>(*view);
  }
  return std::make_unique<PlainTransferPrinter>(quiet);
}

}  // namespace zlayer
