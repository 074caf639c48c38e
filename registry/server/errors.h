// Errors as clients of a registry know them (distribution-spec 1.1, "Error Codes").
#ifndef ZLAYER_REGISTRY_SERVER_ERRORS_H_
#define ZLAYER_REGISTRY_SERVER_ERRORS_H_

#include <absl/status/status.h>

#include <string>
#include <string_view>

#include "registry/server/http_message.h"

namespace zlayer {

enum class OciError {
  kBlobUnknown,
  kBlobUploadInvalid,
  kBlobUploadUnknown,
  kDigestInvalid,
  kManifestBlobUnknown,
  kManifestInvalid,
  kManifestUnknown,
  kNameInvalid,
  kNameUnknown,
  kSizeInvalid,
  kDenied,
  kUnsupported,
  kTooManyRequests,
};

// {"errors":[{"code":...,"message":...,"detail":...}]}; the detail is left out where it is empty.
HttpResponse ErrorResponse(int status, OciError code, std::string_view message,
                           std::string_view detail = "");

// 500, which tells the client nothing; `error` is for the log.
HttpResponse InternalError(absl::Status error);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_ERRORS_H_
