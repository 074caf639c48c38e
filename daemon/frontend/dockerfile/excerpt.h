// The lines of a build file that an error is about.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_EXCERPT_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_EXCERPT_H_

#include <absl/status/status.h>

#include <string_view>

#include "zlayer/v1/errors.pb.h"

namespace zlayer {

// The lines of `text` that `source` means, with two around them, within the limits of the message.
// Empty where the text does not have them.
v1::SourceExcerpt ExcerptOf(std::string_view text, const v1::SourceRange& source);

// The same status with ErrorDetail.excerpt, where its source is in the file of that name, and it has
// no excerpt yet.
absl::Status WithExcerpt(absl::Status status, std::string_view name, std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_EXCERPT_H_
