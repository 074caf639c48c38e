// Runs pipelines: submits the build of an image to the one queue once those that it needs are
// built, hears how builds end, and sends the images in the end. Owns every pipeline's life from its
// acknowledgement to its one last event, over crashes and restarts.
#ifndef ZLAYER_DAEMON_PIPELINE_PIPELINE_RUNNER_H_
#define ZLAYER_DAEMON_PIPELINE_PIPELINE_RUNNER_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include "daemon/pipeline/pipeline_store.h"
#include "daemon/pipeline/send_image.h"
#include "daemon/queue/build_queue.h"
#include "daemon/queue/scheduler.h"

namespace zlayer {

// All outlive the runner.
struct PipelineRunnerOptions {
  PipelineStore* store = nullptr;
  BuildQueue* queue = nullptr;  // whose end listener is the runner's
  Scheduler* scheduler = nullptr;
  ImageSender send;
  // Requested once nothing is accepted or started any more.
  std::stop_token draining;
  // Until what failed for now (a full queue, a full disk) is tried again.
  std::chrono::nanoseconds retry_delay = std::chrono::seconds(1);
};

// The rows decide all. What is done for an image is done so that it can be done again: a build is
// submitted with the pipeline's id and the image's name as idempotency key before the row says so,
// and an image is sent again where a daemon died meanwhile.
//
// Secrets and credentials are held in memory for as long as the pipeline runs. After a restart what
// needs them fails with SECRETS_LOST.
//
// One thread does it all, but for the sending. Thread-safe.
class PipelineRunner {
 public:
  virtual ~PipelineRunner() = default;  // as Stop

  // Stores the pipeline, whose request was checked, and starts it. The errors of
  // PipelineStore::Submit; kUnavailable while draining.
  virtual absl::StatusOr<std::string> Submit(const v1::SubmitPipelineRequest& request) = 0;
  // Returns the status as it is once the request to cancel is stored. kNotFound.
  virtual absl::StatusOr<v1::PipelineStatus> Cancel(const std::string& id) = 0;
  // Leaves all pipelines as they are now, for the next start. Returns when nothing is under way.
  virtual void Stop() = 0;
};

// Goes on with what an earlier daemon left.
std::unique_ptr<PipelineRunner> StartPipelineRunner(const PipelineRunnerOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_PIPELINE_PIPELINE_RUNNER_H_
