#include "daemon/service/pipeline_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "daemon/service/followed_stream.h"
#include "daemon/service/pipeline_check.h"
#include "daemon/service/request_check.h"
#include "daemon/service/request_limits.h"
#include "daemon/service/unary_call.h"

namespace zlayer {
namespace {

constexpr uint32_t kDefaultPage = 100;
constexpr uint32_t kMaxPage = 1000;
// Below gRPC's 4 MiB for a message.
constexpr size_t kMaxBytes = (size_t{4} << 20) - (size_t{64} << 10);

// Calls `action` with the id of each uploaded context.
template <typename Action>
absl::Status ForEachContext(const v1::PipelineSpec& spec, Action action) {
  for (const v1::PipelineImage& image : spec.images()) {
    for (const auto& [name, source] : image.spec().contexts()) {
      if (source.has_uploaded()) {
        RETURN_IF_ERROR(action(source.uploaded()));
      }
    }
  }
  return absl::OkStatus();
}

class StorePipelineService : public v1::PipelineService::CallbackService {
 public:
  explicit StorePipelineService(const PipelineServiceOptions& options) : options_(options) {}

  grpc::ServerUnaryReactor* SubmitPipeline(grpc::CallbackServerContext*,
                                           const v1::SubmitPipelineRequest* request,
                                           v1::SubmitPipelineResponse* response) override {
    return RunUnary<v1::SubmitPipelineRequest, v1::SubmitPipelineResponse>(
        options_.host.quick, request, response,
        [this](const v1::SubmitPipelineRequest& submission,
               std::stop_token) -> absl::StatusOr<v1::SubmitPipelineResponse> {
          v1::SubmitPipelineResponse answer;
          ASSIGN_OR_RETURN(*answer.mutable_pipeline_id(), Submit(submission));
          return answer;
        });
  }

  grpc::ServerWriteReactor<v1::PipelineEvent>* WatchPipeline(
      grpc::CallbackServerContext*, const v1::WatchPipelineRequest* request) override {
    return new FollowedStream<v1::PipelineEvent>(
        options_.host,
        [this, request](std::function<void()> wake) -> absl::StatusOr<Feed<v1::PipelineEvent>> {
          RETURN_IF_ERROR(CheckLimits(*request));
          return OpenFeed(*request, std::move(wake));
        });
  }

  grpc::ServerUnaryReactor* GetPipeline(grpc::CallbackServerContext*,
                                        const v1::GetPipelineRequest* request,
                                        v1::PipelineStatus* response) override {
    return RunUnary<v1::GetPipelineRequest, v1::PipelineStatus>(
        options_.host.quick, request, response,
        [this](const v1::GetPipelineRequest& get, std::stop_token) {
          return options_.store->Get(get.pipeline_id());
        });
  }

  grpc::ServerUnaryReactor* ListPipelines(grpc::CallbackServerContext*,
                                          const v1::ListPipelinesRequest* request,
                                          v1::ListPipelinesResponse* response) override {
    return RunUnary<v1::ListPipelinesRequest, v1::ListPipelinesResponse>(
        options_.host.quick, request, response,
        [this](const v1::ListPipelinesRequest& list, std::stop_token) { return List(list); });
  }

  grpc::ServerUnaryReactor* CancelPipeline(grpc::CallbackServerContext*,
                                           const v1::CancelPipelineRequest* request,
                                           v1::PipelineStatus* response) override {
    return RunUnary<v1::CancelPipelineRequest, v1::PipelineStatus>(
        options_.host.quick, request, response,
        [this](const v1::CancelPipelineRequest& cancel, std::stop_token) {
          return options_.runner->Cancel(cancel.pipeline_id());
        });
  }

  grpc::ServerUnaryReactor* DeletePipeline(grpc::CallbackServerContext*,
                                           const v1::DeletePipelineRequest* request,
                                           v1::DeletePipelineResponse* response) override {
    return RunUnary<v1::DeletePipelineRequest, v1::DeletePipelineResponse>(
        options_.host.quick, request, response,
        [this](const v1::DeletePipelineRequest& call,
               std::stop_token) -> absl::StatusOr<v1::DeletePipelineResponse> {
          RETURN_IF_ERROR(options_.store->Delete(call.pipeline_id()));
          return v1::DeletePipelineResponse();
        });
  }

