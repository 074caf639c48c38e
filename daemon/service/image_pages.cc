#include "daemon/service/image_pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr size_t kDefaultPage = 100;
constexpr size_t kLargestPage = 1000;
constexpr size_t kMaxPattern = 1000;
constexpr size_t kMaxToken = 1000;
// A token: version, digest of the filters, manifest, name.
constexpr std::string_view kVersion = "1";

std::string Filters(const v1::ListImagesRequest& request) {
  return Digest::Of(
             fmt::format("{}\n{}\n{}", request.namespace_(), request.nameless(), request.pattern()))
      .Hex()
      .substr(0, 16);
}

absl::StatusOr<ImagePosition> ParseToken(const v1::ListImagesRequest& request) {
  const std::vector<std::string_view> parts =
      Split(std::string_view(request.page_token()).substr(0, kMaxToken), '.');
  if (parts.size() < 4 || parts[0] != kVersion) {
    return InvalidArgument("page_token is not one that the daemon gave out");
  }
  absl::StatusOr<Digest> manifest = Digest::FromHex(parts[2]);
  if (!manifest.ok()) {
    return InvalidArgument("page_token is not one that the daemon gave out");
  }
  if (parts[1] != Filters(request)) {
    return InvalidArgument("page_token belongs to a listing with other filters");
  }
  const size_t name = parts[0].size() + parts[1].size() + parts[2].size() + 3;
  return ImagePosition{request.page_token().substr(name), *manifest};
}

}  // namespace

absl::StatusOr<ImageQuery> ToQuery(const v1::ListImagesRequest& request) {
  if (request.pattern().size() > kMaxPattern) {
    return InvalidArgument(fmt::format("pattern has {} bytes, at most {} are allowed",
                                       request.pattern().size(), kMaxPattern));
  }
  ImageQuery query;
  query.pattern = request.pattern();
  query.nameless = request.nameless();
  query.limit =
      request.page_size() == 0 ? kDefaultPage : std::min<size_t>(request.page_size(), kLargestPage);
  if (!request.page_token().empty()) {
    ASSIGN_OR_RETURN(query.after, ParseToken(request));
  }
  return query;
}

std::string PageToken(const v1::ListImagesRequest& request, const ImagePosition& next) {
  return fmt::format("{}.{}.{}.{}", kVersion, Filters(request), next.manifest.Hex(), next.name);
}

}  // namespace zlayer
