#include "daemon/service/build_service.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "backends/graph/describe.h"
#include "base/errors.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "daemon/service/download_stream.h"
#include "daemon/service/event_stream.h"
#include "daemon/service/list_request.h"
#include "daemon/service/request_check.h"
#include "daemon/service/request_limits.h"
#include "daemon/service/unary_call.h"
#include "daemon/service/upload_stream.h"

namespace zlayer {
namespace {

// Below gRPC's 4 MiB for a message.
constexpr size_t kMaxResponse = (size_t{4} << 20) - (size_t{64} << 10);

// `too_large` is the sentence where the response is.
template <typename Response>
absl::StatusOr<Response> IfItFits(Response response, std::string_view too_large) {
  if (response.ByteSizeLong() > kMaxResponse) {
    return ResourceExhausted(std::string(too_large));
  }
  return response;
}

class QueueBuildService : public v1::BuildService::CallbackService {
 public:
  explicit QueueBuildService(const BuildServiceOptions& options) : options_(options) {}

  grpc::ServerUnaryReactor* SubmitBuild(grpc::CallbackServerContext*,
                                        const v1::SubmitBuildRequest* request,
                                        v1::SubmitBuildResponse* response) override {
    return RunUnary<v1::SubmitBuildRequest, v1::SubmitBuildResponse>(
        options_.host.quick, request, response,
        [this](const v1::SubmitBuildRequest& submission,
               std::stop_token) -> absl::StatusOr<v1::SubmitBuildResponse> {
          v1::SubmitBuildResponse answer;
          ASSIGN_OR_RETURN(*answer.mutable_build_id(), Submit(submission));
          return answer;
        });
  }

  grpc::ServerWriteReactor<v1::BuildEvent>* Build(grpc::CallbackServerContext*,
                                                  const v1::SubmitBuildRequest* request) override {
    return StreamEvents(options_.host, options_.logs,
                        [this, request]() -> absl::StatusOr<WatchPosition> {
                          RETURN_IF_ERROR(CheckLimits(*request));
                          ASSIGN_OR_RETURN(std::string id, Submit(*request));
                          return Position(id);
                        });
  }

  grpc::ServerWriteReactor<v1::BuildEvent>* WatchBuild(
      grpc::CallbackServerContext*, const v1::WatchBuildRequest* request) override {
    return StreamEvents(options_.host, options_.logs,
                        [this, request]() -> absl::StatusOr<WatchPosition> {
                          RETURN_IF_ERROR(CheckLimits(*request));
                          WatchPosition position = Position(request->build_id());
                          position.after = request->after_sequence();
                          position.follow = !request->no_follow();
                          return position;
                        });
  }

  grpc::ServerUnaryReactor* GetBuild(grpc::CallbackServerContext*,
                                     const v1::GetBuildRequest* request,
                                     v1::BuildStatus* response) override {
    return RunUnary<v1::GetBuildRequest, v1::BuildStatus>(
        options_.host.quick, request, response,
        [this](const v1::GetBuildRequest& get, std::stop_token) -> absl::StatusOr<v1::BuildStatus> {
          ASSIGN_OR_RETURN(v1::BuildStatus build, options_.queue->Get(get.build_id()));
          options_.scheduler->DescribeWaiting({&build, 1});
          return build;
        });
  }

  grpc::ServerUnaryReactor* ListBuilds(grpc::CallbackServerContext*,
                                       const v1::ListBuildsRequest* request,
                                       v1::ListBuildsResponse* response) override {
    return RunUnary<v1::ListBuildsRequest, v1::ListBuildsResponse>(
        options_.host.quick, request, response,
        [this](const v1::ListBuildsRequest& list,
               std::stop_token) -> absl::StatusOr<v1::ListBuildsResponse> {
          ASSIGN_OR_RETURN(BuildListing listing, ToListing(list));
          ASSIGN_OR_RETURN(BuildPage page, options_.queue->List(listing));
          options_.scheduler->DescribeWaiting(page.builds);
          return ToResponse(listing.filter, std::move(page));
        });
  }

