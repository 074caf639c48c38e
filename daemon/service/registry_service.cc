#include "daemon/service/registry_service.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/build/outputs.h"
#include "daemon/build/pulling_image_resolver.h"
#include "daemon/frontend/dockerfile/values.h"
#include "daemon/service/download_stream.h"
#include "daemon/service/image_messages.h"
#include "daemon/service/request_check.h"
#include "daemon/service/request_limits.h"
#include "daemon/service/unary_call.h"
#include "registry/image/image_json.h"
#include "registry/image/platform.h"
#include "registry/image/reference.h"
#include "registry/transfer/make_index.h"

namespace zlayer {
namespace {

using Write = std::function<absl::Status(v1::TransferEvent)>;

v1::TransferProgress::State StateOf(TransferUpdate::State state) {
  switch (state) {
    case TransferUpdate::State::kDone:
      return v1::TransferProgress::DONE;
    case TransferUpdate::State::kPresent:
      return v1::TransferProgress::PRESENT;
    case TransferUpdate::State::kMounted:
      return v1::TransferProgress::MOUNTED;
    default:
      return v1::TransferProgress::RUNNING;
  }
}

// The stream's writer takes one message at a time; what several transfers say waits. That nobody
// hears it any more ends the transfers through their stop token.
class EventWriter {
 public:
  explicit EventWriter(const Write& write) : write_(write) {}

  ProgressSink Sink() {
    return [this](const TransferUpdate& progress) {
      v1::TransferEvent event;
      event.mutable_progress()->set_item(progress.item);
      event.mutable_progress()->set_state(StateOf(progress.state));
      event.mutable_progress()->set_bytes_done(progress.done);
      event.mutable_progress()->set_bytes_total(progress.total);
      MutexLock lock(&mutex_);
      moved_ += progress.state == TransferUpdate::State::kDone ? progress.done : 0;
      write_(std::move(event)).IgnoreError();
    };
  }

  // Bytes of all that was done.
  uint64_t moved() {
    MutexLock lock(&mutex_);
    return moved_;
  }

 private:
  const Write& write_;
  Mutex mutex_;
  uint64_t moved_ ABSL_GUARDED_BY(mutex_) = 0;
};

absl::StatusOr<v1::Platform> PlatformOf(const std::string& text) {
  v1::Platform platform;
  if (text.empty()) {
    return platform;
  }
  absl::StatusOr<v1::Platform> parsed = ParsePlatform(text, HostPlatform());
  return parsed.ok() ? parsed : InvalidOption("platform", Message(parsed.status()));
}

class StoreRegistryService : public v1::RegistryService::CallbackService {
 public:
  explicit StoreRegistryService(const RegistryServiceOptions& options) : options_(options) {}

  grpc::ServerWriteReactor<v1::TransferEvent>* PullImage(
      grpc::CallbackServerContext* context, const v1::PullImageRequest* request) override {
    return Transfer(context, request, [this](const auto& pull, const Write& write, auto stop) {
      return Pull(pull, write, std::move(stop));
    });
  }
  grpc::ServerWriteReactor<v1::TransferEvent>* PushImage(
      grpc::CallbackServerContext* context, const v1::PushImageRequest* request) override {
    return Transfer(context, request, [this](const auto& push, const Write& write, auto stop) {
      return Push(push, write, std::move(stop));
    });
  }
  grpc::ServerWriteReactor<v1::TransferEvent>* CopyImage(
      grpc::CallbackServerContext* context, const v1::CopyImageRequest* request) override {
    return Transfer(context, request, [this](const auto& copy, const Write& write, auto stop) {
      return Copy(copy, write, std::move(stop));
    });
  }

