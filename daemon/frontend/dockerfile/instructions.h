// Nodes to typed instructions, grouped by stage: the second of three steps. The form of each
// instruction is checked here (flags, number of arguments); variables are not expanded yet.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTIONS_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTIONS_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/frontend/dockerfile/lexer.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

struct NameValue {
  std::string name;
  std::string value;
};

// A command as RUN, CMD, ENTRYPOINT and HEALTHCHECK take it.
struct CommandLine {
  std::vector<std::string> words;  // of a JSON list; or one text for the shell (none: empty text)
  bool shell = false;
};

struct FromInstruction {
  std::string platform;  // as written; empty for none
  std::string base;
  std::string name;  // lower case; empty for none
};
struct ArgInstruction {
  struct Argument {
    std::string name;
    std::optional<std::string> value;
  };
  std::vector<Argument> arguments;  // at least one
};
struct EnvInstruction {
  std::vector<NameValue> variables;
  bool legacy = false;  // `ENV name value`
};
struct LabelInstruction {
  std::vector<NameValue> labels;
  bool legacy = false;
};
struct RunInstruction {
  CommandLine command;  // not empty
  v1::NetworkMode network = v1::NETWORK_DEFAULT;
};
// COPY and ADD.
struct CopyInstruction {
  bool add = false;
  std::string from;  // stage, number or image; empty for the build context
  std::string owner;
  std::string mode;
  std::vector<std::string> sources;  // at least one
  std::string destination;
};
struct WorkdirInstruction {
  std::string path;
};
struct UserInstruction {
  std::string user;
};
struct CmdInstruction {
  CommandLine command;
};
struct EntrypointInstruction {
  CommandLine command;
};
struct ExposeInstruction {
  std::vector<std::string> ports;
};
struct VolumeInstruction {
  std::vector<std::string> paths;
};
struct StopsignalInstruction {
  std::string signal;
};
struct ShellInstruction {
  std::vector<std::string> words;  // at least one
};
struct HealthcheckInstruction {
  v1::Healthcheck healthcheck;
};
struct MaintainerInstruction {
  std::string author;
};

using InstructionBody =
    std::variant<FromInstruction, ArgInstruction, EnvInstruction, LabelInstruction, RunInstruction,
                 CopyInstruction, WorkdirInstruction, UserInstruction, CmdInstruction,
                 EntrypointInstruction, ExposeInstruction, VolumeInstruction, StopsignalInstruction,
                 ShellInstruction, HealthcheckInstruction, MaintainerInstruction>;

struct Instruction {
  InstructionBody body;
  std::string keyword;  // upper case
  std::string text;     // as written, one line of at most 1 KiB, valid UTF-8, for messages
  v1::SourceRange source;
};

struct DockerfileStage {
  Instruction from;  // its body is a FromInstruction
  std::vector<Instruction> instructions;

  const FromInstruction& base() const { return std::get<FromInstruction>(from.body); }
};

struct DockerfileInstructions {
  std::vector<Instruction> global_args;  // ARGs before the first FROM
  std::vector<DockerfileStage> stages;   // at least one
};

// Errors name the file and line, with the instruction and stage in the detail
// (proto/error_detail.h). kInvalidArgument: an instruction or flag is unknown, or malformed; a
// stage's name is used twice; something but ARG stands before the first FROM; there is no FROM.
// kUnimplemented: ONBUILD, a heredoc, or a flag that this version does not carry out.
absl::StatusOr<DockerfileInstructions> ParseInstructions(const LexedDockerfile& lexed,
                                                         std::string_view name);

// The same for one node.
absl::StatusOr<Instruction> ParseInstruction(const DockerfileNode& node, std::string_view name);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTIONS_H_