  grpc::ServerUnaryReactor* CancelBuild(grpc::CallbackServerContext*,
                                        const v1::CancelBuildRequest* request,
                                        v1::BuildStatus* response) override {
    return RunUnary<v1::CancelBuildRequest, v1::BuildStatus>(
        options_.host.quick, request, response,
        [this](const v1::CancelBuildRequest& cancel, std::stop_token) {
          return options_.scheduler->Cancel(cancel.build_id());
        });
  }

  grpc::ServerUnaryReactor* DeleteBuild(grpc::CallbackServerContext*,
                                        const v1::DeleteBuildRequest* request,
                                        v1::DeleteBuildResponse* response) override {
    return RunUnary<v1::DeleteBuildRequest, v1::DeleteBuildResponse>(
        options_.host.quick, request, response,
        [this](const v1::DeleteBuildRequest& call, std::stop_token) {
          return Delete(call.build_id());
        });
  }

  grpc::ServerUnaryReactor* PlanBuild(grpc::CallbackServerContext*,
                                      const v1::PlanBuildRequest* request,
                                      v1::PlanBuildResponse* response) override {
    return RunUnary<v1::PlanBuildRequest, v1::PlanBuildResponse>(
        options_.host.quick, request, response,
        [this](const v1::PlanBuildRequest& plan, std::stop_token stop) {
          return Plan(plan, std::move(stop));
        });
  }

  grpc::ServerUnaryReactor* CheckBuild(grpc::CallbackServerContext*,
                                       const v1::CheckBuildRequest* request,
                                       v1::CheckBuildResponse* response) override {
    return RunUnary<v1::CheckBuildRequest, v1::CheckBuildResponse>(
        options_.host.quick, request, response,
        [this](const v1::CheckBuildRequest& check, std::stop_token stop) {
          return Check(check, std::move(stop));
        });
  }

  grpc::ServerWriteReactor<v1::Span>* GetTrace(grpc::CallbackServerContext* context,
                                               const v1::GetTraceRequest* request) override {
    return SendStream<v1::Span>(
        options_.host, context,
        [this, request](const std::function<absl::Status(v1::Span)>& write,
                        std::stop_token) -> absl::Status {
          RETURN_IF_ERROR(CheckLimits(*request));
          ASSIGN_OR_RETURN(const v1::BuildStatus build, options_.queue->Get(request->build_id()));
          absl::StatusOr<std::string> spans = options_.traces->Read(build.id());
          if (absl::IsNotFound(spans.status()) && build.state() == v1::QUEUED) {
            return absl::OkStatus();
          }
          RETURN_IF_ERROR(spans.status());
          return ForEachSpan(*spans, write);
        });
  }

  grpc::ServerBidiReactor<v1::UploadContextRequest, v1::UploadContextResponse>* UploadContext(
      grpc::CallbackServerContext* context) override {
    return ReceiveStream(options_.host, context, MakeContextUpload(options_.uploads));
  }

 private:
  // Of a build, known or not.
  WatchPosition Position(const std::string& id) {
    WatchPosition position{id};
    position.subscribed = [this, id] { return options_.scheduler->BeginWatch(id); };
    return position;
  }
  absl::StatusOr<std::string> Submit(v1::SubmitBuildRequest request);
  bool HasEnded(const std::string& id);
  absl::Status FindContexts(const std::string& name_space, const v1::BuildSpec& spec);
  absl::StatusOr<v1::DeleteBuildResponse> Delete(const std::string& id);
  absl::StatusOr<v1::PlanBuildResponse> Plan(const v1::PlanBuildRequest& request,
                                             std::stop_token stop);
  absl::StatusOr<v1::CheckBuildResponse> Check(const v1::CheckBuildRequest& request,
                                               std::stop_token stop);

