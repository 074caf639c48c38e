// Which builds the user means.
#ifndef ZLAYER_CLIENT_CLI_BUILD_IDS_H_
#define ZLAYER_CLIENT_CLI_BUILD_IDS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <string>
#include <vector>

#include "client/cli/session.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// Lists builds, newest first, page by page, until `sink` answers false or there are no more.
absl::Status ListBuilds(Session& session, v1::ListBuildsRequest request,
                        const std::function<bool(const v1::BuildStatus&)>& sink);

// The id for what the user wrote: an id, the begin of exactly one, or "@latest" (of the namespace
// where one is chosen). kNotFound; kInvalidArgument where several begin so.
absl::StatusOr<std::string> ResolveBuildId(Session& session, const std::string& text);

// Does something to each build, in order. Goes on after an error unless the daemon is gone or the
// user interrupted; all errors but the last are printed, and that is returned.
absl::Status ForEachBuild(Session& session, const std::vector<std::string>& texts,
                          const std::function<absl::Status(const std::string& id)>& action);

// The same for what other ids name.
using IdResolver = std::function<absl::StatusOr<std::string>(Session&, const std::string& text)>;
absl::Status ForEachId(Session& session, const std::vector<std::string>& texts,
                       const IdResolver& resolve,
                       const std::function<absl::Status(const std::string& id)>& action);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_BUILD_IDS_H_
