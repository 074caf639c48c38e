#include "registry/client/registry_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/errors.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/client/blob_download.h"
#include "registry/client/blob_sender.h"
#include "registry/client/manifest_calls.h"
#include "registry/client/referrers_tag.h"
#include "registry/client/registry_host.h"
#include "registry/client/retry.h"
#include "registry/client/stream_sender.h"
#include "registry/client/urls.h"

namespace zlayer {
namespace {

constexpr size_t kMaxHosts = 64;
constexpr size_t kMaxName = 255;
// A mirror that does not answer is passed over.
constexpr int kMirrorAttempts = 2;

// What may stand in a URL's path: the names of repositories, tags and digests.
bool IsName(std::string_view name, std::string_view others) {
  if (name.empty() || name.size() > kMaxName || name[0] == '.') {
    return false;
  }
  const bool good = std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
  return good && name.find("//") == name.npos && name.find("/.") == name.npos &&
         !name.starts_with('/') && !name.ends_with('/');
}

absl::Status CheckRepository(std::string_view name) {
  return IsName(name, "._-/") ? absl::OkStatus()
                              : InvalidArgument(fmt::format("{} is not the name of a repository",
                                                            ToUtf8(CutUtf8(name, kMaxName))));
}

absl::Status CheckReference(std::string_view name) {
  return IsName(name, "._-:") ? absl::OkStatus()
                              : InvalidArgument(fmt::format("{} is neither a tag nor a digest",
                                                            ToUtf8(CutUtf8(name, kMaxName))));
}

class HttpRegistryClient : public RegistryClient {
 public:
  explicit HttpRegistryClient(RegistryClientOptions options)
      : options_(std::move(options)),
        retry_({.attempts = options_.attempts,
                .delay_ms = options_.delay_ms,
                .max_delay_ms = options_.max_delay_ms,
                .max_asked_ms = options_.max_asked_ms},
               options_.jitter_seed),
        mirror_retry_({.attempts = std::min(kMirrorAttempts, options_.attempts),
                       .delay_ms = options_.delay_ms,
                       .max_delay_ms = options_.max_delay_ms,
                       .max_asked_ms = options_.max_delay_ms},
                      options_.jitter_seed) {}

  absl::StatusOr<RemoteManifest> GetManifest(const RemoteRepository& where,
                                             const std::string& reference,
                                             std::stop_token stop) override;
  absl::StatusOr<std::optional<RemoteDescriptor>> HeadManifest(const RemoteRepository& where,
                                                               const std::string& reference,
                                                               std::stop_token stop) override;
  absl::Status PutManifest(const RemoteRepository& where, const std::string& reference,
                           std::string_view media_type, std::string_view bytes,
                           std::stop_token stop) override;
  absl::Status GetBlob(const RemoteRepository& where, const RemoteDescriptor& blob,
                       const BlobSink& sink, std::stop_token stop) override;
  absl::StatusOr<std::optional<BlobFound>> FindBlob(const RemoteRepository& where,
                                                    const Digest& digest,
                                                    const std::vector<std::string>& mount_from,
                                                    std::stop_token stop) override;
  absl::Status PutBlob(const RemoteRepository& where, const BlobSource& blob,
                       std::stop_token stop) override;
  absl::StatusOr<RemoteDescriptor> PutStream(const RemoteRepository& where, const BlobStream& blob,
                                             std::stop_token stop) override;
  bool HasLogin(const RemoteRepository& where) override {
    const absl::StatusOr<OwnedRoute> route = HomeRoute(where);
    return route.ok() && !route->credentials.empty();
  }
  absl::Status CheckCredentials(const RemoteRepository& where, std::stop_token stop) override;

 private:
  // Where something is read, or written. The host lives as long as its route.
  struct OwnedRoute : Route {
    std::shared_ptr<RegistryHost> owned;
    bool mirror = false;
  };

