// Image look-ups of an examination, which goes on where a build would end.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_FORGIVING_RESOLVER_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_FORGIVING_RESOLVER_H_

#include <map>
#include <string>

#include "daemon/frontend/image_resolver.h"

namespace zlayer {

// Puts an image without anything in the place of one that cannot be had. Not thread-safe.
class ForgivingResolver : public ImageResolver {
 public:
  // `resolver` must outlive the object.
  explicit ForgivingResolver(ImageResolver& resolver) : resolver_(resolver) {}

  absl::StatusOr<ResolvedImage> Resolve(const std::string& reference, const v1::Platform& platform,
                                        std::stop_token stop) override;

  // Why there is no such image; OK where there is.
  absl::Status ErrorOf(const std::string& reference) const;

 private:
  ImageResolver& resolver_;
  std::map<std::string, absl::Status> errors_;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_FORGIVING_RESOLVER_H_
