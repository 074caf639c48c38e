// Follows a pipeline and shows it, and what came of it.
#ifndef ZLAYER_CLIENT_CLI_PIPELINE_SHOW_H_
#define ZLAYER_CLIENT_CLI_PIPELINE_SHOW_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "client/cli/session.h"
#include "client/lib/pipeline_stub.h"
#include "client/progress/pipeline_printer.h"
#include "zlayer/v1/pipeline.pb.h"

namespace zlayer {

// A printer to stdout for a value of `--progress`, as MakePrinter (outcome.h).
std::unique_ptr<PipelinePrinter> MakePipelinePrinter(const std::string& mode,
                                                     std::stop_token interrupted);

struct PipelineWatch {
  std::string pipeline_id;
  PipelinePrinter& printer;
  std::stop_token stop;
};
// Shows the pipeline with the builds of its images from begin to end; returns how it ended. Nothing
// is shown after `stop` (kCancelled), and the pipeline goes on.
absl::StatusOr<v1::PipelineStatus> WatchPipeline(Connection& connection,
                                                 v1::PipelineService::StubInterface& pipelines,
                                                 const PipelineWatch& watch);

// A line for each image: name, state, seconds, size, manifest digest.
std::string PipelineTable(const v1::PipelineStatus& status, std::optional<size_t> width);

// "running", "succeeded", ...
std::string NameOf(v1::PipelineState state);

// OK where all images are there, else why not: kFailedPrecondition (of several images that failed,
// all but the last sentence are printed to stderr) or kCancelled.
absl::Status OutcomeOf(const v1::PipelineStatus& status);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_PIPELINE_SHOW_H_
