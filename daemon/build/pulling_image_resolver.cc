#include "daemon/build/pulling_image_resolver.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

constexpr Log kLog(LogModule::kBuild);

// Whatever a registry says of what it does not show, or where it says nothing: the image is not
// there for this request.
absl::Status Absent(const absl::Status& status, const std::string& reference) {
  v1::ErrorDetail detail;
  detail.set_reason("IMAGE_NOT_FOUND");
  detail.set_subject(reference);
  return WithDetail(NotFound(Message(status)), detail);
}

class PullingImageResolver : public ImageResolver {
 public:
  PullingImageResolver(Puller* puller, std::string name_space, const v1::BuildSpec& spec)
      : puller_(puller) {
    request_.name_space = std::move(name_space);
    request_.policy = PullPolicyOf(spec.pull());
    request_.default_registry = spec.default_registry();
    request_.credentials = CredentialsIn(spec.registry_credentials());
  }

  absl::StatusOr<ResolvedImage> Resolve(const std::string& reference, const v1::Platform& platform,
                                        std::stop_token stop) override {
    PullRequest request = request_;
    request.reference = reference;
    request.platform = platform;
    absl::StatusOr<PulledImage> pulled = puller_->Resolve(request, {}, std::move(stop));
    if (MeansAbsent(pulled.status()) || absl::IsUnavailable(pulled.status())) {
      return Absent(pulled.status(), reference);
    }
    RETURN_IF_ERROR(pulled.status());
    if (!pulled->warning.empty()) {
      kLog.Warn(pulled->warning);
    }
    return ResolvedImage{std::move(pulled->reference), pulled->image.manifest.ToString(),
                         std::move(pulled->image.platform), std::move(pulled->image.config),
                         std::move(pulled->warning)};
  }

 private:
  Puller* const puller_;
  PullRequest request_;
};

}  // namespace

CredentialsOf CredentialsIn(
    const google::protobuf::RepeatedPtrField<v1::RegistryCredential>& credentials) {
  if (credentials.empty()) {
    return {};
  }
  std::map<std::string, RegistryCredentials> by_place;
  for (const v1::RegistryCredential& one : credentials) {
    by_place[one.registry()] = {one.username(), one.password(), one.token()};
  }
  return
      [by_place = std::move(by_place)](const std::string& registry, const std::string& repository) {
        // The longest beginning that has any.
        std::string place = fmt::format("{}/{}", registry, repository);
        auto found = by_place.find(place);
        while (found == by_place.end() && place.size() > registry.size()) {
          place.resize(place.rfind('/'));
          found = by_place.find(place);
        }
        return found == by_place.end() ? RegistryCredentials() : found->second;
      };
}

PullPolicy PullPolicyOf(v1::PullMode mode) {
  switch (mode) {
    case v1::PULL_NEWER:
      return PullPolicy::kNewer;
    case v1::PULL_ALWAYS:
      return PullPolicy::kAlways;
    case v1::PULL_NEVER:
      return PullPolicy::kNever;
    default:
      return PullPolicy::kMissing;
  }
}

std::unique_ptr<ImageResolver> MakeImageResolver(Puller* puller, std::string name_space,
                                                 const v1::BuildSpec& spec) {
  return std::make_unique<PullingImageResolver>(puller, std::move(name_space), spec);
}

absl::Status OfRegistry(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) {
    return status;
  }
  v1::ErrorDetail detail;
  detail.set_reason("REGISTRY_UNAVAILABLE");
  return WithDetail(FailedPrecondition(Message(status)), detail);
}

BlobFetcher OfRegistry(BlobFetcher fetch) {
  return [fetch = std::move(fetch)](const StoredImage& image, const ImageLayer& layer,
                                    const BlobReceiver& receiver, std::stop_token stop) {
    return OfRegistry(fetch(image, layer, receiver, std::move(stop)));
  };
}

}  // namespace zlayer
