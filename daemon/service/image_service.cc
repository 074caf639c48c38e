#include "daemon/service/image_service.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/build/pulling_image_resolver.h"
#include "daemon/service/download_stream.h"
#include "daemon/service/image_messages.h"
#include "daemon/service/image_pages.h"
#include "daemon/service/request_check.h"
#include "daemon/service/request_limits.h"
#include "daemon/service/spool.h"
#include "daemon/service/unary_call.h"
#include "daemon/service/upload_stream.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

constexpr size_t kFrameBytes = size_t{1} << 20;
constexpr int kMaxReferences = 100;

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
      for (const std::string& name : image.references) {
        *response.add_images() = ToImage(image, name);
      }
      if (image.references.empty()) {
        *response.add_images() = ToImage(image, "");
      }
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

absl::StatusOr<ArchiveRequest> WantedArchive(const v1::ExportImageRequest& request) {
  ArchiveRequest wanted;
  if (request.format() == "docker") {
    wanted.format = ArchiveRequest::Format::kDocker;
  } else if (!request.format().empty() && request.format() != "oci") {
    return InvalidArgument(
        fmt::format("\"{}\" is not a format of archives: \"oci\" and \"docker\" are",
                    ToUtf8(std::string_view(request.format()).substr(0, 100))));
  }
  if (request.more_references_size() > kMaxReferences) {
    return InvalidArgument(fmt::format("more_references has {} elements, at most {} are allowed",
                                       request.more_references_size(), kMaxReferences));
  }
  wanted.references = {request.reference()};
  wanted.references.insert(wanted.references.end(), request.more_references().begin(),
                           request.more_references().end());
  return wanted;
}

class StoreImageService : public v1::ImageService::CallbackService {
 public:
  explicit StoreImageService(const ImageServiceOptions& options) : options_(options) {}

  grpc::ServerUnaryReactor* ListImages(grpc::CallbackServerContext*,
                                       const v1::ListImagesRequest* request,
                                       v1::ListImagesResponse* response) override {
    return Unary<v1::ListImagesRequest, v1::ListImagesResponse>(
        request, response,
        [this](const v1::ListImagesRequest& list, const std::string& name_space)
            -> absl::StatusOr<v1::ListImagesResponse> { return List(list, name_space); });
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

  grpc::ServerUnaryReactor* UntagImage(grpc::CallbackServerContext*,
                                       const v1::UntagImageRequest* request,
                                       v1::Image* response) override {
    return Unary<v1::UntagImageRequest, v1::Image>(
        request, response,
        [this](const v1::UntagImageRequest& untag,
               const std::string& name_space) -> absl::StatusOr<v1::Image> {
          ASSIGN_OR_RETURN(StoredImage image, Images().Untag(name_space, untag.reference()));
          return ToImageNamed(image, untag.reference());
        });
  }

  grpc::ServerUnaryReactor* RemoveImage(grpc::CallbackServerContext*,
                                        const v1::RemoveImageRequest* request,
                                        v1::RemoveImageResponse* response) override {
    return Unary<v1::RemoveImageRequest, v1::RemoveImageResponse>(
        request, response,
        [this](const v1::RemoveImageRequest& remove,
               const std::string& name_space) -> absl::StatusOr<v1::RemoveImageResponse> {
          ASSIGN_OR_RETURN(TagRemoval removal,
                           Images().Remove(name_space, remove.reference(), remove.force()));
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

  absl::StatusOr<v1::ListImagesResponse> List(const v1::ListImagesRequest& request,
                                              const std::string& name_space) {
    ASSIGN_OR_RETURN(ImageQuery query, ToQuery(request));
    ASSIGN_OR_RETURN(ImagePage page, Images().List(name_space, query));
    v1::ListImagesResponse response;
    for (const ListedImage& listed : page.images) {
      *response.add_images() = ToImage(listed.image, listed.name);
    }
    if (page.next.has_value()) {
      response.set_next_page_token(PageToken(request, *page.next));
    }
    return response;
  }

  absl::Status Export(const v1::ExportImageRequest& request,
                      const std::function<absl::Status(v1::ExportImageResponse)>& write,
                      std::stop_token stop) {
    RETURN_IF_ERROR(CheckLimits(request));
    ASSIGN_OR_RETURN(ArchiveRequest wanted, WantedArchive(request));
    ASSIGN_OR_RETURN(std::string name_space, NamespaceOf(request.namespace_()));
    for (const std::string& reference : wanted.references) {
      ASSIGN_OR_RETURN(const StoredImage image, Images().Get(name_space, reference));
      RETURN_IF_ERROR(
          Images().EnsureBlobs(image, OfRegistry(options_.puller->Fetcher({}, {})), stop));
    }
    Frames frames(write);
    RETURN_IF_ERROR(Images().Export(
        name_space, wanted, [&frames](std::string_view data) { return frames.Append(data); },
        std::move(stop)));
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
