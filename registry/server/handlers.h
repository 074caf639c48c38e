// What the endpoints of a registry do: a request and its route in, an answer out. They know nothing
// of connections.
#ifndef ZLAYER_REGISTRY_SERVER_HANDLERS_H_
#define ZLAYER_REGISTRY_SERVER_HANDLERS_H_

#include <string_view>

#include "registry/image/repositories.h"
#include "registry/server/http_message.h"
#include "registry/server/registry_server.h"
#include "registry/server/route.h"
#include "registry/server/upload_sessions.h"

namespace zlayer {

// Each for the methods that its endpoint has. `context` must outlive what they return.
HttpOutcome HandleManifest(const RegistryContext& context, const Route& route,
                           const HttpRequest& request);
HttpOutcome HandleBlob(const RegistryContext& context, const Route& route,
                       const HttpRequest& request);
HttpOutcome HandleUploads(const RegistryContext& context, const Route& route,
                          const HttpRequest& request);
HttpOutcome HandleUpload(const RegistryContext& context, const Route& route,
                         const HttpRequest& request);
HttpResponse ListTags(const RegistryContext& context, const Route& route);
HttpResponse ListCatalog(const RegistryContext& context, const Route& route);
HttpResponse ListReferrers(const RegistryContext& context, const Route& route);

// Whether If-None-Match (RFC 9110 section 13.1.2) names this tag, which has its quotes.
bool MatchesTag(std::string_view if_none_match, std::string_view tag);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_HANDLERS_H_
