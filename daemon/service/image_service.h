// ImageService (image.proto) over the image store.
#ifndef ZLAYER_DAEMON_SERVICE_IMAGE_SERVICE_H_
#define ZLAYER_DAEMON_SERVICE_IMAGE_SERVICE_H_

#include <cstdint>
#include <memory>

#include "daemon/service/call_host.h"
#include "registry/store.h"
#include "registry/transfer/puller.h"
#include "zlayer/v1/image.grpc.pb.h"

namespace zlayer {

struct ImageServiceOptions {
  CallHost host;
  Store* store = nullptr;    // outlives the service
  Puller* puller = nullptr;  // fetches what an export needs; outlives it, too
  uint64_t max_archive_bytes = uint64_t{64} << 30;
};

std::unique_ptr<v1::ImageService::CallbackService> MakeImageService(
    const ImageServiceOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_IMAGE_SERVICE_H_
