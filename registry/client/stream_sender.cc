#include "registry/client/stream_sender.h"

#include <utility>

#include "base/errors.h"
#include "registry/client/urls.h"

namespace zlayer {
namespace {

HostRequest SessionRequest(const Route& route, std::string_view method, std::string url) {
  HostRequest request = route.Request(method, "", "pull,push");
  request.http.url = std::move(url);
  request.http.headers.emplace_back("Content-Type: application/octet-stream");
  return request;
}

// The upload's URL, which each answer may change.
Outcome KeepSession(const Route& route, const HostReply& reply, std::string* session) {
  if (!reply.outcome.ok()) {
    return reply.outcome;
  }
  absl::StatusOr<std::string> location = route.host->LocationOf(reply);
  if (!location.ok()) {
    return {.status = location.status()};
  }
  *session = *std::move(location);
  return {};
}

}  // namespace

Outcome SendStream(const Route& route, const BlobStream& blob, RemoteDescriptor* made,
                   std::stop_token stop) {
  std::string session;
  Outcome begun = KeepSession(
      route, route.host->Send(route.Request("POST", "blobs/uploads/", "pull,push"), stop),
      &session);
  if (!begun.ok()) {
    return begun;
  }
  HostRequest patch = SessionRequest(route, "PATCH", session);
  patch.http.source = [&](const auto& sink) -> absl::Status {
    absl::StatusOr<RemoteDescriptor> result = blob.make(sink, stop);
    if (result.ok()) {
      *made = *std::move(result);
    }
    return result.status();
  };
  if (Outcome sent = KeepSession(route, route.host->Send(patch, stop), &session); !sent.ok()) {
    return sent;
  }
  const HostReply reply = route.host->Send(
      SessionRequest(route, "PUT", WithParameter(session, "digest", made->digest.ToString())),
      std::move(stop));
  const std::string_view said = reply.reply.Header("docker-content-digest");
  if (reply.outcome.ok() && said.starts_with("sha256:") && said != made->digest.ToString()) {
    return {.status = DataLoss("the registry says that it has another digest")};
  }
  return reply.outcome;
}

}  // namespace zlayer