  grpc::ServerUnaryReactor* CreateIndex(grpc::CallbackServerContext*,
                                        const v1::CreateIndexRequest* request,
                                        v1::Image* response) override {
    return RunUnary<v1::CreateIndexRequest, v1::Image>(
        options_.host.quick, request, response,
        [this](const v1::CreateIndexRequest& create, std::stop_token) { return Create(create); });
  }
  grpc::ServerUnaryReactor* GetManifest(grpc::CallbackServerContext*,
                                        const v1::GetManifestRequest* request,
                                        v1::GetManifestResponse* response) override {
    return RunUnary<v1::GetManifestRequest, v1::GetManifestResponse>(
        options_.host.transfers, request, response,
        [this](const v1::GetManifestRequest& get, std::stop_token stop) {
          return Manifest(get, std::move(stop));
        });
  }
  grpc::ServerUnaryReactor* CheckCredentials(grpc::CallbackServerContext*,
                                             const v1::CheckCredentialsRequest* request,
                                             v1::CheckCredentialsResponse* response) override {
    return RunUnary<v1::CheckCredentialsRequest, v1::CheckCredentialsResponse>(
        options_.host.transfers, request, response,
        [this](const v1::CheckCredentialsRequest& check, std::stop_token stop) {
          return Check(check, std::move(stop));
        });
  }

 private:
  // `handler` makes the events of a request whose fields are within their limits.
  template <typename Request, typename Handler>
  grpc::ServerWriteReactor<v1::TransferEvent>* Transfer(grpc::CallbackServerContext* context,
                                                        const Request* request, Handler handler) {
    return SendStream<v1::TransferEvent>(
        options_.host, context,
        [request, handler = std::move(handler)](const Write& write,
                                                std::stop_token stop) -> absl::Status {
          RETURN_IF_ERROR(CheckLimits(*request));
          return OfRegistry(handler(*request, write, std::move(stop)));
        });
  }

  absl::Status Pull(const v1::PullImageRequest& request, const Write& write, std::stop_token stop) {
    EventWriter events(write);
    PullRequest pull;
    ASSIGN_OR_RETURN(pull.name_space, NamespaceOf(request.namespace_()));
    ASSIGN_OR_RETURN(pull.platform, PlatformOf(request.platform()));
    pull.reference = request.reference();
    pull.all_platforms = request.all_platforms();
    pull.policy = PullPolicy::kAlways;
    pull.default_registry = request.default_registry();
    pull.credentials = CredentialsIn(request.credentials());
    const Uses::Work work = options_.store->uses().Begin();
    ASSIGN_OR_RETURN(const PulledManifest pulled,
                     options_.puller->Pull(pull, events.Sink(), std::move(stop)));
    v1::TransferEvent last;
    if (pulled.images.size() == 1) {
      last.mutable_complete()->set_config_digest(pulled.images[0].config_digest.ToString());
    }
    last.mutable_complete()->add_references(pulled.reference);
    last.mutable_complete()->set_manifest_digest(pulled.manifest.digest.ToString());
    last.mutable_complete()->set_bytes_received(events.moved());
    return write(std::move(last));
  }

  absl::Status Push(const v1::PushImageRequest& request, const Write& write, std::stop_token stop) {
    EventWriter events(write);
    PushRequest push;
    ASSIGN_OR_RETURN(push.name_space, NamespaceOf(request.namespace_()));
    push.reference = request.reference();
    push.destinations.assign(request.destinations().begin(), request.destinations().end());
    ASSIGN_OR_RETURN(push.form, PushFormOf(request.compression()));
    push.by_digest = request.by_digest();
    push.credentials = CredentialsIn(request.credentials());
    ASSIGN_OR_RETURN(const PushResult result,
                     options_.pusher->Push(push, events.Sink(), std::move(stop)));
    return write(Complete(result));
  }

  absl::Status Copy(const v1::CopyImageRequest& request, const Write& write, std::stop_token stop) {
    EventWriter events(write);
    ASSIGN_OR_RETURN(const PushResult result,
                     options_.pusher->Copy({request.source(), request.destination(),
                                            CredentialsIn(request.credentials())},
                                           events.Sink(), std::move(stop)));
    return write(Complete(result));
  }