  absl::StatusOr<OwnedRoute> RouteTo(const RemoteRepository& where,
                                     const absl::StatusOr<Endpoint>& endpoint, bool mirror);
  absl::StatusOr<OwnedRoute> HomeRoute(const RemoteRepository& where);
  absl::StatusOr<std::vector<OwnedRoute>> ReadRoutes(const RemoteRepository& where);
  std::shared_ptr<RegistryHost> HostOfEndpoint(const Endpoint& endpoint);
  const RegistrySettings* SettingsOf(std::string_view registry) const;

  // Asks the mirrors and the registry in turn until `attempt` succeeds. What is missing or wrong at
  // a mirror may be there and right at the next one, unless `is_final`.
  absl::Status Read(const RemoteRepository& where,
                    const std::function<Outcome(const Route&)>& attempt, std::stop_token stop,
                    const std::function<bool()>& is_final = nullptr);
  // The registry itself alone.
  absl::Status AtHome(const RemoteRepository& where,
                      const std::function<Outcome(const Route&)>& attempt, std::stop_token stop);

  const RegistryClientOptions options_;
  Retry retry_;
  Retry mirror_retry_;

  Mutex mutex_;
  std::map<std::string, std::shared_ptr<RegistryHost>> hosts_ ABSL_GUARDED_BY(mutex_);
};

std::string Name(const RemoteRepository& where) {
  return fmt::format("{}/{}", where.registry, where.repository);
}

const RegistrySettings* HttpRegistryClient::SettingsOf(std::string_view registry) const {
  for (const RegistrySettings& settings : options_.registries) {
    if (settings.registry == registry) {
      return &settings;
    }
  }
  return nullptr;
}

std::shared_ptr<RegistryHost> HttpRegistryClient::HostOfEndpoint(const Endpoint& endpoint) {
  const RegistrySettings* settings = SettingsOf(endpoint.registry);
  MutexLock lock(&mutex_);
  if (hosts_.size() > kMaxHosts) {
    std::erase_if(hosts_, [](const auto& entry) { return entry.second.use_count() == 1; });
  }
  std::shared_ptr<RegistryHost>& host =
      hosts_[fmt::format("{}://{}", endpoint.scheme, endpoint.registry)];
  if (host == nullptr) {
    host = std::make_shared<RegistryHost>(
        endpoint, settings != nullptr ? *settings : RegistrySettings(), options_);
  }
  return host;
}

absl::StatusOr<HttpRegistryClient::OwnedRoute> HttpRegistryClient::RouteTo(
    const RemoteRepository& where, const absl::StatusOr<Endpoint>& endpoint, bool mirror) {
  RETURN_IF_ERROR(endpoint.status());
  OwnedRoute route;
  route.owned = HostOfEndpoint(*endpoint);
  route.host = route.owned.get();
  if (route.host->settings().blocked) {
    return absl::PermissionDeniedError(
        fmt::format("the daemon's configuration blocks the registry {}", endpoint->registry));
  }
  route.repository = endpoint->prefix + where.repository;
  route.mirror = mirror;
  if (where.credentials != nullptr) {
    route.credentials = where.credentials(endpoint->registry, route.repository);
  }
  if (route.credentials.empty()) {
    route.credentials = route.host->settings().credentials;
  }
  return route;
}

absl::StatusOr<HttpRegistryClient::OwnedRoute> HttpRegistryClient::HomeRoute(
    const RemoteRepository& where) {
  return RouteTo(where, RegistryEndpoint(where.registry), /*mirror=*/false);
}

absl::StatusOr<std::vector<HttpRegistryClient::OwnedRoute>> HttpRegistryClient::ReadRoutes(
    const RemoteRepository& where) {
  std::vector<OwnedRoute> routes;
  if (const RegistrySettings* settings = SettingsOf(where.registry)) {
    for (const std::string& mirror : settings->mirrors) {
      ASSIGN_OR_RETURN(OwnedRoute route, RouteTo(where, MirrorEndpoint(mirror), /*mirror=*/true));
      routes.push_back(std::move(route));
    }
  }
  ASSIGN_OR_RETURN(OwnedRoute home, HomeRoute(where));
  routes.push_back(std::move(home));
  return routes;
}

absl::Status HttpRegistryClient::Read(const RemoteRepository& where,
                                      const std::function<Outcome(const Route&)>& attempt,
                                      std::stop_token stop, const std::function<bool()>& is_final) {
  RETURN_IF_ERROR(CheckRepository(where.repository));
  ASSIGN_OR_RETURN(const std::vector<OwnedRoute> routes, ReadRoutes(where));
  std::string passed_over;
  for (const OwnedRoute& route : routes) {
    absl::Status status = Unavailable("it did not answer a moment ago");
    if (!route.mirror || !route.host->Rests()) {
      status = (route.mirror ? mirror_retry_ : retry_)
                   .Run(
                       Name(where), [&] { return attempt(route); }, stop);
    }
    if (status.ok() || absl::IsCancelled(status) || (is_final != nullptr && is_final())) {
      return status;
    }
    if (!route.mirror) {
      return passed_over.empty()
                 ? status
                 : absl::Status(status.code(), fmt::format("{} (no mirror helped: {})",
                                                           Message(status), passed_over));
    }
    if (absl::IsUnavailable(status) && !route.host->Rests()) {
      route.host->Rest();
    }
    passed_over += fmt::format("{}{}: {}", passed_over.empty() ? "" : "; ",
                               route.host->endpoint().registry, Message(status));
  }
  return Internal("a registry has no address");  // its own route is always the last one
}

absl::Status HttpRegistryClient::AtHome(const RemoteRepository& where,
                                        const std::function<Outcome(const Route&)>& attempt,
                                        std::stop_token stop) {
  RETURN_IF_ERROR(CheckRepository(where.repository));
  ASSIGN_OR_RETURN(const OwnedRoute route, HomeRoute(where));
  return retry_.Run(
      Name(where), [&] { return attempt(route); }, std::move(stop));
}

absl::StatusOr<RemoteManifest> HttpRegistryClient::GetManifest(const RemoteRepository& where,
                                                               const std::string& reference,
                                                               std::stop_token stop) {
  RETURN_IF_ERROR(CheckReference(reference));
  RemoteManifest manifest;
  const absl::Status status = Read(
      where,
      [&](const Route& route) { return zlayer::GetManifest(route, reference, &manifest, stop); },
      stop);
  RETURN_IF_ERROR(Annotate(status, fmt::format("{}: manifest {}", Name(where), reference)));
  return manifest;
}

absl::StatusOr<std::optional<RemoteDescriptor>> HttpRegistryClient::HeadManifest(
    const RemoteRepository& where, const std::string& reference, std::stop_token stop) {
  RETURN_IF_ERROR(CheckReference(reference));
  std::optional<RemoteDescriptor> descriptor;
  absl::Status status = Read(
      where,
      [&](const Route& route) {
        Outcome outcome = zlayer::HeadManifest(route, reference, &descriptor, stop);
        if (outcome.ok() && !descriptor) {
          outcome.status = NotFound("there is none");  // here; the next one may have it
        }
        return outcome;
      },
      stop);
  if (absl::IsNotFound(status)) {
    return std::nullopt;
  }
  RETURN_IF_ERROR(Annotate(status, fmt::format("{}: manifest {}", Name(where), reference)));
  return descriptor;
}

absl::Status HttpRegistryClient::PutManifest(const RemoteRepository& where,
                                             const std::string& reference,
                                             std::string_view media_type, std::string_view bytes,
                                             std::stop_token stop) {
  RETURN_IF_ERROR(CheckReference(reference));
  const ManifestToPut manifest{reference, media_type, bytes};
  bool lists_referrers = false;
  const absl::Status status = AtHome(
      where,
      [&](const Route& route) {
        return zlayer::PutManifest(route, manifest, &lists_referrers, stop);
      },
      stop);
  RETURN_IF_ERROR(Annotate(status, fmt::format("{}: manifest {}", Name(where), reference)));
  const std::string tag = ReferrersTagOf(bytes);
  if (lists_referrers || tag.empty()) {
    return absl::OkStatus();
  }
  return Annotate(
      AtHome(
          where, [&](const Route& route) { return AddReferrer(route, tag, manifest, stop); }, stop),
      fmt::format("{}: the manifest {} is there, but not in the list of what refers to its "
                  "subject, {}",
                  Name(where), reference, tag));
}

absl::Status HttpRegistryClient::GetBlob(const RemoteRepository& where,
                                         const RemoteDescriptor& blob, const BlobSink& sink,
                                         std::stop_token stop) {
  BlobDownload download(blob, sink);
  const absl::Status status = Read(
      where,
      [&](const Route& route) -> Outcome {
        const absl::StatusOr<RegistryHost::Slot> slot = route.host->TakeSlot(stop);
        return slot.ok() ? download.Attempt(route, stop) : Outcome{.status = slot.status()};
      },
      stop, [&] { return download.IsFinal(); });
  return Annotate(status, fmt::format("{}: blob {}", Name(where), blob.digest.ToString()));
}

absl::StatusOr<std::optional<BlobFound>> HttpRegistryClient::FindBlob(
    const RemoteRepository& where, const Digest& digest, const std::vector<std::string>& mount_from,
    std::stop_token stop) {
  for (const std::string& from : mount_from) {
    RETURN_IF_ERROR(CheckRepository(from));
  }
  const std::string context = fmt::format("{}: blob {}", Name(where), digest.ToString());
  bool there = false;
  RETURN_IF_ERROR(Annotate(
      AtHome(
          where, [&](const Route& route) { return HeadBlob(route, digest, &there, stop); }, stop),
      context));
  if (there) {
    return BlobFound::kPresent;
  }
  for (const std::string& from : mount_from) {
    RETURN_IF_ERROR(Annotate(
        AtHome(
            where, [&](const Route& route) { return MountBlob(route, digest, from, &there, stop); },
            stop),
        context));
    if (there) {
      return BlobFound::kMounted;
    }
  }
  return std::nullopt;
}

absl::Status HttpRegistryClient::PutBlob(const RemoteRepository& where, const BlobSource& blob,
                                         std::stop_token stop) {
  RETURN_IF_ERROR(CheckRepository(where.repository));
  ASSIGN_OR_RETURN(const OwnedRoute route, HomeRoute(where));
  BlobSender sender(route, blob);
  const absl::Status status = retry_.Run(
      Name(where),
      [&]() -> Outcome {
        const absl::StatusOr<RegistryHost::Slot> slot = route.host->TakeSlot(stop);
        return slot.ok() ? sender.Attempt(stop) : Outcome{.status = slot.status()};
      },
      stop);
  return Annotate(status, fmt::format("{}: blob {}", Name(where), blob.digest.ToString()));
}

absl::StatusOr<RemoteDescriptor> HttpRegistryClient::PutStream(const RemoteRepository& where,
                                                               const BlobStream& blob,
                                                               std::stop_token stop) {
  ASSIGN_OR_RETURN(const OwnedRoute route, HomeRoute(where));
  StreamSender sender(route, blob, options_.tmp_directory);
  const absl::Status status = retry_.Run(
      Name(where),
      [&]() -> Outcome {
        const absl::StatusOr<RegistryHost::Slot> slot = route.host->TakeSlot(stop);
        return slot.ok() ? sender.Attempt(stop) : Outcome{.status = slot.status()};
      },
      stop);
  RETURN_IF_ERROR(Annotate(status, fmt::format("{}: a blob", Name(where))));
  return sender.made();
}

absl::Status HttpRegistryClient::CheckCredentials(const RemoteRepository& where,
                                                  std::stop_token stop) {
  ASSIGN_OR_RETURN(const OwnedRoute route, HomeRoute(where));
  const HostRequest request{.asker = {.credentials = route.credentials}};
  const absl::Status status = retry_.Run(
      Name(where), [&] { return route.host->Send(request, stop).outcome; }, stop);
  return Annotate(status, where.registry);
}

}  // namespace

std::unique_ptr<RegistryClient> MakeRegistryClient(RegistryClientOptions options) {
  return std::make_unique<HttpRegistryClient>(std::move(options));
}

}  // namespace zlayer
