// What a server says with an answer that is not 2xx, as a status.
#ifndef ZLAYER_REGISTRY_CLIENT_REPLY_ERROR_H_
#define ZLAYER_REGISTRY_CLIENT_REPLY_ERROR_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "registry/client/outcome.h"
#include "registry/client/transport.h"

namespace zlayer {

struct ReplyContext {
  std::string_view who = "the registry";
  bool writes = false;               // what it refuses is what was sent to it
  int64_t now_ns = 0;                // for a Retry-After that is a date
  std::vector<std::string> secrets;  // are cut out, should the server say them
};

// A sentence: "the registry answered 404 (MANIFEST_UNKNOWN: manifest unknown)", with what its body
// says in the form of the distribution-spec ("Error Codes") or in plain text, made printable and
// cut to some hundred bytes. The code: 401 kUnauthenticated, 403 kPermissionDenied, 404 kNotFound,
// 429 and 500, 502, 503, 504 kUnavailable, else kInvalidArgument or kFailedPrecondition.
Outcome ReplyError(const TransportReply& reply, const ReplyContext& context);

// Whether the body has this code among its errors.
bool HasErrorCode(const TransportReply& reply, std::string_view code);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_REPLY_ERROR_H_
