#include "registry/client/registry_host.h"

#include <fmt/format.h>

#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/client/reply_error.h"
#include "registry/client/retry.h"

namespace zlayer {
namespace {

constexpr int kMaxRedirects = 10;
constexpr int kUnauthorized = 401;
constexpr int kBadRequest = 400;

bool KeepsMethod(int status) { return status == 307 || status == 308; }

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || KeepsMethod(status);
}

TransportOptions TransportOptionsOf(const RegistrySettings& settings,
                                    const RegistryClientOptions& options) {
  return {.insecure = settings.insecure,
          .ca_file = settings.ca_file,
          .client_cert = settings.client_cert,
          .client_key = settings.client_key,
          .connect_ms = options.connect_ms,
          .stall_ms = options.stall_ms};
}

}  // namespace

RegistryHost::RegistryHost(Endpoint endpoint, RegistrySettings settings,
                           const RegistryClientOptions& options)
    : endpoint_(std::move(endpoint)),
      settings_(std::move(settings)),
      clock_(options.clock),
      transport_(TransportOptionsOf(settings_, options)),
      authorizer_({.registry = endpoint_.registry,
                   .insecure = settings_.insecure,
                   .loopback = IsLoopback(endpoint_.host),
                   .clock = options.clock},
                  [this](TransportRequest request, std::stop_token stop) {
                    request.client_certificate = IsHome(request.url);
                    return transport_.Exchange(request, std::move(stop));
                  }) {
  if (endpoint_.scheme == "https" || !MayBeHttp()) {
    scheme_ = "https";
  } else {
    scheme_ = endpoint_.scheme;
  }
}

bool RegistryHost::MayBeHttp() const { return settings_.insecure || IsLoopback(endpoint_.host); }

HostReply RegistryHost::Send(const HostRequest& request, std::stop_token stop) {
  bool may_pass = false;
  const absl::StatusOr<std::string> base = Base(stop, &may_pass);
  if (!base.ok()) {
    return {.outcome = {.status = base.status(), .may_pass = may_pass}};
  }
  const std::string& target = request.http.url;
  const bool whole = target.starts_with("https://") || target.starts_with("http://");
  return SendAuthorized(request, whole ? target : fmt::format("{}/v2/{}", *base, target),
                        std::move(stop));
}

absl::StatusOr<std::string> RegistryHost::Base(std::stop_token stop, bool* may_pass) {
  {
    MutexLock lock(&mutex_);
    if (!scheme_.empty() && !scheme_unsure_) {
      return fmt::format("{}://{}", scheme_, endpoint_.host);
    }
  }
  // Whatever speaks TLS, though with a certificate that is not good, gets nothing over http.
  const TransportResult probe =
      transport_.Exchange({.url = fmt::format("https://{}/v2/", endpoint_.host),
                           .client_certificate = true,
                           .any_certificate = true},
                          stop);
  bool http = false;
  if (!probe.outcome.ok() && (absl::IsUnavailable(probe.outcome.status) || probe.no_tls)) {
    const TransportResult plain =
        transport_.Exchange({.url = fmt::format("http://{}/v2/", endpoint_.host)}, stop);
    // A server of TLS says 400 to http.
    http = plain.outcome.ok() && plain.reply.status != kBadRequest;
    if (!http) {
      *may_pass = probe.outcome.may_pass || plain.outcome.may_pass;
      return plain.outcome.ok() || !probe.no_tls ? probe.outcome.status : plain.outcome.status;
    }
  }
  if (absl::IsCancelled(probe.outcome.status)) {
    return probe.outcome.status;
  }
  MutexLock lock(&mutex_);
  scheme_ = http ? "http" : "https";
  scheme_unsure_ = false;
  return fmt::format("{}://{}", scheme_, endpoint_.host);
}

// A registry that was started anew may speak the other one. (To http a server of TLS says 400, if
// anything.)
void RegistryHost::DoubtScheme(TransportResult* result) {
  if (!MayBeHttp() || !endpoint_.scheme.empty()) {
    return;
  }
  const bool silent =
      result->no_tls || (result->outcome.may_pass && absl::IsUnavailable(result->outcome.status));
  MutexLock lock(&mutex_);
  if (silent || (scheme_ == "http" && result->reply.status == kBadRequest)) {
    scheme_unsure_ = true;
    result->outcome.may_pass = result->outcome.may_pass || silent;
  }
}

