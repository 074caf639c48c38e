// Follows a pipeline to its end, over broken streams and restarts of the daemon.
#ifndef ZLAYER_CLIENT_LIB_PIPELINE_FOLLOWER_H_
#define ZLAYER_CLIENT_LIB_PIPELINE_FOLLOWER_H_

#include <absl/status/statusor.h>

#include <functional>
#include <stop_token>

#include "client/lib/connection.h"
#include "client/lib/stream_retry.h"
#include "zlayer/v1/pipeline.grpc.pb.h"

namespace zlayer {

struct PipelineCalls {
  Connection& connection;
  v1::PipelineService::StubInterface& stub;
};

// Gets each event once, in order, on the caller's thread.
using PipelineEventHandler = std::function<void(const v1::PipelineEvent&)>;

// Returns how the pipeline ended, from `request.after_sequence` on. kUnavailable: the daemon did
// not come back in time. kCancelled once `stop` is requested, which cancels no pipeline.
absl::StatusOr<v1::PipelineStatus> FollowPipeline(const PipelineCalls& calls,
                                                  v1::WatchPipelineRequest request,
                                                  const PipelineEventHandler& handler,
                                                  const FollowOptions& options,
                                                  std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_PIPELINE_FOLLOWER_H_
