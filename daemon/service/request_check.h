// What is checked of a request before it is acknowledged: a request that passes can only fail by
// what its build does.
#ifndef ZLAYER_DAEMON_SERVICE_REQUEST_CHECK_H_
#define ZLAYER_DAEMON_SERVICE_REQUEST_CHECK_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

#include "zlayer/v1/build.pb.h"

namespace zlayer {

// The namespace that a request means: "default" where it names none. kInvalidArgument for a name
// that is not 1 to 63 of a-z, 0-9 and '-'.
absl::StatusOr<std::string> NamespaceOf(const std::string& name);

// kUnimplemented with the option's name (reason UNSUPPORTED_OPTION, subject the name) where an
// option that does not work yet is set to anything but its default; the one table of those is here.
// kInvalidArgument (reason INVALID_OPTION, subject the name) where a value is wrong or too large,
// or a graph or the text of a Dockerfile has an error. Contexts are checked by kind only.
absl::Status CheckSpec(const v1::BuildSpec& spec);

// CheckSpec and everything around it.
absl::Status CheckSubmission(const v1::SubmitBuildRequest& request);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_REQUEST_CHECK_H_
