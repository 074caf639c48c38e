// Images with fewer layers than their build made.
#ifndef ZLAYER_DAEMON_BUILD_MERGE_IMAGE_H_
#define ZLAYER_DAEMON_BUILD_MERGE_IMAGE_H_

#include <absl/status/statusor.h>

#include <stop_token>
#include <string>

#include "backends/api/backend.h"
#include "registry/store.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// From `squash` and `layers`; of both `squash` counts.
Layering LayeringOf(const v1::BuildSpec& spec);

// Who merges, and for which build.
struct MergeScope {
  Store* store = nullptr;
  std::string name_space;
  std::string build_id;
};

// The image with the layers that the build made put together into one (kOneForBuild), or all of
// them, the base's included (kOneForImage, whose layers must all be in the store). Where there are
// not two of them the image stays as it is. In the history the instructions keep their entries,
// without a layer, and one more stands for the layer. The same layers make the same layer, which is
// remembered like what a step makes. kCancelled once `stop` is requested.
absl::StatusOr<NewImage> MergeImage(const MergeScope& scope, Layering layering, NewImage image,
                                    std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_MERGE_IMAGE_H_
