#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/strings.h"
#include "registry/image/image_json.h"
#include "registry/image/json_reader.h"
#include "registry/server/errors.h"
#include "registry/server/handlers.h"

namespace zlayer {
namespace {

HttpResponse Unknown(const ServerRoute& route) {
  return ErrorResponse(404, OciError::kManifestUnknown, "the repository has no such manifest",
                       route.reference);
}

HttpResponse TooLarge() {
  return ErrorResponse(
      413, OciError::kSizeInvalid,
      fmt::format("a manifest may have {} bytes at most", size_t{kMaxManifestBytes}));
}

HttpResponse Invalid(std::string_view message) {
  return ErrorResponse(400, OciError::kManifestInvalid, message);
}

HttpResponse ReadManifest(const RegistryContext& context, const ServerRoute& route,
                          const HttpRequest& request) {
  auto manifest =
      context.repositories->GetManifest(context.name_space, route.repository, route.reference);
  if (absl::IsNotFound(manifest.status())) {
    return Unknown(route);
  }
  if (!manifest.ok()) {
    return InternalError(manifest.status());
  }
  const std::string digest = manifest->digest.ToString();
  const std::string tag = fmt::format("\"{}\"", digest);
  HttpResponse response;
  response.headers = {{"Docker-Content-Digest", digest}, {"ETag", tag}};
  if (MatchesTag(request.Header("if-none-match"), tag)) {
    response.status = 304;
    return response;
  }
  response.headers.emplace_back("Content-Type", manifest->media_type);
  response.body = std::move(manifest->bytes);
  return response;
}

HttpResponse DeleteManifest(const RegistryContext& context, const ServerRoute& route) {
  const absl::Status status =
      context.repositories->DeleteManifest(context.name_space, route.repository, route.reference);
  if (absl::IsNotFound(status)) {
    return Unknown(route);
  }
  if (absl::IsFailedPrecondition(status)) {
    return ErrorResponse(405, OciError::kDenied,
                         "an index of this repository has this manifest: delete that first",
                         route.reference);
  }
  return status.ok() ? HttpResponse{.status = 202} : InternalError(status);
}

// What the answer to a manifest depends on.
struct ManifestHead {
  std::string media_type;
  std::string subject;  // its digest, "" where there is none
};

absl::StatusOr<ManifestHead> ParseHead(std::string_view bytes) {
  auto document = ParseJsonObject(bytes, kMaxManifestBytes);
  if (!document.ok()) {
    return document.status();
  }
  absl::Status status;
  const JsonMember root(*document, &status);
  ManifestHead head{.media_type = root["mediaType"].String(),
                    .subject = root["subject"]["digest"].String()};
  if (!status.ok()) {
    return status;
  }
  if (!head.subject.empty() && !IsDigestText(head.subject)) {
    return InvalidArgument("the digest of the manifest's subject is none");
  }
  return head;
}

// A manifest that arrives.
class ManifestSink : public HttpBodySink {
 public:
  ManifestSink(const RegistryContext& context, const ServerRoute& route, std::string media_type)
      : context_(context), route_(route), media_type_(std::move(media_type)) {}

  std::optional<HttpResponse> Append(std::string_view data) override {
    if (data.size() > kMaxManifestBytes - bytes_.size()) {
      return TooLarge();
    }
    bytes_ += data;
    return std::nullopt;
  }

  HttpResponse Finish() override {
    const bool by_digest = !IsTagName(route_.reference);
    if (by_digest && Digest::Of(bytes_).ToString() != route_.reference) {
      return ErrorResponse(400, OciError::kDigestInvalid,
                           "the manifest does not have the digest that its URL names",
                           route_.reference);
    }
    const auto head = ParseHead(bytes_);
    if (!head.ok()) {
      return Invalid(Message(head.status()));
    }
    if (media_type_.empty()) {
      media_type_ = head->media_type;
    }
    if (!head->media_type.empty() && head->media_type != media_type_) {
      return Invalid("the Content-Type is not the manifest's mediaType");
    }
    return Store(*head, by_digest);
  }

 private:
  HttpResponse Store(const ManifestHead& head, bool by_digest) {
    const auto digest = context_.repositories->PutManifest(
        context_.name_space, {.repository = route_.repository,
                              .tag = by_digest ? "" : route_.reference,
                              .media_type = media_type_,
                              .bytes = std::move(bytes_)});
    if (absl::IsInvalidArgument(digest.status())) {
      return Invalid(Message(digest.status()));
    }
    if (absl::IsFailedPrecondition(digest.status())) {
      return ErrorResponse(404, OciError::kManifestBlobUnknown, Message(digest.status()));
    }
    if (!digest.ok()) {
      return InternalError(digest.status());
    }
    HttpResponse response{.status = 201};
    response.headers = {
        {"Location", fmt::format("/v2/{}/manifests/{}", route_.name, digest->ToString())},
        {"Docker-Content-Digest", digest->ToString()}};
    if (!head.subject.empty()) {
      response.headers.emplace_back("OCI-Subject", head.subject);
    }
    return response;
  }

  const RegistryContext& context_;
  const ServerRoute route_;
  std::string media_type_;
  std::string bytes_;
};

// Printable, so that it can stand in a header again.
bool IsMediaType(std::string_view text) {
  constexpr size_t kMaxMediaType = 255;
  if (text.size() > kMaxMediaType || text.find('/') == std::string_view::npos) {
    return false;
  }
  for (char c : text) {
    if (c <= ' ' || c > '~') {
      return false;
    }
  }
  return true;
}

HttpOutcome PutManifest(const RegistryContext& context, const ServerRoute& route,
                        const HttpRequest& request) {
  if (!IsTagName(route.reference) && !Digest::Parse(route.reference).ok()) {
    return IsDigestText(route.reference)
               ? ErrorResponse(400, OciError::kDigestInvalid,
                               "the only digests that this registry stores are sha256")
               : Invalid("a manifest is named by a tag or a digest, and this is neither");
  }
  std::string_view type = request.Header("content-type");
  type = Trim(type.substr(0, type.find(';')));
  if (!type.empty() && !IsMediaType(type)) {
    return Invalid("the Content-Type is not a media type");
  }
  if (request.content_length > kMaxManifestBytes) {
    return TooLarge();
  }
  return std::make_unique<ManifestSink>(context, route, std::string(type));
}

}  // namespace

HttpOutcome HandleManifest(const RegistryContext& context, const ServerRoute& route,
                           const HttpRequest& request) {
  if (request.method == "PUT") {
    return PutManifest(context, route, request);
  }
  if (!IsTagName(route.reference)) {
    if (route.reference.find(':') != std::string::npos && !IsDigestText(route.reference)) {
      return ErrorResponse(400, OciError::kDigestInvalid, "this is not a digest", route.reference);
    }
    if (!Digest::Parse(route.reference).ok()) {
      return Unknown(route);
    }
  }
  return request.method == "DELETE" ? DeleteManifest(context, route)
                                    : ReadManifest(context, route, request);
}

}  // namespace zlayer
