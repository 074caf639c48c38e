// One blob on its way to a registry that is made meanwhile (distribution-spec, "Pushing a blob in
// chunks").
#ifndef ZLAYER_REGISTRY_CLIENT_STREAM_SENDER_H_
#define ZLAYER_REGISTRY_CLIENT_STREAM_SENDER_H_

#include <stop_token>
#include <string>

#include "registry/client/manifest_calls.h"
#include "registry/client/outcome.h"
#include "registry/client/registry_client.h"

namespace zlayer {

// One attempt, from the first byte on: POST, all bytes in one PATCH, and PUT with the digest that
// they came to have.
Outcome SendStream(const Route& route, const BlobStream& blob, RemoteDescriptor* made,
                   std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_STREAM_SENDER_H_
