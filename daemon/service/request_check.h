// What is checked of a request before it is acknowledged: a request that passes can only fail by
// what its build does. How large its parts may be was checked before (request_limits.h).
#ifndef ZLAYER_DAEMON_SERVICE_REQUEST_CHECK_H_
#define ZLAYER_DAEMON_SERVICE_REQUEST_CHECK_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "zlayer/v1/build.pb.h"

namespace zlayer {

// kInvalidArgument, "`option`: `message`", with the reason INVALID_OPTION and the option as
// subject.
absl::Status InvalidOption(std::string_view option, std::string_view message);

// The namespace that a request means: "default" where it names none. kInvalidArgument for a name
// that is not 1 to 63 of a-z, 0-9 and '-'.
absl::StatusOr<std::string> NamespaceOf(const std::string& name);

// kUnimplemented with the option's name (reason UNSUPPORTED_OPTION, subject the name) where an
// option that does not work yet is set to anything but its default; the one table of those is here.
// kInvalidArgument (reason INVALID_OPTION, subject the name) where a value is wrong, or a graph or the
// text of a build file has an error; errors of a runtime's name as TemplateToBuild.
// kFailedPrecondition where the backend that is named cannot run here. Contexts are checked by kind
// only.
absl::Status CheckSpec(const v1::BuildSpec& spec);

// CheckSpec and everything around it.
absl::Status CheckSubmission(const v1::SubmitBuildRequest& request);

// The same of what a plan needs: a context may be a name alone, but for the one that the build
// file is read from.
absl::Status CheckPlan(const v1::PlanBuildRequest& request);

// The same of what an examination needs, but that the text of a build file may have errors.
absl::Status CheckExamination(const v1::CheckBuildRequest& request);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_REQUEST_CHECK_H_
