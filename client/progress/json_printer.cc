#include <string>
#include <utility>

#include "client/progress/printer.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

class JsonPrinter : public ProgressPrinter {
 public:
  explicit JsonPrinter(LineSink sink) : sink_(std::move(sink)) {}

  void ContextSent(std::string_view, const v1::ContextReady&) override {}
  void Event(const v1::BuildEvent& event) override { sink_(ToJson(event) + "\n"); }

 private:
  const LineSink sink_;
};

class QuietPrinter : public ProgressPrinter {
 public:
  explicit QuietPrinter(LineSink sink) : sink_(std::move(sink)) {}

  void ContextSent(std::string_view, const v1::ContextReady&) override {}
  void Event(const v1::BuildEvent& event) override {
    if (event.has_build_complete()) {
      sink_(event.build_complete().image_id() + "\n");
    }
  }

 private:
  const LineSink sink_;
};

}  // namespace

std::unique_ptr<ProgressPrinter> MakeJsonPrinter(LineSink sink) {
  return std::make_unique<JsonPrinter>(std::move(sink));
}

std::unique_ptr<ProgressPrinter> MakeQuietPrinter(LineSink sink) {
  return std::make_unique<QuietPrinter>(std::move(sink));
}

}  // namespace zlayer
