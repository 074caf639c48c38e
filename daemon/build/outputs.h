// What a request asks of its outputs.
#ifndef ZLAYER_DAEMON_BUILD_OUTPUTS_H_
#define ZLAYER_DAEMON_BUILD_OUTPUTS_H_

#include <absl/status/statusor.h>

#include <string_view>

#include "registry/transfer/pusher.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/registry.pb.h"

namespace zlayer {

// Attribute of an image: no time in the tars of the layers that the build makes is later than
// SOURCE_DATE_EPOCH. Layers of the base stay as they are.
inline constexpr std::string_view kRewriteTimestamp = "rewrite-timestamp";

// What becomes of the image.
struct ImageOutput {
  bool rewrites_timestamps = false;
  bool push = false;  // to the registries that its tags name
  bool push_by_digest = false;
  PushForm form;
};

// From BuildSpec.push and the attributes of its outputs, whose names are BuildKit's.
// kInvalidArgument names the attribute that is wrong or not known.
absl::StatusOr<ImageOutput> ImageOutputOf(const v1::BuildSpec& spec);

absl::StatusOr<PushForm> PushFormOf(const v1::PushCompression& compression);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_OUTPUTS_H_
