#include "daemon/service/image_service.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "daemon/service/download_stream.h"
#include "daemon/service/image_messages.h"
#include "daemon/service/request_check.h"
#include "daemon/service/spool.h"
#include "daemon/service/unary_call.h"
#include "daemon/service/upload_stream.h"
#include "proto/error_detail.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

constexpr size_t kFrameBytes = size_t{1} << 20;

// Joins small pieces of a stream and cuts large ones.
class Frames {
 public:
  explicit Frames(const std::function<absl::Status(v1::ExportImageResponse)>& write)
      : write_(write) {}

  absl::Status Append(std::string_view data) {
    while (!data.empty()) {
      if (frame_.capacity() < kFrameBytes) {
        frame_.reserve(kFrameBytes);
      }
      std::string_view piece = data.substr(0, kFrameBytes - frame_.size());
      frame_.append(piece);
      data.remove_prefix(piece.size());
      if (frame_.size() == kFrameBytes) {
        RETURN_IF_ERROR(Flush());
      }
    }
    return absl::OkStatus();
  }

  absl::Status Flush() {
    if (frame_.empty()) {
      return absl::OkStatus();
    }
    v1::ExportImageResponse message;
    message.set_data(std::move(frame_));
    frame_.clear();
    return write_(std::move(message));
  }

 private:
  const std::function<absl::Status(v1::ExportImageResponse)>& write_;
  std::string frame_;
};

using ImportHandler = UploadHandler<v1::ImportImageRequest, v1::ImportImageResponse>;

class ImportReceiver : public ImportHandler {
 public:
  explicit ImportReceiver(const ImageServiceOptions& options) : options_(options) {}

  absl::Status Receive(v1::ImportImageRequest& message, std::vector<v1::ImportImageResponse>*,
                       std::stop_token) override {
    if (message.has_start() == (spool_ != nullptr)) {
      return InvalidArgument("the first message of an import must have start, all others data");
    }
    return message.has_start() ? Start(message.start()) : spool_->Append(message.data());
  }

  absl::Status End(std::vector<v1::ImportImageResponse>* replies, std::stop_token stop) override {
    if (spool_ == nullptr) {
      return InvalidArgument("the import ended before it began");
    }
    ASSIGN_OR_RETURN(std::vector<StoredImage> images,
                     options_.store->images().Import(name_space_, spool_->Content(), reference_,
                                                     std::move(stop)));
    v1::ImportImageResponse& response = replies->emplace_back();
    for (const StoredImage& image : images) {
      *response.add_images() = ToImageNamed(image, reference_);
    }
    done_ = true;
    return absl::OkStatus();
  }

  bool Done() const override { return done_; }

 private:
  absl::Status Start(const v1::ImportStart& start) {
    ASSIGN_OR_RETURN(name_space_, NamespaceOf(start.namespace_()));
    reference_ = start.reference();
    if (!reference_.empty()) {
      RETURN_IF_ERROR(Reference::Parse(reference_).status());
    }
    ASSIGN_OR_RETURN(spool_, Spool::Open(options_.store->tmp(), options_.max_archive_bytes));
    return absl::OkStatus();
  }

  const ImageServiceOptions options_;
  std::string name_space_;
  std::string reference_;
  std::unique_ptr<Spool> spool_;
  bool done_ = false;
};

absl::Status CheckFormat(const std::string& format) {
  if (format.empty() || format == "oci") {
    return absl::OkStatus();
  }
  v1::ErrorDetail detail;
  detail.set_reason("UNSUPPORTED_OPTION");
  detail.set_subject("format");
  return WithDetail(Unimplemented("option format is not supported by this version but for \"oci\""),
                    detail);
}

class StoreImageService : public v1::ImageService::CallbackService {
 public:
  explicit StoreImageService(const ImageServiceOptions& options) : options_(options) {}

  grpc::ServerUnaryReactor* ListImages(grpc::CallbackServerContext*,
                                       const v1::ListImagesRequest* request,
                                       v1::ListImagesResponse* response) override {
    return Unary<v1::ListImagesRequest, v1::ListImagesResponse>(
        request, response,
        [this](const v1::ListImagesRequest&,
               const std::string& name_space) -> absl::StatusOr<v1::ListImagesResponse> {
          ASSIGN_OR_RETURN(std::vector<StoredImage> images, Images().List(name_space));
          return ToList(images);
        });
  }

