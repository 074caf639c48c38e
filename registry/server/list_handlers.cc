#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "registry/image/image_json.h"
#include "registry/server/errors.h"
#include "registry/server/handlers.h"

namespace zlayer {
namespace {

using Json = nlohmann::ordered_json;

// Also where a request asks for more, or does not say: then a Link leads on.
constexpr uint64_t kMaxPage = 10'000;
// Of a list of referrers, which is a manifest that clients limit to 4 MiB.
constexpr size_t kMaxReferrersBytes = size_t{3} << 20;

// How many were asked for; nullopt where `n` is no number.
std::optional<size_t> PageSize(const ServerRoute& route) {
  const auto text = route.Query("n");
  if (!text) {
    return kMaxPage;
  }
  const auto n = ParseUint(*text);
  return n ? std::optional<size_t>(std::min(*n, kMaxPage)) : std::nullopt;
}

HttpResponse BadPageSize() {
  return ErrorResponse(400, OciError::kUnsupported, "\"n\" must be a number that is not negative");
}

std::string Encode(std::string_view text) {
  std::string encoded;
  for (char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '/' || c == ':';
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return encoded;
}

// RFC 8288
void AddNext(HttpResponse* response, std::string_view path, std::string_view query,
             std::string_view last) {
  response->headers.emplace_back(
      "Link", fmt::format("<{}?{}last={}>; rel=\"next\"", path, query, Encode(last)));
}

HttpResponse JsonResponse(const Json& json, std::string_view type = "application/json") {
  HttpResponse response;
  response.headers.emplace_back("Content-Type", type);
  response.body = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return response;
}

// Familiar names after `after` (a normalized one), at most `limit`.
absl::StatusOr<std::vector<std::string>> FamiliarRepositories(const RegistryContext& context,
                                                              std::string after, size_t limit) {
  std::vector<std::string> names;
  while (names.size() < limit) {
    const size_t want = limit - names.size();
    const auto page = context.repositories->ListRepositories(context.name_space, after, want);
    if (!page.ok()) {
      return page.status();
    }
    for (const std::string& repository : *page) {
      if (auto name = FamiliarRepository(repository)) {
        names.push_back(*std::move(name));
      }
    }
    if (page->size() < want) {
      break;
    }
    after = page->back();
  }
  return names;
}

Json DescriptorOf(const Referrer& referrer) {
  Json descriptor = {{"mediaType", referrer.media_type},
                     {"digest", referrer.digest.ToString()},
                     {"size", referrer.size}};
  if (!referrer.artifact_type.empty()) {
    descriptor["artifactType"] = referrer.artifact_type;
  }
  if (!referrer.annotations.empty()) {
    descriptor["annotations"] = referrer.annotations;
  }
  return descriptor;
}

// What has room in one answer, after the digest `after`; `next` becomes the last one where there is
// more.
Json ReferrerPage(const std::vector<Referrer>& referrers, const std::string& after,
                  const std::string& type, std::string* next) {
  Json manifests = Json::array();
  size_t bytes = 0;
  std::string last;
  for (const Referrer& referrer : referrers) {
    std::string digest = referrer.digest.ToString();
    if (digest <= after || (!type.empty() && referrer.artifact_type != type)) {
      continue;
    }
    Json descriptor = DescriptorOf(referrer);
    bytes += descriptor.dump(-1, ' ', false, Json::error_handler_t::replace).size() + 1;
    if (bytes > kMaxReferrersBytes && !manifests.empty()) {
      *next = last;
      break;
    }
    manifests.push_back(std::move(descriptor));
    last = std::move(digest);
  }
  return manifests;
}

}  // namespace

HttpResponse ListTags(const RegistryContext& context, const ServerRoute& route) {
  const auto limit = PageSize(route);
  if (!limit) {
    return BadPageSize();
  }
  auto tags = context.repositories->ListTags(context.name_space, route.repository,
                                             route.Query("last").value_or(""), *limit + 1);
  if (absl::IsNotFound(tags.status())) {
    return ErrorResponse(404, OciError::kNameUnknown, "there is no such repository", route.name);
  }
  if (!tags.ok()) {
    return InternalError(tags.status());
  }
  const bool more = tags->size() > *limit;
  tags->resize(std::min(tags->size(), *limit));
  HttpResponse response = JsonResponse({{"name", route.name}, {"tags", *tags}});
  if (more && *limit > 0) {
    AddNext(&response, fmt::format("/v2/{}/tags/list", route.name), fmt::format("n={}&", *limit),
            tags->back());
  }
  return response;
}

HttpResponse ListCatalog(const RegistryContext& context, const ServerRoute& route) {
  const auto limit = PageSize(route);
  if (!limit) {
    return BadPageSize();
  }
  const std::string last = route.Query("last").value_or("");
  auto names = FamiliarRepositories(context, NormalizedRepository(last).value_or(last), *limit + 1);
  if (!names.ok()) {
    return InternalError(names.status());
  }
  const bool more = names->size() > *limit;
  names->resize(std::min(names->size(), *limit));
  HttpResponse response = JsonResponse({{"repositories", *names}});
  if (more && *limit > 0) {
    AddNext(&response, "/v2/_catalog", fmt::format("n={}&", *limit), names->back());
  }
  return response;
}

HttpResponse ListReferrers(const RegistryContext& context, const ServerRoute& route) {
  if (!IsDigestText(route.reference)) {
    return ErrorResponse(400, OciError::kDigestInvalid, "this is not a digest", route.reference);
  }
  std::vector<Referrer> referrers;
  if (const auto subject = Digest::Parse(route.reference); subject.ok()) {
    auto found =
        context.repositories->ListReferrers(context.name_space, route.repository, *subject);
    if (!found.ok()) {
      return InternalError(found.status());
    }
    referrers = *std::move(found);
  }
  const std::string type = route.Query("artifactType").value_or("");
  std::string next;
  Json manifests = ReferrerPage(referrers, route.Query("last").value_or(""), type, &next);
  HttpResponse response = JsonResponse(
      {{"schemaVersion", 2}, {"mediaType", kIndexMediaType}, {"manifests", std::move(manifests)}},
      kIndexMediaType);
  if (!type.empty()) {
    response.headers.emplace_back("OCI-Filters-Applied", "artifactType");
  }
  if (!next.empty()) {
    AddNext(&response, fmt::format("/v2/{}/referrers/{}", route.name, route.reference),
            type.empty() ? "" : fmt::format("artifactType={}&", Encode(type)), next);
  }
  return response;
}

}  // namespace zlayer
