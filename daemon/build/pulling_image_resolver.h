// Base images: of the local store, else of registries.
#ifndef ZLAYER_DAEMON_BUILD_PULLING_IMAGE_RESOLVER_H_
#define ZLAYER_DAEMON_BUILD_PULLING_IMAGE_RESOLVER_H_

#include <memory>
#include <string>

#include "daemon/frontend/image_resolver.h"
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

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_PULLING_IMAGE_RESOLVER_H_
