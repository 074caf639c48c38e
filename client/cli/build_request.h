// From the flags of `zlayer build` to what is submitted.
#ifndef ZLAYER_CLIENT_CLI_BUILD_REQUEST_H_
#define ZLAYER_CLIENT_CLI_BUILD_REQUEST_H_

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "client/cli/build_file.h"
#include "client/cli/build_flags.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// The value of a variable of the environment, if it is set.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

// What the flags ask for. Without `file`, the build file is the one named by the flags in the
// context (a tar, or fetched by the daemon). Contexts that are directories are left out: see
// DirectoryContexts. Usage errors (session.h): a flag's value does not read.
absl::StatusOr<v1::SubmitBuildRequest> MakeBuildRequest(const BuildFlags& flags,
                                                        const std::optional<BuildFile>& file,
                                                        const Environment& environment);

// The directories to upload, by context name. The build context itself is "" where it is one.
absl::StatusOr<std::map<std::string, std::string>> DirectoryContexts(const BuildFlags& flags);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_BUILD_REQUEST_H_
