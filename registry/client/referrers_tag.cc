#include "registry/client/referrers_tag.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/image/json_reader.h"

namespace zlayer {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxAlgorithm = 32;
constexpr size_t kMaxEncoded = 64;
constexpr int kRounds = 3;
constexpr char kIndexType[] = "application/vnd.oci.image.index.v1+json";

// With what a registry's own list would say of it.
absl::StatusOr<Json> Describe(const ManifestToPut& manifest) {
  ASSIGN_OR_RETURN(Json document, ParseJsonObject(manifest.bytes, kMaxManifest));
  absl::Status status;
  const JsonMember root(document, &status);
  std::string type = root["artifactType"].String();
  if (type.empty()) {
    type = root["config"]["mediaType"].String();
  }
  Json entry = {{"mediaType", manifest.media_type},
                {"digest", Digest::Of(manifest.bytes).ToString()},
                {"size", manifest.bytes.size()}};
  if (!type.empty()) {
    entry["artifactType"] = std::move(type);
  }
  if (root["annotations"]) {
    entry["annotations"] = std::move(document["annotations"]);
  }
  RETURN_IF_ERROR(status);
  return entry;
}

bool Lists(const Json& manifests, const Json& entry) {
  return std::any_of(manifests.begin(), manifests.end(), [&](const Json& other) {
    return other.is_object() && other.value("digest", Json()) == entry["digest"];
  });
}

// The index under the tag; an empty one where there is none.
Outcome GetList(const Route& route, const std::string& tag, Json* list, std::stop_token stop) {
  RemoteManifest there;
  Outcome got = GetManifest(route, tag, &there, std::move(stop));
  if (absl::IsNotFound(got.status)) {
    *list = {{"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", Json::array()}};
    return {};
  }
  if (!got.ok()) {
    return got;
  }
  absl::StatusOr<Json> document = ParseJsonObject(there.bytes, kMaxManifest);
  if (there.media_type != kIndexType || !document.ok() || !document->contains("manifests") ||
      !(*document)["manifests"].is_array()) {
    return {.status = FailedPrecondition(
                "what has this tag is no index, and where a registry does not list by itself what "
                "refers to a manifest, the list belongs there: give it another tag")};
  }
  *list = *std::move(document);
  return {};
}

}  // namespace

std::string ReferrersTagOf(std::string_view manifest) {
  const absl::StatusOr<Json> document = ParseJsonObject(manifest, kMaxManifest);
  absl::Status status;
  const std::string digest =
      document.ok() ? JsonMember(*document, &status)["subject"]["digest"].String() : "";
  const size_t colon = digest.find(':');
  if (!status.ok() || colon == std::string::npos) {
    return "";
  }
  std::string tag = digest.substr(0, std::min(colon, kMaxAlgorithm)) + "-" +
                    digest.substr(colon + 1, kMaxEncoded);
  std::replace_if(
      tag.begin(), tag.end(),
      [](unsigned char c) { return !std::isalnum(c) && c != '_' && c != '.' && c != '-'; }, '-');
  return tag;
}

Outcome AddReferrer(const Route& route, const std::string& tag, const ManifestToPut& manifest,
                    std::stop_token stop) {
  const absl::StatusOr<Json> entry = Describe(manifest);
  if (!entry.ok()) {
    return {.status = entry.status()};
  }
  for (int round = 0; round < kRounds; ++round) {
    Json list;
    if (Outcome got = GetList(route, tag, &list, stop); !got.ok()) {
      return got;
    }
    Json& manifests = list["manifests"];
    if (Lists(manifests, *entry)) {
      return {};
    }
    manifests.push_back(*entry);
    const std::string bytes = list.dump();
    bool lists_referrers = false;
    if (Outcome put = PutManifest(route, {tag, kIndexType, bytes}, &lists_referrers, stop);
        !put.ok()) {
      return put;
    }
  }
  return {.status = Unavailable("others change it all the time"), .may_pass = true};
}

}  // namespace zlayer
