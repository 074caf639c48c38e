// A step of a ZImagefile to its instruction.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_STEP_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_STEP_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/yaml/field.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// An instruction with its text; the keyword is upper case.
Instruction MakeInstruction(std::string_view keyword, InstructionBody body, v1::SourceRange source);

// RUN, COPY, ADD, ENV, WORKDIR or USER. The error is kParse, or kValidation: no action, several, a
// key that the action does not take, or a bad value.
absl::StatusOr<Instruction> ReadStep(const Field& step);

// The keys of a step by its action, and those of each kind of mount by its name.
std::vector<std::pair<std::string, std::vector<std::string>>> StepKeys();

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_STEP_H_
