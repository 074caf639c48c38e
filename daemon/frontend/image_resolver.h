// What a frontend asks of the registry: the configuration of a base image.
#ifndef ZLAYER_DAEMON_FRONTEND_IMAGE_RESOLVER_H_
#define ZLAYER_DAEMON_FRONTEND_IMAGE_RESOLVER_H_

#include <absl/status/statusor.h>

#include <stop_token>
#include <string>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

struct ResolvedImage {
  std::string reference;  // full: "docker.io/library/debian:bookworm"
  std::string digest;     // of the manifest: "sha256:..."
  v1::Platform platform;
  v1::ImageConfig config;
  std::string warning;  // why it is this image, where a user would expect another; else empty
};

// Thread-safe.
class ImageResolver {
 public:
  virtual ~ImageResolver() = default;
  // The image that `reference`, as a user wrote it, means now: for `platform` where there are
  // several, but the one that there is may be for another. kNotFound: there is none;
  // kInvalidArgument: not a reference. Every message names the reference.
  virtual absl::StatusOr<ResolvedImage> Resolve(const std::string& reference,
                                                const v1::Platform& platform,
                                                std::stop_token stop) = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_IMAGE_RESOLVER_H_
