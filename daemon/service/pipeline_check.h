// What is checked of a pipeline before it is acknowledged.
#ifndef ZLAYER_DAEMON_SERVICE_PIPELINE_CHECK_H_
#define ZLAYER_DAEMON_SERVICE_PIPELINE_CHECK_H_

#include <absl/status/status.h>

#include "zlayer/v1/pipeline.pb.h"

namespace zlayer {

// Names, dependencies (reasons UNKNOWN_DEPENDENCY, CIRCULAR_DEPENDENCY) and, as CheckSubmission
// does, the spec of each image, with its name before the message.
absl::Status CheckPipeline(const v1::SubmitPipelineRequest& request);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_PIPELINE_CHECK_H_
