// Base images from the local store.
#ifndef ZLAYER_DAEMON_BUILD_STORE_IMAGE_RESOLVER_H_
#define ZLAYER_DAEMON_BUILD_STORE_IMAGE_RESOLVER_H_

#include <memory>
#include <string>

#include "daemon/frontend/image_resolver.h"
#include "registry/image/image_store.h"

namespace zlayer {

// Resolves to the images that `name_space` has. `images` must outlive the resolver. An image
// that is not there has the reason IMAGE_NOT_FOUND and the reference.
std::unique_ptr<ImageResolver> MakeStoreImageResolver(ImageStore* images, std::string name_space);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_STORE_IMAGE_RESOLVER_H_