  grpc::ServerUnaryReactor* InspectImage(grpc::CallbackServerContext*,
                                         const v1::InspectImageRequest* request,
                                         v1::ImageDetail* response) override {
    return Unary<v1::InspectImageRequest, v1::ImageDetail>(
        request, response,
        [this](const v1::InspectImageRequest& inspect,
               const std::string& name_space) -> absl::StatusOr<v1::ImageDetail> {
          ASSIGN_OR_RETURN(StoredImage image, Images().Get(name_space, inspect.reference()));
          return ToDetail(image, inspect.reference());
        });
  }

  grpc::ServerUnaryReactor* TagImage(grpc::CallbackServerContext*,
                                     const v1::TagImageRequest* request,
                                     v1::Image* response) override {
    return Unary<v1::TagImageRequest, v1::Image>(
        request, response,
        [this](const v1::TagImageRequest& tag,
               const std::string& name_space) -> absl::StatusOr<v1::Image> {
          ASSIGN_OR_RETURN(StoredImage image, Images().Tag(name_space, tag.source(), tag.target()));
          return ToImageNamed(image, tag.target());
        });
  }

  grpc::ServerUnaryReactor* RemoveImage(grpc::CallbackServerContext*,
                                        const v1::RemoveImageRequest* request,
                                        v1::RemoveImageResponse* response) override {
    return Unary<v1::RemoveImageRequest, v1::RemoveImageResponse>(
        request, response,
        [this](const v1::RemoveImageRequest& remove,
               const std::string& name_space) -> absl::StatusOr<v1::RemoveImageResponse> {
          ASSIGN_OR_RETURN(TagRemoval removal, Images().Remove(name_space, remove.reference()));
          v1::RemoveImageResponse answer;
          answer.mutable_untagged()->Assign(removal.untagged.begin(), removal.untagged.end());
          if (removal.removed.has_value()) {
            answer.set_removed(removal.removed->ToString());
          }
          return answer;
        });
  }

  grpc::ServerReadReactor<v1::ImportImageRequest>* ImportImage(
      grpc::CallbackServerContext* context, v1::ImportImageResponse* response) override {
    std::unique_ptr<ImportHandler> handler = std::make_unique<ImportReceiver>(options_);
    return ReceiveOnce(options_.host, context, response, std::move(handler));
  }

  grpc::ServerWriteReactor<v1::ExportImageResponse>* ExportImage(
      grpc::CallbackServerContext* context, const v1::ExportImageRequest* request) override {
    return SendStream<v1::ExportImageResponse>(
        options_.host, context,
        [this, request](const std::function<absl::Status(v1::ExportImageResponse)>& write,
                        std::stop_token stop) { return Export(*request, write, std::move(stop)); });
  }

 private:
  ImageStore& Images() { return options_.store->images(); }

  // RunUnary for requests with a namespace.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Unary(
      const Request* request, Response* response,
      std::function<absl::StatusOr<Response>(const Request&, const std::string&)> handler) {
    return RunUnary<Request, Response>(
        options_.host.quick, request, response,
        [handler = std::move(handler)](const Request& call,
                                       std::stop_token) -> absl::StatusOr<Response> {
          ASSIGN_OR_RETURN(std::string name_space, NamespaceOf(call.namespace_()));
          return handler(call, name_space);
        });
  }

  absl::Status Export(const v1::ExportImageRequest& request,
                      const std::function<absl::Status(v1::ExportImageResponse)>& write,
                      std::stop_token stop) {
    RETURN_IF_ERROR(CheckFormat(request.format()));
    ASSIGN_OR_RETURN(std::string name_space, NamespaceOf(request.namespace_()));
    Frames frames(write);
    RETURN_IF_ERROR(Images().Export(
        name_space, request.reference(),
        [&frames](std::string_view data) { return frames.Append(data); }, std::move(stop)));
    return frames.Flush();
  }

  const ImageServiceOptions options_;
};

}  // namespace

std::unique_ptr<v1::ImageService::CallbackService> MakeImageService(
    const ImageServiceOptions& options) {
  return std::make_unique<StoreImageService>(options);
}

}  // namespace zlayer
