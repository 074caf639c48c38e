#include "registry/client/manifest_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/client/reply_error.h"
#include "registry/image/json_reader.h"

namespace zlayer {
namespace {

constexpr size_t kMaxSaid = 128;
constexpr size_t kMaxMediaType = 255;

constexpr std::string_view kAccept =
    "Accept: application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, */*;q=0.1";

bool IsDigest(std::string_view reference) { return reference.find(':') != reference.npos; }

// Without parameters; empty where it is not one.
std::string MediaType(std::string_view text) {
  text = Trim(text.substr(0, text.find(';')));
  const bool good =
      text.size() <= kMaxMediaType &&
      std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  return good ? std::string(text) : "";
}

std::string MediaTypeOf(const TransportReply& reply) {
  const std::string type = MediaType(reply.Header("content-type"));
  if (!type.empty() && type != "application/json" && type != "application/octet-stream") {
    return type;
  }
  // A plain file server does not know what it has, but the document may.
  absl::StatusOr<nlohmann::json> document = ParseJsonObject(reply.body, kMaxManifest);
  absl::Status status;
  std::string own =
      document.ok() ? MediaType(JsonMember(*document, &status)["mediaType"].String()) : "";
  return own.empty() ? type : own;
}

}  // namespace

absl::Status CheckSaidDigest(const TransportReply& reply, const Digest& digest) {
  const std::string_view said = reply.Header("docker-content-digest");
  if (said.starts_with("sha256:") && said != digest.ToString()) {
    return DataLoss(fmt::format("the registry says that its digest is {}, but it is {}",
                                ToUtf8(CutUtf8(said, kMaxSaid)), digest.ToString()));
  }
  return absl::OkStatus();
}

HostRequest Route::Request(std::string_view method, std::string_view path,
                           std::string_view actions) const {
  HostRequest request;
  request.http.method = method;
  request.http.url = fmt::format("{}/{}", repository, path);
  request.asker = {.credentials = credentials,
                   .scopes = {fmt::format("repository:{}:{}", repository, actions)}};
  return request;
}

Outcome GetManifest(const Route& route, const std::string& reference, RemoteManifest* manifest,
                    std::stop_token stop) {
  HostRequest request = route.Request("GET", fmt::format("manifests/{}", reference), "pull");
  request.http.headers.emplace_back(kAccept);
  request.http.max_body = kMaxManifest;
  HostReply reply = route.host->Send(request, std::move(stop));
  if (!reply.outcome.ok()) {
    return std::move(reply.outcome);
  }
  manifest->media_type = MediaTypeOf(reply.reply);
  manifest->bytes = std::move(reply.reply.body);
  manifest->digest = Digest::Of(manifest->bytes);
  if (IsDigest(reference) && manifest->digest.ToString() != reference) {
    return {.status =
                DataLoss(fmt::format("what came has the digest {}", manifest->digest.ToString()))};
  }
  // Whoever answers with a page of its own has none.
  const absl::Status json = ParseJsonObject(manifest->bytes, kMaxManifest).status();
  if (!json.ok()) {
    return {.status = Annotate(json, "what came is no manifest")};
  }
  return {.status = CheckSaidDigest(reply.reply, manifest->digest)};
}

Outcome HeadManifest(const Route& route, const std::string& reference,
                     std::optional<RemoteDescriptor>* descriptor, std::stop_token stop) {
  HostRequest request = route.Request("HEAD", fmt::format("manifests/{}", reference), "pull");
  request.http.headers.emplace_back(kAccept);
  const HostReply reply = route.host->Send(request, stop);
  descriptor->reset();
  if (reply.reply.status == 404 && absl::IsNotFound(reply.outcome.status)) {
    return {};
  }
  if (!reply.outcome.ok()) {
    return reply.outcome;
  }
  const absl::StatusOr<Digest> digest = Digest::Parse(reply.reply.Header("docker-content-digest"));
  const std::optional<uint64_t> size = ParseUint(reply.reply.Header("content-length"));
  if (digest.ok() && size) {
    if (IsDigest(reference) && digest->ToString() != reference) {
      return {.status = DataLoss(
                  fmt::format("the registry says that its digest is {}", digest->ToString()))};
    }
    *descriptor = {.digest = *digest, .media_type = MediaTypeOf(reply.reply), .size = *size};
    return {};
  }
  // Not every registry says them.
  RemoteManifest manifest;
  Outcome got = GetManifest(route, reference, &manifest, std::move(stop));
  *descriptor = {
      .digest = manifest.digest, .media_type = manifest.media_type, .size = manifest.bytes.size()};
  return got;
}

Outcome PutManifest(const Route& route, const ManifestToPut& manifest, bool* lists_referrers,
                    std::stop_token stop) {
  HostRequest request =
      route.Request("PUT", fmt::format("manifests/{}", manifest.reference), "pull,push");
  request.http.headers.push_back(fmt::format("Content-Type: {}", manifest.media_type));
  request.http.body = manifest.bytes;
  const HostReply reply = route.host->Send(request, std::move(stop));
  *lists_referrers = !reply.reply.Header("oci-subject").empty();
  if (reply.outcome.ok()) {
    return {.status = CheckSaidDigest(reply.reply, Digest::Of(manifest.bytes))};
  }
  // What the manifest names is missing, not where it goes.
  if (reply.reply.status == 404 && !HasErrorCode(reply.reply, "NAME_UNKNOWN")) {
    return {.status = InvalidArgument(Message(reply.outcome.status))};
  }
  return reply.outcome;
}

}  // namespace zlayer
