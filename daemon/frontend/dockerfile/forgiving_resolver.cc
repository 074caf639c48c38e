#include "daemon/frontend/dockerfile/forgiving_resolver.h"

#include <utility>

namespace zlayer {

absl::StatusOr<ResolvedImage> ForgivingResolver::Resolve(const std::string& reference,
                                                         const v1::Platform& platform,
                                                         std::stop_token stop) {
  absl::StatusOr<ResolvedImage> image = resolver_.Resolve(reference, platform, std::move(stop));
  if (image.ok() || absl::IsCancelled(image.status())) {
    return image;
  }
  errors_[reference] = image.status();
  return ResolvedImage{reference, "", platform, {}};
}

absl::Status ForgivingResolver::ErrorOf(const std::string& reference) const {
  const auto at = errors_.find(reference);
  return at == errors_.end() ? absl::OkStatus() : at->second;
}

}  // namespace zlayer
