// What a request's target means (distribution-spec 1.1, "Endpoints"; Docker's _catalog). Pure.
#ifndef ZLAYER_REGISTRY_SERVER_ROUTE_H_
#define ZLAYER_REGISTRY_SERVER_ROUTE_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/digest.h"
#include "registry/server/http_message.h"

namespace zlayer {

enum class RouteKind {
  kBase,       // /v2/
  kCatalog,    // /v2/_catalog
  kManifest,   // /v2/<name>/manifests/<reference>
  kBlob,       // /v2/<name>/blobs/<digest>
  kUploads,    // /v2/<name>/blobs/uploads/
  kUpload,     // /v2/<name>/blobs/uploads/<id>
  kTags,       // /v2/<name>/tags/list
  kReferrers,  // /v2/<name>/referrers/<digest>
};

struct ServerRoute {
  RouteKind endpoint;
  std::string name;        // as it is in the target: "app"
  std::string repository;  // that, normalized: "docker.io/library/app"
  std::string reference;   // the last part of the path: tag, digest or id, not checked
  std::map<std::string, std::string, std::less<>> query;

  // nullopt where the target has no such parameter.
  std::optional<std::string> Query(std::string_view key) const;
};

// The route, or the answer to a target that means nothing (404) or whose name is none (400).
std::variant<ServerRoute, HttpResponse> ParseRoute(std::string_view target);

// The normalized name of a repository that a target names, where it may be named so.
std::optional<std::string> NormalizedRepository(std::string_view name);
// The reverse: "app" for "docker.io/library/app". nullopt where no target can name it, as with a
// registry that has a port.
std::optional<std::string> FamiliarRepository(const std::string& repository);

bool IsTagName(std::string_view text);

// Whether the text has the form of a digest (image-spec 1.1, descriptor.md#digests). One of an
// algorithm other than sha256 is well-formed, but nothing here has it.
bool IsDigestText(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_ROUTE_H_
