#include "registry/server/route.h"

#include <absl/status/statusor.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "registry/image/reference.h"
#include "registry/server/errors.h"

namespace zlayer {
namespace {

constexpr size_t kMaxName = 255;
constexpr size_t kMaxTag = 128;
constexpr size_t kMaxDigest = 256;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || IsDigit(c); }
bool IsWord(char c) { return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

std::optional<int> HexDigit(char c) {
  if (IsDigit(c)) {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return std::nullopt;
}

// Percent-decoded. What follows a '%' that is no escape stays as it is. A '+' stays too: media
// types have it, and nothing here has spaces.
std::string Decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) && HexDigit(text[i + 2])) {
      decoded += static_cast<char>(*HexDigit(text[i + 1]) * 16 + *HexDigit(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::map<std::string, std::string, std::less<>> ParseQuery(std::string_view text) {
  std::map<std::string, std::string, std::less<>> query;
  for (std::string_view pair : Split(text, '&')) {
    const size_t equals = pair.find('=');
    std::string value = equals == std::string_view::npos ? "" : Decode(pair.substr(equals + 1));
    query.try_emplace(Decode(pair.substr(0, equals)), std::move(value));
  }
  return query;
}

// Cuts `tail` off the end of `path`.
bool CutTail(std::string_view* path, std::string_view tail) {
  if (!path->ends_with(tail)) {
    return false;
  }
  path->remove_suffix(tail.size());
  return true;
}

// What stands behind the name, which stays in `path`.
std::optional<RouteKind> CutEndpoint(std::string_view* path, std::string* reference) {
  if (CutTail(path, "/tags/list")) {
    return RouteKind::kTags;
  }
  if (CutTail(path, "/blobs/uploads/") || CutTail(path, "/blobs/uploads")) {
    return RouteKind::kUploads;
  }
  const size_t slash = path->rfind('/');
  if (slash == std::string_view::npos) {
    return std::nullopt;
  }
  *reference = path->substr(slash + 1);
  *path = path->substr(0, slash);
  if (CutTail(path, "/blobs/uploads")) {
    return RouteKind::kUpload;
  }
  if (CutTail(path, "/manifests")) {
    return RouteKind::kManifest;
  }
  if (CutTail(path, "/blobs")) {
    return RouteKind::kBlob;
  }
  if (CutTail(path, "/referrers")) {
    return RouteKind::kReferrers;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> ServerRoute::Query(std::string_view key) const {
  const auto found = query.find(key);
  return found == query.end() ? std::nullopt : std::optional(found->second);
}

std::variant<ServerRoute, HttpResponse> ParseRoute(std::string_view target) {
  const size_t mark = target.find('?');
  const std::string decoded = Decode(target.substr(0, mark));
  ServerRoute route{.endpoint = RouteKind::kBase};
  if (mark != std::string_view::npos) {
    route.query = ParseQuery(target.substr(mark + 1));
  }
  if (decoded == "/v2" || decoded == "/v2/") {
    return route;
  }
  if (decoded == "/v2/_catalog") {
    route.endpoint = RouteKind::kCatalog;
    return route;
  }
  constexpr std::string_view kPrefix = "/v2/";
  std::string_view path = decoded;
  std::optional<RouteKind> endpoint;
  if (path.starts_with(kPrefix)) {
    path.remove_prefix(kPrefix.size());
    endpoint = CutEndpoint(&path, &route.reference);
  }
  if (!endpoint) {
    return ErrorResponse(404, OciError::kUnsupported, "the registry has nothing at this path");
  }
  route.endpoint = *endpoint;
  route.name = path;
  const auto repository = NormalizedRepository(path);
  if (!repository) {
    return ErrorResponse(400, OciError::kNameInvalid, "this is not the name of a repository", path);
  }
  route.repository = *repository;
  return route;
}

std::optional<std::string> NormalizedRepository(std::string_view name) {
  const std::vector<std::string_view> components = Split(name, '/');
  if (name.size() > kMaxName ||
      !std::all_of(components.begin(), components.end(), IsPathComponent)) {
    return std::nullopt;
  }
  const absl::StatusOr<Reference> reference = Reference::Parse(name);
  if (!reference.ok()) {
    return std::nullopt;
  }
  return reference->registry + "/" + reference->repository;
}

std::optional<std::string> FamiliarRepository(const std::string& repository) {
  const size_t slash = repository.find('/');
  if (slash == std::string::npos) {
    return std::nullopt;
  }
  const Reference reference{.registry = repository.substr(0, slash),
                            .repository = repository.substr(slash + 1)};
  std::string familiar = reference.Familiar();
  if (NormalizedRepository(familiar) != repository) {
    return std::nullopt;
  }
  return familiar;
}

bool IsTagName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxTag && IsWord(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsWord(c) || c == '.' || c == '-'; });
}

bool IsDigestText(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || text.size() > kMaxDigest) {
    return false;
  }
  const std::string_view algorithm = text.substr(0, colon);
  const std::string_view encoded = text.substr(colon + 1);
  constexpr std::string_view kSeparators = "+._-";
  bool part = false;  // whether a component has begun
  for (char c : algorithm) {
    if (!IsLowerOrDigit(c) && (!part || kSeparators.find(c) == std::string_view::npos)) {
      return false;
    }
    part = IsLowerOrDigit(c);
  }
  if (!part || encoded.empty()) {
    return false;
  }
  if (algorithm == "sha256" || algorithm == "sha512") {
    return encoded.size() == (algorithm == "sha256" ? 64 : 128) &&
           std::all_of(encoded.begin(), encoded.end(),
                       [](char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); });
  }
  return std::all_of(encoded.begin(), encoded.end(),
                     [](char c) { return IsWord(c) || c == '=' || c == '-'; });
}

}  // namespace zlayer
