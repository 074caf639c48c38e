// The options that `zlayer build` and `zlayer plan` share.
#ifndef ZLAYER_CLIENT_CLI_BUILD_OPTIONS_H_
#define ZLAYER_CLIENT_CLI_BUILD_OPTIONS_H_

#include <optional>
#include <string>

#include "client/cli/build_flags.h"
#include "client/cli/command.h"

namespace zlayer {

// What to build from, with the argument CONTEXT, and what the image gets. `flags` must live until
// the action has run.
void AddBuildOptions(Command& command, BuildFlags* flags);

// The environment of this process, for MakeBuildRequest.
std::optional<std::string> FromEnvironment(const std::string& name);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_BUILD_OPTIONS_H_
