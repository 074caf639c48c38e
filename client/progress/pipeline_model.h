// What a screen shows of a pipeline: a model that events change, and its rows.
#ifndef ZLAYER_CLIENT_PROGRESS_PIPELINE_MODEL_H_
#define ZLAYER_CLIENT_PROGRESS_PIPELINE_MODEL_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "client/progress/row.h"
#include "zlayer/v1/pipeline.pb.h"

namespace zlayer {

// Not thread-safe.
class PipelineModel {
 public:
  void Event(const v1::PipelineEvent& event);
  void BuildEvent(const std::string& image, const v1::BuildEvent& event);
  // Until the next event.
  void Lost(std::string_view reason) { lost_ = reason; }
  void Interrupted() { interrupted_ = true; }

  // What ended since the last call, for good: of an image that failed with the last lines that its
  // build wrote.
  std::vector<Row> TakeHistory();

  // A line for each image as far as they fit, those first that something happens to, and a sum;
  // none is wider than the view's width, and they are at most its height - 1. None before the
  // pipeline and after it.
  //
  //   ● base  3/7 RUN make          3.1s
  //   ● web   in the queue          0.2s
  //     docs  waits for base
  //   1 of 4 images, 2 building     4.0s
  std::vector<std::string> Render(const View& view) const;

 private:
  struct Image {
    v1::PipelineImageStatus status;
    int64_t since_ns = 0;  // of the state
    uint32_t steps = 0;    // of the build
    uint32_t steps_done = 0;
    std::string instruction;
    std::deque<std::string> output;  // the last lines
  };

  void Take(const v1::PipelineImageStatus& status, int64_t time_ns);
  Row RowOf(const Image& image, size_t name_columns, const View& view) const;
  Row SumOf(const View& view) const;

  std::vector<Image> images_;
  std::map<std::string, size_t> positions_;
  std::vector<Row> history_;
  std::string lost_;
  bool interrupted_ = false;
  bool running_ = false;
  int64_t started_ns_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_PIPELINE_MODEL_H_
