// What a frontend asks where a stage begins with another build (`build:` of a ZImagefile).
#ifndef ZLAYER_DAEMON_FRONTEND_NESTED_BUILDS_H_
#define ZLAYER_DAEMON_FRONTEND_NESTED_BUILDS_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <stop_token>
#include <string>

#include "daemon/frontend/image_resolver.h"

namespace zlayer {

struct NestedImage {
  uint32_t stage = 0;  // of the graph
  // The image that the stage comes to. It has no digest, and its reference is a text for users:
  // "build: deps".
  ResolvedImage image;
  std::string base_image;  // that it stands on, maybe over other stages; empty for scratch
};

class NestedBuilds {
 public:
  virtual ~NestedBuilds() = default;

  // Whether a base, as FROM has it, is a build.
  virtual bool Has(const std::string& base) const = 0;

  // Adds the stages of that build to the graph that the caller adds its own to, unless they are
  // there. Errors are those of the build's file, with a source there, or say why there is none.
  virtual absl::StatusOr<NestedImage> Resolve(const std::string& base, const v1::Platform& platform,
                                              std::stop_token stop) = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_NESTED_BUILDS_H_
