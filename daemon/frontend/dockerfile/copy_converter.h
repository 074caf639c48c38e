// COPY and ADD to their operation.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_COPY_CONVERTER_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_COPY_CONVERTER_H_

#include <absl/status/status.h>

#include <string>

#include "daemon/frontend/dockerfile/instruction_scope.h"
#include "daemon/frontend/dockerfile/instructions.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// Sets the operation's copy, and `created_by` as BuildKit writes it. A source that is a download
// has the name that it gets as its path, a repository "/", a heredoc its name. kInvalidArgument: a
// flag or source does not fit; kUnimplemented: a git URL asks for something that is not carried
// out; or what `resolve_from` said.
absl::Status ConvertCopy(const CopyInstruction& copy, InstructionScope* scope,
                         v1::Operation* operation, std::string* created_by);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_COPY_CONVERTER_H_
