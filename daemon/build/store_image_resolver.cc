#include "daemon/build/store_image_resolver.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "proto/error_detail.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

absl::Status WithReason(absl::Status status, std::string_view reason,
                        const std::string& reference) {
  v1::ErrorDetail detail;
  detail.set_reason(std::string(reason));
  detail.set_subject(reference);
  return WithDetail(std::move(status), detail);
}

class StoreImageResolver : public ImageResolver {
 public:
  StoreImageResolver(ImageStore* images, std::string name_space)
      : images_(images), name_space_(std::move(name_space)) {}

  absl::StatusOr<ResolvedImage> Resolve(const std::string& reference, const v1::Platform&,
                                        std::stop_token) override {
    ASSIGN_OR_RETURN(Reference parsed, Reference::Parse(reference));
    absl::StatusOr<StoredImage> image = images_->Get(name_space_, reference);
    if (absl::IsNotFound(image.status())) {
      return WithReason(NotFound(fmt::format("image {} is not in the store; bring it there with "
                                             "\"zlayer import\"",
                                             reference)),
                        "IMAGE_NOT_FOUND", reference);
    }
    RETURN_IF_ERROR(image.status());
    return ResolvedImage{parsed.Normalized(), image->manifest.ToString(),
                         std::move(image->platform), std::move(image->config)};
  }

 private:
  ImageStore* const images_;
  const std::string name_space_;
};

}  // namespace

std::unique_ptr<ImageResolver> MakeStoreImageResolver(ImageStore* images, std::string name_space) {
  return std::make_unique<StoreImageResolver>(images, std::move(name_space));
}

}  // namespace zlayer
