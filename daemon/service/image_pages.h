// Pages of ListImages: what a request asks for, and the tokens that lead to the next page.
#ifndef ZLAYER_DAEMON_SERVICE_IMAGE_PAGES_H_
#define ZLAYER_DAEMON_SERVICE_IMAGE_PAGES_H_

#include <absl/status/statusor.h>

#include <string>

#include "registry/image/image_store.h"
#include "zlayer/v1/image.pb.h"

namespace zlayer {

// kInvalidArgument where the token is not one of ours, or of a request with other filters.
absl::StatusOr<ImageQuery> ToQuery(const v1::ListImagesRequest& request);

// The token of the page that follows, for the same filters.
std::string PageToken(const v1::ListImagesRequest& request, const ImagePosition& next);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_IMAGE_PAGES_H_
