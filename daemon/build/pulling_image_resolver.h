// Base images: of the local store, else of registries.
#ifndef ZLAYER_DAEMON_BUILD_PULLING_IMAGE_RESOLVER_H_
#define ZLAYER_DAEMON_BUILD_PULLING_IMAGE_RESOLVER_H_

#include <absl/status/status.h>

#include <memory>
#include <string>

#include "daemon/frontend/image_resolver.h"
#include "registry/image/image_store.h"
#include "registry/transfer/puller.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// Credentials as requests have them; of several for a registry the last counts. They are copied.
CredentialsOf CredentialsIn(
    const google::protobuf::RepeatedPtrField<v1::RegistryCredential>& credentials);

PullPolicy PullPolicyOf(v1::PullMode mode);

// Resolves to what the request means: its pull mode, default registry and credentials. `puller`
// must outlive the resolver. An image that is nowhere has the reason IMAGE_NOT_FOUND and the
// reference.
std::unique_ptr<ImageResolver> MakeImageResolver(Puller* puller, std::string name_space,
                                                 const v1::BuildSpec& spec);

// An error of a registry as the daemon says it: one that does not answer is kFailedPrecondition
// with the reason REGISTRY_UNAVAILABLE. kUnavailable is the daemon's own to say, whom a client asks
// again.
absl::Status OfRegistry(const absl::Status& status);

// `fetch` with its errors as OfRegistry says them.
BlobFetcher OfRegistry(BlobFetcher fetch);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_PULLING_IMAGE_RESOLVER_H_
