#include "registry/server/registry_server.h"

#include <fmt/format.h>

#include <chrono>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>

#include "base/mutex.h"
#include "base/status_macros.h"
#include "registry/server/errors.h"
#include "registry/server/handlers.h"
#include "registry/server/route.h"

namespace zlayer {
namespace {

constexpr std::chrono::seconds kSweepInterval{60};

// As they stand in the Allow header.
std::string_view MethodsOf(Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::kManifest:
      return "GET, HEAD, PUT, DELETE";
    case Endpoint::kBlob:
      return "GET, HEAD, DELETE";
    case Endpoint::kUploads:
      return "POST";
    case Endpoint::kUpload:
      return "GET, HEAD, PATCH, PUT, DELETE";
    case Endpoint::kBase:
    case Endpoint::kCatalog:
    case Endpoint::kTags:
    case Endpoint::kReferrers:
      break;
  }
  return "GET, HEAD";
}

bool Has(std::string_view methods, std::string_view method) {
  const size_t at = methods.find(method);
  return !method.empty() && at != std::string_view::npos && (at == 0 || methods[at - 1] == ' ') &&
         (at + method.size() == methods.size() || methods[at + method.size()] == ',');
}

HttpResponse Base() {
  HttpResponse response{.body = "{}"};
  response.headers = {{"Docker-Distribution-API-Version", "registry/2.0"},
                      {"Content-Type", "application/json"}};
  return response;
}

class RegistryHandler : public HttpHandler {
 public:
  RegistryHandler(RegistryContext context, bool writable)
      : context_(std::move(context)), writable_(writable) {}

  HttpOutcome Handle(const HttpRequest& request) override {
    auto parsed = ParseRoute(request.target);
    if (auto* refusal = std::get_if<HttpResponse>(&parsed)) {
      return std::move(*refusal);
    }
    const Route& route = std::get<Route>(parsed);
    std::string_view methods = MethodsOf(route.endpoint);
    if (!Has(methods, request.method)) {
      return Refuse(methods, "this method does not exist here");
    }
    if (!writable_ && request.method != "GET" && request.method != "HEAD") {
      return Refuse("GET, HEAD", "this registry is read-only");
    }
    return Dispatch(route, request);
  }

 private:
  static HttpResponse Refuse(std::string_view methods, std::string_view why) {
    HttpResponse response = ErrorResponse(405, OciError::kUnsupported, why);
    response.headers.emplace_back("Allow", methods);
    return response;
  }

  HttpOutcome Dispatch(const Route& route, const HttpRequest& request) {
    switch (route.endpoint) {
      case Endpoint::kBase:
        return Base();
      case Endpoint::kCatalog:
        return ListCatalog(context_, route);
      case Endpoint::kManifest:
        return HandleManifest(context_, route, request);
      case Endpoint::kBlob:
        return HandleBlob(context_, route, request);
      case Endpoint::kUploads:
        return HandleUploads(context_, route, request);
      case Endpoint::kUpload:
        return HandleUpload(context_, route, request);
      case Endpoint::kTags:
        return ListTags(context_, route);
      case Endpoint::kReferrers:
        return ListReferrers(context_, route);
    }
    return InternalError(absl::InternalError("a route without a handler"));
  }

  const RegistryContext context_;
  const bool writable_;
};

class HttpRegistryServer : public RegistryServer {
 public:
  HttpRegistryServer(const RegistryServerOptions& options, Repositories* repositories)
      : uploads_(options.uploads, options.clock),
        fetchers_(options.fetches),
        handler_(NewRegistryHandler({.repositories = repositories,
                                     .uploads = &uploads_,
                                     .name_space = options.name_space,
                                     .fetch = options.fetch,
                                     .fetchers = &fetchers_},
                                    options.writable)),
        sweeper_([this](std::stop_token stop) { Sweep(std::move(stop)); }) {}

  absl::Status Listen(const HttpServerOptions& options) {
    ASSIGN_OR_RETURN(http_, HttpServer::Start(options, handler_.get()));
    return absl::OkStatus();
  }

  const std::vector<std::string>& addresses() const override { return http_->addresses(); }

 private:
  // An upload that nobody goes on with takes room, also where no request comes any more.
  void Sweep(std::stop_token stop) {
    Mutex mutex;
    CondVar never;
    MutexLock lock(&mutex);
    while (!stop.stop_requested()) {
      never.WaitFor(&mutex, kSweepInterval, stop, [] { return false; });
      uploads_.Expire();
    }
  }

  UploadSessions uploads_;
  ThreadPool fetchers_;
  const std::unique_ptr<HttpHandler> handler_;
  std::jthread sweeper_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RegistryServer>> RegistryServer::Start(
    const RegistryServerOptions& options, Repositories* repositories) {
  auto server = std::make_unique<HttpRegistryServer>(options, repositories);
  RETURN_IF_ERROR(server->Listen(options.http));
  return server;
}

std::unique_ptr<HttpHandler> NewRegistryHandler(const RegistryContext& context, bool writable) {
  return std::make_unique<RegistryHandler>(context, writable);
}

}  // namespace zlayer
