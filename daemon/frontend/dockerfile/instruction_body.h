// One node to the body of its instruction, by its keyword: flags, number and form of arguments.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTION_BODY_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTION_BODY_H_

#include <absl/status/statusor.h>

#include <string_view>

#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/lexer.h"

namespace zlayer {

// kInvalidArgument, without a source: the instruction or a flag of it is unknown, or malformed.
absl::StatusOr<InstructionBody> ParseInstructionBody(const DockerfileNode& node);

// Whether an instruction may stand behind ONBUILD; `keyword` is lower case.
bool CanBeTrigger(std::string_view keyword);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTION_BODY_H_
