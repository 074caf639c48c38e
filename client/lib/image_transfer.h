// Streams images into and out of the daemon.
#ifndef ZLAYER_CLIENT_LIB_IMAGE_TRANSFER_H_
#define ZLAYER_CLIENT_LIB_IMAGE_TRANSFER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "client/lib/connection.h"
#include "zlayer/v1/image.pb.h"

namespace zlayer {

// Takes bytes in order; its first error ends the transfer.
using ByteSink = std::function<absl::Status(std::string_view)>;

// Sends what `produce` gives to its sink as an archive to import. The daemon's error goes before
// that of `produce`, which it may have caused.
absl::StatusOr<v1::ImportImageResponse> ImportImage(
    Connection& connection, const v1::ImportStart& start,
    const std::function<absl::Status(const ByteSink&)>& produce, std::stop_token stop);

// An archive that the daemon exports, read piece by piece. Not thread-safe.
class ImageExport {
 public:
  // `connection` must outlive the object.
  ImageExport(Connection& connection, const v1::ExportImageRequest& request, std::stop_token stop);
  ~ImageExport();

  // The next bytes, valid until the next call; empty at the end of the archive.
  absl::StatusOr<std::string_view> Next();

 private:
  Connection& connection_;
  grpc::ClientContext context_;
  CancelOnStop cancel_;
  std::unique_ptr<grpc::ClientReaderInterface<v1::ExportImageResponse>> stream_;
  v1::ExportImageResponse response_;
  bool ended_ = false;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_IMAGE_TRANSFER_H_