  const BuildServiceOptions options_;
};

absl::StatusOr<std::string> QueueBuildService::Submit(v1::SubmitBuildRequest request) {
  RETURN_IF_ERROR(CheckSubmission(request));
  ASSIGN_OR_RETURN(std::string name_space, NamespaceOf(request.namespace_()));
  request.set_namespace_(name_space);
  // A repeated request may come when its build, and the contexts with it, is gone.
  ASSIGN_OR_RETURN(std::optional<std::string> existing, options_.queue->FindSubmitted(request));
  if (existing.has_value()) {
    return *std::move(existing);
  }
  ContextStore& contexts = options_.uploads.store->contexts();
  RETURN_IF_ERROR(FindContexts(name_space, request.spec()));
  ASSIGN_OR_RETURN(std::string id, options_.scheduler->Submit(request));
  for (const auto& [name, source] : request.spec().contexts()) {
    if (!source.has_uploaded()) {
      continue;
    }
    absl::Status kept = contexts.Keep(name_space, source.uploaded());
    if (!kept.ok() && !HasEnded(id)) {
      options_.scheduler->Cancel(id).status().IgnoreError();
      return kept;
    }
  }
  return id;
}

bool QueueBuildService::HasEnded(const std::string& id) {
  absl::StatusOr<v1::BuildStatus> build = options_.queue->Get(id);
  return build.ok() && build->state() != v1::QUEUED && build->state() != v1::RUNNING;
}

absl::Status QueueBuildService::FindContexts(const std::string& name_space,
                                             const v1::BuildSpec& spec) {
  ContextStore& contexts = options_.uploads.store->contexts();
  for (const auto& [name, source] : spec.contexts()) {
    if (source.has_uploaded()) {
      RETURN_IF_ERROR(contexts.Get(name_space, source.uploaded()).status());
    }
  }
  return absl::OkStatus();
}

// The row first: a log without one is swept, while a row without a log would be a build's.
absl::StatusOr<v1::DeleteBuildResponse> QueueBuildService::Delete(const std::string& id) {
  RETURN_IF_ERROR(options_.queue->Delete(id));
  absl::Status removed = options_.logs->Remove(id);
  if (!removed.ok()) {
    Log(LogModule::kService)
        .Warn("a deleted build's log stays for now", {{"build", id}, {"error", removed}});
  }
  return v1::DeleteBuildResponse();
}

absl::StatusOr<v1::PlanBuildResponse> QueueBuildService::Plan(const v1::PlanBuildRequest& request,
                                                              std::stop_token stop) {
  RETURN_IF_ERROR(CheckPlan(request));
  ASSIGN_OR_RETURN(std::string name_space, NamespaceOf(request.namespace_()));
  RETURN_IF_ERROR(FindContexts(name_space, request.spec()));
  ASSIGN_OR_RETURN(PlannedBuild plan, options_.plan(name_space, request.spec(), std::move(stop)));
  RETURN_IF_ERROR(plan.violation);
  v1::PlanBuildResponse response;
  *response.mutable_plan() = DescribePlan(plan.graph);
  *response.mutable_graph() = std::move(plan.graph);
  for (v1::Warning& warning : plan.warnings) {
    *response.add_warnings() = std::move(warning);
  }
  return IfItFits(std::move(response),
                  "the graph is larger than a message can be; it can be built all the same");
}

absl::StatusOr<v1::CheckBuildResponse> QueueBuildService::Check(
    const v1::CheckBuildRequest& request, std::stop_token stop) {
  RETURN_IF_ERROR(CheckExamination(request));
  ASSIGN_OR_RETURN(std::string name_space, NamespaceOf(request.namespace_()));
  RETURN_IF_ERROR(FindContexts(name_space, request.spec()));
  ASSIGN_OR_RETURN(v1::CheckBuildResponse response,
                   options_.check(name_space, request.spec(), std::move(stop)));
  return IfItFits(std::move(response), "what the check found is larger than a message can be");
}

}  // namespace

std::unique_ptr<v1::BuildService::CallbackService> MakeBuildService(
    const BuildServiceOptions& options) {
  return std::make_unique<QueueBuildService>(options);
}

}  // namespace zlayer
