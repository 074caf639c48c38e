#include "daemon/service/build_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "daemon/service/event_stream.h"
#include "daemon/service/request_check.h"
#include "daemon/service/unary_call.h"
#include "daemon/service/upload_stream.h"

namespace zlayer {
namespace {

constexpr uint32_t kDefaultPage = 100;
constexpr uint32_t kMaxPage = 1'000;
// Below gRPC's 4 MiB for a message.
constexpr size_t kMaxListBytes = size_t{3} << 20;

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
                          ASSIGN_OR_RETURN(std::string id, Submit(*request));
                          return Position(id);
                        });
  }

  grpc::ServerWriteReactor<v1::BuildEvent>* WatchBuild(
      grpc::CallbackServerContext*, const v1::WatchBuildRequest* request) override {
    return StreamEvents(options_.host, options_.logs,
                        [this, request]() -> absl::StatusOr<WatchPosition> {
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
        [this](const v1::ListBuildsRequest& list, std::stop_token) { return List(list); });
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
  absl::StatusOr<v1::ListBuildsResponse> List(const v1::ListBuildsRequest& request);

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
  for (const auto& [name, source] : request.spec().contexts()) {
    RETURN_IF_ERROR(contexts.Get(name_space, source.uploaded()).status());
  }
  ASSIGN_OR_RETURN(std::string id, options_.scheduler->Submit(request));
  for (const auto& [name, source] : request.spec().contexts()) {
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

absl::StatusOr<v1::ListBuildsResponse> QueueBuildService::List(
    const v1::ListBuildsRequest& request) {
  std::string name_space;
  if (!request.namespace_().empty()) {
    ASSIGN_OR_RETURN(name_space, NamespaceOf(request.namespace_()));
  }
  uint32_t limit =
      request.page_size() == 0 ? kDefaultPage : std::min(request.page_size(), kMaxPage);
  ASSIGN_OR_RETURN(std::vector<v1::BuildStatus> builds, options_.queue->List(name_space, limit));
  options_.scheduler->DescribeWaiting(builds);
  v1::ListBuildsResponse response;
  size_t bytes = 0;
  for (v1::BuildStatus& build : builds) {
    bytes += build.ByteSizeLong();
    if (bytes > kMaxListBytes) {
      break;
    }
    *response.add_builds() = std::move(build);
  }
  return response;
}

}  // namespace

std::unique_ptr<v1::BuildService::CallbackService> MakeBuildService(
    const BuildServiceOptions& options) {
  return std::make_unique<QueueBuildService>(options);
}

}  // namespace zlayer
