#include "client/lib/pipeline_follower.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/errors.h"

namespace zlayer {

absl::StatusOr<v1::PipelineStatus> FollowPipeline(const PipelineCalls& calls,
                                                  v1::WatchPipelineRequest request,
                                                  const PipelineEventHandler& handler,
                                                  const FollowOptions& options,
                                                  std::stop_token stop) {
  StreamRetry retry(options, stop);
  std::optional<v1::PipelineStatus> ended;
  const auto read = [&]() -> grpc::Status {
    grpc::ClientContext context;
    CancelOnStop cancel(stop, &context);
    std::unique_ptr<grpc::ClientReaderInterface<v1::PipelineEvent>> stream =
        calls.stub.WatchPipeline(&context, request);
    v1::PipelineEvent event;
    while (stream->Read(&event)) {
      if (event.sequence() <= request.after_sequence() || ended.has_value()) {
        continue;
      }
      retry.News();
      request.set_after_sequence(event.sequence());
      handler(event);
      if (event.has_ended()) {
        ended = event.ended();
      }
    }
    return stream->Finish();
  };
  while (true) {
    const grpc::Status status = read();
    if (ended.has_value()) {
      return *std::move(ended);
    }
    if (stop.stop_requested()) {
      return Cancelled("the watching of the pipeline was interrupted");
    }
    const absl::Status error =
        status.ok()
            ? Unavailable(fmt::format("the daemon at {} ended the events of pipeline {} early",
                                      calls.connection.address(), request.pipeline_id()))
            : calls.connection.Explain(status);
    if (!status.ok() && !IsBroken(status)) {
      return error;
    }
    if (retry.IsTooLate()) {
      return Annotate(
          error, fmt::format("pipeline {} goes on without this client", request.pipeline_id()));
    }
    retry.Wait(error);
  }
}

}  // namespace zlayer