  static v1::TransferEvent Complete(const PushResult& result) {
    v1::TransferEvent event;
    v1::TransferComplete& complete = *event.mutable_complete();
    complete.mutable_references()->Assign(result.references.begin(), result.references.end());
    complete.set_manifest_digest(result.manifest.ToString());
    if (!result.config.IsNone()) {
      complete.set_config_digest(result.config.ToString());
    }
    complete.set_bytes_sent(result.bytes_sent);
    return event;
  }

  absl::StatusOr<v1::Image> Create(const v1::CreateIndexRequest& request) {
    IndexRequest index;
    ASSIGN_OR_RETURN(index.name_space, NamespaceOf(request.namespace_()));
    index.reference = request.reference();
    index.append = request.append();
    index.annotations = {request.annotations().begin(), request.annotations().end()};
    for (const v1::IndexEntry& entry : request.entries()) {
      IndexPart& part = index.parts.emplace_back();
      part.reference = entry.reference();
      ASSIGN_OR_RETURN(part.platform, PlatformOf(entry.platform()));
      part.annotations = {entry.annotations().begin(), entry.annotations().end()};
    }
    const Uses::Work work = options_.store->uses().Begin();
    ASSIGN_OR_RETURN(const Digest digest,
                     MakeIndex(&options_.store->images(), &options_.store->repositories(), index));
    ASSIGN_OR_RETURN(const Reference name, Reference::Parse(index.reference));
    v1::Image image;
    image.set_reference(name.Normalized());
    image.set_familiar_name(name.Familiar());
    image.set_manifest_digest(digest.ToString());
    return image;
  }

  absl::StatusOr<v1::GetManifestResponse> Manifest(const v1::GetManifestRequest& request,
                                                   std::stop_token stop) {
    ASSIGN_OR_RETURN(const std::string name_space, NamespaceOf(request.namespace_()));
    absl::StatusOr<RepositoryManifest> manifest = absl::NotFoundError("");
    if (!request.remote()) {
      manifest = options_.store->images().GetManifest(name_space, request.reference());
    }
    if (absl::IsNotFound(manifest.status())) {
      PullRequest pull;
      pull.name_space = name_space;
      pull.reference = request.reference();
      pull.credentials = CredentialsIn(request.credentials());
      manifest = options_.puller->Inspect(pull, std::move(stop));
    }
    RETURN_IF_ERROR(OfRegistry(manifest.status()));
    v1::GetManifestResponse response;
    response.set_digest(manifest->digest.ToString());
    response.set_media_type(manifest->media_type);
    response.set_manifest_json(std::move(manifest->bytes));
    return response;
  }

  absl::StatusOr<v1::CheckCredentialsResponse> Check(const v1::CheckCredentialsRequest& request,
                                                     std::stop_token stop) {
    const v1::RegistryCredential& credential = request.credential();
    absl::StatusOr<Reference> name =
        Reference::Parse(fmt::format("{}/check", credential.registry()));
    if (!name.ok() || name->registry != credential.registry()) {
      return InvalidOption(
          "registry", fmt::format("\"{}\" is no registry's name", ToUtf8(credential.registry())));
    }
    const RegistryCredentials given{credential.username(), credential.password(),
                                    credential.token()};
    RETURN_IF_ERROR(OfRegistry(options_.client->CheckCredentials(
        {credential.registry(), "",
         [given](const std::string&, const std::string&) { return given; }},
        std::move(stop))));
    return v1::CheckCredentialsResponse();
  }

  const RegistryServiceOptions options_;
};

}  // namespace

std::unique_ptr<v1::RegistryService::CallbackService> MakeRegistryService(
    const RegistryServiceOptions& options) {
  return std::make_unique<StoreRegistryService>(options);
}

}  // namespace zlayer
