#include "registry/transfer/blob_pull.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/client/urls.h"

namespace zlayer {
namespace {

std::string_view PortOf(std::string_view address) {
  const size_t colon = address.rfind(':');
  return colon == std::string_view::npos ? std::string_view() : address.substr(colon + 1);
}

const ImageLayer* LayerOf(const StoredImage& image, const Digest& blob) {
  const auto found = std::find_if(image.layers.begin(), image.layers.end(),
                                  [&](const ImageLayer& layer) { return layer.digest == blob; });
  return found == image.layers.end() ? nullptr : &*found;
}

}  // namespace

void BlobPull::ServesOn(std::vector<std::string> addresses) {
  MutexLock lock(&mutex_);
  own_ = std::move(addresses);
}

bool BlobPull::IsOwn(const std::string& source) {
  const std::string_view registry = std::string_view(source).substr(0, source.find('/'));
  MutexLock lock(&mutex_);
  return std::any_of(own_.begin(), own_.end(), [&](const std::string& address) {
    return registry == address || (IsLoopback(registry) && PortOf(registry) == PortOf(address));
  });
}

absl::Status BlobPull::Fetch(const std::string& name_space, const Digest& blob,
                             std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::vector<StoredImage> images, images_->FindPulled(name_space, blob));
  absl::Status status =
      NotFound(fmt::format("no registry is known that has the blob {}", blob.ToString()));
  for (const StoredImage& image : images) {
    const ImageLayer* const layer = LayerOf(image, blob);
    if (layer == nullptr || IsOwn(image.source)) {
      continue;
    }
    status = images_->EnsureBlob(image, *layer, puller_->Fetcher({}, {}), stop);
    if (status.ok() || absl::IsCancelled(status)) {
      break;
    }
  }
  return MeansAbsent(status) ? NotFound(Message(status)) : status;
}

}  // namespace zlayer
