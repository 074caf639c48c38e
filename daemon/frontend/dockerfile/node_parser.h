// One logical line of a Dockerfile to a node: keyword, flags, arguments by the keyword's rules.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_NODE_PARSER_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_NODE_PARSER_H_

#include <absl/status/statusor.h>

#include <string_view>

#include "daemon/frontend/dockerfile/lexer.h"

namespace zlayer {

// Lines, comments and heredocs are left to the caller. kInvalidArgument: the arguments are
// malformed.
absl::StatusOr<DockerfileNode> ParseNode(std::string_view line, char escape);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_NODE_PARSER_H_
