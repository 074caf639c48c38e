// Sends an image of a pipeline to the registries that its tags name.
#ifndef ZLAYER_DAEMON_PIPELINE_SEND_IMAGE_H_
#define ZLAYER_DAEMON_PIPELINE_SEND_IMAGE_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "registry/transfer/pusher.h"
#include "registry/uses/uses.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

struct ImageToSend {
  std::string name_space;
  std::string manifest_digest;  // what the build made, whatever its tags name now
  v1::BuildSpec spec;           // with credentials: its tags, and the form of the layers
};

// Returns the digest that the manifest has in the registries. kCancelled once `stop` is requested.
using ImageSender =
    std::function<absl::StatusOr<std::string>(const ImageToSend& image, std::stop_token stop)>;

// The pusher tries each of its requests again for some seconds. Where a registry does not answer
// even so (kUnavailable), the whole image is sent again after each of `pauses`: what is there
// already is not sent twice. Both arguments outlive the sender.
ImageSender MakeImageSender(Pusher* pusher, Uses* uses,
                            std::vector<std::chrono::nanoseconds> pauses = {
                                std::chrono::seconds(2), std::chrono::seconds(10)});

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_PIPELINE_SEND_IMAGE_H_