HostReply RegistryHost::SendAuthorized(const HostRequest& request, const std::string& url,
                                       std::stop_token stop) {
  Authorization authorization;
  if (IsHome(url)) {
    authorization = authorizer_.First(request.asker, stop);
  }
  for (bool again = false;; again = true) {
    if (!authorization.outcome.ok()) {
      return {.outcome = std::move(authorization.outcome)};
    }
    HostReply reply = Follow(request, url, authorization.header, stop);
    if (reply.reply.status != kUnauthorized || again || !IsHome(reply.url)) {
      Explain(&reply, request, authorization.header);
      return reply;
    }
    authorization = authorizer_.After(reply.reply, authorization.header, request.asker, stop);
  }
}

HostReply RegistryHost::Follow(const HostRequest& request, std::string url,
                               std::string_view authorization, std::stop_token stop) {
  const bool reads = request.http.method == "GET" || request.http.method == "HEAD";
  bool home = true;
  for (int redirects = 0;; ++redirects) {
    TransportRequest http = request.http;
    http.url = url;
    home = home && IsHome(url);
    http.client_certificate = home;
    if (home && !authorization.empty()) {
      http.headers.push_back(fmt::format("Authorization: {}", authorization));
    }
    TransportResult result = transport_.Exchange(http, stop);
    if (home) {
      DoubtScheme(&result);
    }
    HostReply reply{.outcome = std::move(result.outcome), .reply = std::move(result.reply)};
    reply.url = url;
    if (result.no_tls && !reply.outcome.may_pass && home) {
      reply.outcome.status = FailedPrecondition(fmt::format(
          "{} does not speak https ({}); if it speaks http, set `insecure` for it under "
          "`registries:` in the configuration",
          endpoint_.host, Message(reply.outcome.status)));
    }
    if (!reply.outcome.ok() ||
        !(reads ? IsRedirect(reply.reply.status) : KeepsMethod(reply.reply.status))) {
      return reply;
    }
    absl::StatusOr<std::string> next = LocationOf(reply);
    if (!next.ok() || redirects == kMaxRedirects) {
      reply.outcome.status =
          next.ok()
              ? FailedPrecondition(fmt::format("there are more than {} redirects", kMaxRedirects))
              : next.status();
      return reply;
    }
    url = *std::move(next);
  }
}

void RegistryHost::Explain(HostReply* reply, const HostRequest& request,
                           std::string_view authorization) const {
  if (!reply->outcome.ok() || reply->reply.ok()) {
    return;
  }
  const std::string& method = request.http.method;
  const std::string other = fmt::format("the server {}, to which the registry leads,",
                                        HostOf(OriginOf(reply->url).value_or("://")));
  reply->outcome =
      ReplyError(reply->reply, {.who = IsHome(reply->url) ? "the registry" : other,
                                .writes = method != "GET" && method != "HEAD",
                                .now_ns = clock_->NowNs(),
                                .secrets = Authorizer::Secrets(request.asker, authorization)});
  if (reply->reply.status != kUnauthorized) {
    return;
  }
  // The token server knew who asks, and still the registry does not let them.
  const bool known = !request.asker.credentials.empty() && authorization.starts_with("Bearer ");
  if (known) {
    reply->outcome.status = absl::PermissionDeniedError(
        fmt::format("{}; the credentials for {} do not suffice", Message(reply->outcome.status),
                    endpoint_.registry));
  } else if (request.asker.credentials.empty()) {
    reply->outcome.status = absl::UnauthenticatedError(
        fmt::format("{}; it may be there for those who are logged in (zlayer login {})",
                    Message(reply->outcome.status), endpoint_.registry));
  }
}

absl::StatusOr<std::string> RegistryHost::LocationOf(const HostReply& reply) const {
  return ResolveUrl(reply.url, reply.reply.Header("location"), settings_.insecure);
}

bool RegistryHost::IsHome(const std::string& url) const {
  std::string base;
  {
    MutexLock lock(&mutex_);
    base = fmt::format("{}://{}", scheme_, endpoint_.host);
  }
  const absl::StatusOr<std::string> home = OriginOf(base);
  const absl::StatusOr<std::string> origin = OriginOf(url);
  return home.ok() && origin.ok() && *home == *origin;
}

RegistryHost::Slot::~Slot() {
  if (host_ != nullptr) {
    MutexLock lock(&host_->mutex_);
    --host_->slots_taken_;
    host_->slot_free_.NotifyAll();  // one alone might just be stopping
  }
}

absl::StatusOr<RegistryHost::Slot> RegistryHost::TakeSlot(std::stop_token stop) {
  const uint32_t most = std::max<uint32_t>(1, settings_.max_transfers);
  MutexLock lock(&mutex_);
  if (!slot_free_.Wait(&mutex_, std::move(stop), [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return slots_taken_ < most;
      })) {
    return TransferCancelled();
  }
  ++slots_taken_;
  return Slot(this);
}

}  // namespace zlayer
