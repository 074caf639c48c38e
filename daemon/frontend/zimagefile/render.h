// Typed instructions as Dockerfile text, for people.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_RENDER_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_RENDER_H_

#include <string>

#include "daemon/frontend/dockerfile/instructions.h"

namespace zlayer {

// The instruction with all of its flags: "RUN --network=none make". A script is a heredoc, on lines
// of its own. The variables of one RUN, which no Dockerfile has, are shown as --env=NAME=VALUE.
std::string RenderInstruction(const InstructionBody& body);

// The same as Instruction::text has it: one line of at most 1 KiB of UTF-8.
std::string DescribeInstruction(const InstructionBody& body);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_RENDER_H_
