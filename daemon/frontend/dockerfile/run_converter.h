// RUN to its operation.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_RUN_CONVERTER_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_RUN_CONVERTER_H_

#include <absl/status/status.h>

#include <string>
#include <string_view>

#include "daemon/frontend/dockerfile/instruction_scope.h"
#include "daemon/frontend/dockerfile/instructions.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// Sets the operation's run, and `created_by` as BuildKit writes it: "RUN |1 V=1 /bin/sh -c make".
// Variables of the command alone count as arguments there.
//
// The document of `RUN <<EOF` alone is the command; where it begins with "#!" it is a file that is
// mounted and executed. Documents of other commands are left to the shell. kUnimplemented: a mount
// of secrets or SSH agents, or a device.
absl::Status ConvertRun(const RunInstruction& run, InstructionScope* scope,
                        v1::Operation* operation, std::string* created_by);

// Names that BuildKit lets RUN use without ARG: HTTP_PROXY, http_proxy, NO_PROXY, ...
bool IsProxyArgument(std::string_view name);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_RUN_CONVERTER_H_
