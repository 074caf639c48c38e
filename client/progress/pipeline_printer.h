// Shows a pipeline and the builds of its images to people and programs.
#ifndef ZLAYER_CLIENT_PROGRESS_PIPELINE_PRINTER_H_
#define ZLAYER_CLIENT_PROGRESS_PIPELINE_PRINTER_H_

#include <memory>
#include <string>
#include <string_view>

#include "client/progress/printer.h"
#include "zlayer/v1/pipeline.pb.h"

namespace zlayer {

// Not thread-safe.
class PipelinePrinter {
 public:
  // Shows what is left to show.
  virtual ~PipelinePrinter() = default;
  // A directory has arrived, for all images that are built from it.
  virtual void ContextSent(std::string_view, const v1::ContextReady&) {}
  // Events come in order, each once.
  virtual void Event(const v1::PipelineEvent& event) = 0;
  // Of the build of an image, in order, each once; none after the event that says how it ended.
  virtual void BuildEvent(const std::string& image, const v1::BuildEvent& event) = 0;
  // The daemon does not answer, with a sentence; it is asked again until the next event.
  virtual void Lost(std::string_view) {}
};

// "built in 3.2s", "skipped: it needs "base", which failed", "failed: ...": what became of an
// image.
std::string DescribeImageState(const v1::PipelineImageStatus& image);

// A line for each thing that happens, behind the name of its image; of builds what MakePlainPrinter
// says:
//
//   pipeline p-0k3v9x: 2 images
//   base | building (build 0k3v9y)
//   base | #1 [1/2] RUN make
//   base | built in 3.2s
//   web  | skipped: it needs "base", which failed
std::unique_ptr<PipelinePrinter> MakePlainPipelinePrinter(LineSink sink);

// One PipelineEvent or BuildEvent a line as JSON, as MakeJsonPrinter. They are told apart by
// pipeline_id and build_id.
std::unique_ptr<PipelinePrinter> MakeJsonPipelinePrinter(LineSink sink);

// Nothing.
std::unique_ptr<PipelinePrinter> MakeQuietPipelinePrinter();

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_PIPELINE_PRINTER_H_
