#include "registry/server/errors.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/strings.h"

namespace zlayer {
namespace {

std::string_view Name(OciError code) {
  switch (code) {
    case OciError::kBlobUnknown:
      return "BLOB_UNKNOWN";
    case OciError::kBlobUploadInvalid:
      return "BLOB_UPLOAD_INVALID";
    case OciError::kBlobUploadUnknown:
      return "BLOB_UPLOAD_UNKNOWN";
    case OciError::kDigestInvalid:
      return "DIGEST_INVALID";
    case OciError::kManifestBlobUnknown:
      return "MANIFEST_BLOB_UNKNOWN";
    case OciError::kManifestInvalid:
      return "MANIFEST_INVALID";
    case OciError::kManifestUnknown:
      return "MANIFEST_UNKNOWN";
    case OciError::kNameInvalid:
      return "NAME_INVALID";
    case OciError::kNameUnknown:
      return "NAME_UNKNOWN";
    case OciError::kSizeInvalid:
      return "SIZE_INVALID";
    case OciError::kDenied:
      return "DENIED";
    case OciError::kUnsupported:
      return "UNSUPPORTED";
    case OciError::kTooManyRequests:
      return "TOOMANYREQUESTS";
  }
  return "UNKNOWN";
}

HttpResponse Response(int status, std::string_view code, std::string_view message,
                      std::string_view detail) {
  nlohmann::ordered_json error = {{"code", code}, {"message", ToUtf8(message)}};
  if (!detail.empty()) {
    error["detail"] = ToUtf8(detail);
  }
  HttpResponse response{.status = status};
  response.headers.emplace_back("Content-Type", "application/json");
  response.body =
      nlohmann::ordered_json({{"errors", nlohmann::ordered_json::array({std::move(error)})}})
          .dump() +
      "\n";
  return response;
}

}  // namespace

HttpResponse ErrorResponse(int status, OciError code, std::string_view message,
                           std::string_view detail) {
  return Response(status, Name(code), message, detail);
}

HttpResponse InternalError(absl::Status error) {
  HttpResponse response =
      Response(500, "UNKNOWN", "the registry failed at this; its log says why", "");
  response.error = std::move(error);
  return response;
}

}  // namespace zlayer
