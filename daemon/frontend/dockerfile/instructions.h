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
#include "daemon/frontend/dockerfile/run_mount.h"
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
  CommandLine command;                      // not empty
  std::vector<DockerfileHeredoc> heredocs;  // where it is for the shell; one word announces them
  std::vector<RunMountText> mounts;
  v1::NetworkMode network = v1::NETWORK_DEFAULT;
  v1::SecurityMode security = v1::SECURITY_SANDBOX;
  std::vector<RunDevice> devices;
  // Of this command alone; their values are words. No Dockerfile has it, a ZImagefile has.
  std::vector<NameValue> environment;
};
// A file that COPY or ADD takes from the Dockerfile itself (a heredoc).
struct InlineSource {
  std::string name;
  std::string content;  // leading tabs dropped where "<<-" asks for it
  bool expand = true;   // variables are expanded
};
// COPY and ADD.
struct CopyInstruction {
  bool add = false;
  std::string from;  // COPY: stage, number, context or image; empty for the build context
  std::string owner;
  std::string mode;
  bool link = false;
  bool parents = false;  // COPY
  std::vector<std::string> exclude;
  std::string checksum;                      // ADD of a URL
  std::optional<bool> keep_git_directory;    // ADD of a git URL
  std::optional<bool> unpack;                // ADD; unset: local archives
  std::vector<std::string> sources;          // with the inline ones at least one
  std::vector<InlineSource> inline_sources;  // copied after the others
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
struct OnBuildInstruction {
  // What is kept in the image: the instruction behind ONBUILD with its heredocs, one line or more.
  std::string trigger;
};

using InstructionBody =
    std::variant<FromInstruction, ArgInstruction, EnvInstruction, LabelInstruction, RunInstruction,
                 CopyInstruction, WorkdirInstruction, UserInstruction, CmdInstruction,
                 EntrypointInstruction, ExposeInstruction, VolumeInstruction, StopsignalInstruction,
                 ShellInstruction, HealthcheckInstruction, MaintainerInstruction,
                 OnBuildInstruction>;

struct Instruction {
  InstructionBody body;
  std::string keyword;       // upper case
  std::string keyword_text;  // as written
  std::string text;          // as written, one line of at most 1 KiB, valid UTF-8, for messages
  std::vector<std::string> comments;  // in front of it, without '#'
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
// (proto/error_detail.h). kInvalidArgument: an instruction or flag is unknown, or malformed;
// something but ARG stands before the first FROM; there is no FROM.
absl::StatusOr<DockerfileInstructions> ParseInstructions(const LexedDockerfile& lexed,
                                                         std::string_view name);

// The same for one node.
absl::StatusOr<Instruction> ParseInstruction(const DockerfileNode& node, std::string_view name);

// The instruction that an image's ONBUILD trigger is. Its source is `from`'s: the FROM that runs
// it. kInvalidArgument: the trigger is not exactly one instruction, or one that cannot be one
// (FROM, MAINTAINER, ONBUILD).
absl::StatusOr<Instruction> ParseTrigger(const std::string& trigger, const Instruction& from);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTIONS_H_