 private:
  absl::StatusOr<std::string> Submit(v1::SubmitPipelineRequest request);
  absl::StatusOr<Feed<v1::PipelineEvent>> OpenFeed(const v1::WatchPipelineRequest& request,
                                                   std::function<void()> wake);
  absl::StatusOr<v1::ListPipelinesResponse> List(const v1::ListPipelinesRequest& request);

  const PipelineServiceOptions options_;
};

absl::StatusOr<std::string> StorePipelineService::Submit(v1::SubmitPipelineRequest request) {
  RETURN_IF_ERROR(CheckPipeline(request));
  ASSIGN_OR_RETURN(const std::string name_space, NamespaceOf(request.namespace_()));
  request.set_namespace_(name_space);
  // A repeated request may come when the contexts are gone.
  ASSIGN_OR_RETURN(std::optional<std::string> existing, options_.store->FindSubmitted(request));
  if (existing.has_value()) {
    return *std::move(existing);
  }
  ContextStore& contexts = *options_.contexts;
  RETURN_IF_ERROR(ForEachContext(request.spec(), [&](const std::string& context) {
    return contexts.Get(name_space, context).status();
  }));
  ASSIGN_OR_RETURN(std::string id, options_.runner->Submit(request));
  const absl::Status kept = ForEachContext(request.spec(), [&](const std::string& context) {
    return contexts.Keep(name_space, context);
  });
  if (!kept.ok()) {
    const absl::StatusOr<v1::PipelineStatus> status = options_.store->Get(id);
    if (!status.ok() || !status->has_ended()) {
      options_.runner->Cancel(id).status().IgnoreError();
      return kept;
    }
  }
  return id;
}

absl::StatusOr<Feed<v1::PipelineEvent>> StorePipelineService::OpenFeed(
    const v1::WatchPipelineRequest& request, std::function<void()> wake) {
  Feed<v1::PipelineEvent> feed;
  feed.after = request.after_sequence();
  feed.subscription = options_.store->Subscribe(request.pipeline_id(), std::move(wake));
  feed.next = [store = options_.store, id = request.pipeline_id(),
               position = feed.after](v1::PipelineEvent* event) mutable -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(std::optional<v1::PipelineEvent> next, store->NextEvent(id, position));
    if (!next.has_value()) {
      return false;
    }
    position = next->sequence();
    *event = *std::move(next);
    return true;
  };
  feed.may_have_next = [] { return true; };
  feed.is_last = [](const v1::PipelineEvent& event) { return event.has_ended(); };
  ASSIGN_OR_RETURN(const v1::PipelineStatus status, options_.store->Get(request.pipeline_id()));
  if (status.has_ended()) {
    ASSIGN_OR_RETURN(const std::optional<v1::PipelineEvent> next,
                     options_.store->NextEvent(request.pipeline_id(), feed.after));
    feed.ended = !next.has_value();
  }
  return feed;
}

absl::StatusOr<v1::ListPipelinesResponse> StorePipelineService::List(
    const v1::ListPipelinesRequest& request) {
  PipelineListing listing;
  BuildFilter filter;  // of the token
  if (!request.namespace_().empty()) {
    ASSIGN_OR_RETURN(filter.name_space, NamespaceOf(request.namespace_()));
    listing.name_space = filter.name_space;
  }
  if (!request.page_token().empty()) {
    absl::StatusOr<BuildPosition> after = ParsePageToken(filter, request.page_token());
    if (!after.ok()) {
      return InvalidOption("page_token", Message(after.status()));
    }
    listing.after = *std::move(after);
  }
  listing.limit = request.page_size() == 0 ? kDefaultPage : std::min(request.page_size(), kMaxPage);
  listing.max_bytes = kMaxBytes;
  ASSIGN_OR_RETURN(PipelinePage page, options_.store->List(listing));
  v1::ListPipelinesResponse response;
  for (v1::PipelineStatus& pipeline : page.pipelines) {
    *response.add_pipelines() = std::move(pipeline);
  }
  if (page.last.has_value()) {
    response.set_next_page_token(PageToken(filter, *page.last));
  }
  return response;
}

}  // namespace

std::unique_ptr<v1::PipelineService::CallbackService> MakePipelineService(
    const PipelineServiceOptions& options) {
  return std::make_unique<StorePipelineService>(options);
}

}  // namespace zlayer
