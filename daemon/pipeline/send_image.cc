#include "daemon/pipeline/send_image.h"

#include <utility>

#include "base/errors.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "daemon/build/outputs.h"
#include "daemon/build/pulling_image_resolver.h"
#include "daemon/pipeline/stored_pipeline.h"

namespace zlayer {
namespace {

// False where `stop` was requested first.
bool Pause(std::chrono::nanoseconds duration, const std::stop_token& stop) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(&mutex);
  never.WaitFor(&mutex, duration, stop, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

ImageSender MakeImageSender(Pusher* pusher, Uses* uses,
                            std::vector<std::chrono::nanoseconds> pauses) {
  return [pusher, uses, pauses = std::move(pauses)](
             const ImageToSend& image, std::stop_token stop) -> absl::StatusOr<std::string> {
    const Uses::Work work = uses->Begin();
    ASSIGN_OR_RETURN(const ImageOutput output, ImageOutputOf(image.spec));
    PushRequest request;
    request.name_space = image.name_space;
    request.reference = image.manifest_digest;
    request.destinations = PushedTags(image.spec);
    request.form = output.form;
    request.by_digest = output.push_by_digest;
    request.credentials = CredentialsIn(image.spec.registry_credentials());
    absl::StatusOr<PushResult> pushed = pusher->Push(request, nullptr, stop);
    for (const std::chrono::nanoseconds pause : pauses) {
      if (!absl::IsUnavailable(pushed.status())) {
        break;
      }
      Log(LogModule::kBuild)
          .Warn("an image will be sent again",
                {{"image", image.manifest_digest}, {"error", pushed.status()}});
      if (!Pause(pause, stop)) {
        return Cancelled("the sending of the image was stopped");
      }
      pushed = pusher->Push(request, nullptr, stop);
    }
    RETURN_IF_ERROR(pushed.status());
    return pushed->manifest.ToString();
  };
}

}  // namespace zlayer
