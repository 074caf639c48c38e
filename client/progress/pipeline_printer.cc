#include "client/progress/pipeline_printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "client/progress/row.h"
#include "client/progress/screen_text.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

// Longer names are not lined up.
constexpr size_t kMaxNameColumns = 24;

class PlainPipelinePrinter : public PipelinePrinter {
 public:
  explicit PlainPipelinePrinter(LineSink sink) : sink_(std::move(sink)) {}

  void ContextSent(std::string_view directory, const v1::ContextReady& ready) override {
    sink_(fmt::format("context {}: {} files, {}, of which {} sent\n", Printable(directory),
                      ready.files_selected(), FormatSize(ready.bytes_selected()),
                      FormatSize(ready.bytes_received())));
  }

  void Event(const v1::PipelineEvent& event) override {
    if (event.has_started()) {
      const v1::PipelineStatus& started = event.started();
      sink_(fmt::format("pipeline {}: {} image{}\n", event.pipeline_id(), started.images_size(),
                        started.images_size() == 1 ? "" : "s"));
      for (const v1::PipelineImageStatus& image : started.images()) {
        columns_ = std::max(columns_, std::min(ColumnsOf(image.name()), kMaxNameColumns));
      }
    } else if (event.has_image()) {
      const v1::PipelineImageStatus& image = event.image();
      if (image.state() == v1::PIPELINE_IMAGE_BUILDING) {
        builds_.erase(image.name());
      }
      sink_(fmt::format("{}{}\n", Before(image.name()), Printable(DescribeImageState(image))));
    }
  }

  void BuildEvent(const std::string& image, const v1::BuildEvent& event) override {
    // The first line of a build names it, which the image's own did.
    const bool first = event.has_build_queued() && event.build_queued().attempt() <= 1;
    if (!first) {
      PrinterOf(image).Event(event);
    }
  }

 private:
  std::string Before(const std::string& name) const {
    std::string text = Printable(name);
    const size_t columns = ColumnsOf(text);
    text.append(columns < columns_ ? columns_ - columns : 0, ' ');
    return text + " | ";
  }

  ProgressPrinter& PrinterOf(const std::string& image) {
    std::unique_ptr<ProgressPrinter>& printer = builds_[image];
    if (printer == nullptr) {
      printer = MakePlainPrinter([this, before = Before(image)](std::string_view line) {
        sink_(before + std::string(line));
      });
    }
    return *printer;
  }

  const LineSink sink_;
  size_t columns_ = 0;  // of the longest name that is lined up
  std::map<std::string, std::unique_ptr<ProgressPrinter>> builds_;
};

class JsonPipelinePrinter : public PipelinePrinter {
 public:
  explicit JsonPipelinePrinter(LineSink sink) : sink_(std::move(sink)) {}

  void Event(const v1::PipelineEvent& event) override { sink_(ToJson(event) + "\n"); }
  void BuildEvent(const std::string&, const v1::BuildEvent& event) override {
    sink_(ToJson(event) + "\n");
  }

 private:
  const LineSink sink_;
};

class QuietPipelinePrinter : public PipelinePrinter {
 public:
  void Event(const v1::PipelineEvent&) override {}
  void BuildEvent(const std::string&, const v1::BuildEvent&) override {}
};

}  // namespace

std::string DescribeImageState(const v1::PipelineImageStatus& image) {
  switch (image.state()) {
    case v1::PIPELINE_IMAGE_BUILDING:
      return fmt::format("building (build {})", image.build_id());
    case v1::PIPELINE_IMAGE_BUILT:
      return image.result().unchanged() ? "unchanged"
                                        : "built in " + FormatSeconds(image.seconds());
    case v1::PIPELINE_IMAGE_FAILED:
      return "failed: " + image.failure().error();
    case v1::PIPELINE_IMAGE_SKIPPED:
      return "skipped: " + image.reason();
    case v1::PIPELINE_IMAGE_CANCELED:
      return "canceled";
    case v1::PIPELINE_IMAGE_PUSHING:
      return "sending";
    case v1::PIPELINE_IMAGE_PUSHED:
      return "sent";
    default:
      return image.reason().empty() ? "waits" : image.reason();
  }
}

std::unique_ptr<PipelinePrinter> MakePlainPipelinePrinter(LineSink sink) {
  return std::make_unique<PlainPipelinePrinter>(std::move(sink));
}

std::unique_ptr<PipelinePrinter> MakeJsonPipelinePrinter(LineSink sink) {
  return std::make_unique<JsonPipelinePrinter>(std::move(sink));
}

std::unique_ptr<PipelinePrinter> MakeQuietPipelinePrinter() {
  return std::make_unique<QuietPipelinePrinter>();
}

}  // namespace zlayer
