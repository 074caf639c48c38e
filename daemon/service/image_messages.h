// Images of the store as messages of the API.
#ifndef ZLAYER_DAEMON_SERVICE_IMAGE_MESSAGES_H_
#define ZLAYER_DAEMON_SERVICE_IMAGE_MESSAGES_H_

#include <string>
#include <vector>

#include "registry/image/image_store.h"
#include "zlayer/v1/image.pb.h"

namespace zlayer {

// The image under one of its names (normalized, or empty for none).
v1::Image ToImage(const StoredImage& image, const std::string& reference);

// The same under the name that `wanted`, as a user wrote it, means; under its first name where
// `wanted` is a digest.
v1::Image ToImageNamed(const StoredImage& image, const std::string& wanted);

v1::ImageDetail ToDetail(const StoredImage& image, const std::string& wanted);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_IMAGE_MESSAGES_H_
