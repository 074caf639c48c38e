#include "daemon/frontend/dockerfile/instructions.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/instruction_body.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

constexpr size_t kMaxText = 1024;

// One line for people: runs of white space that continued lines made become one space.
std::string OneLine(const DockerfileNode& node) {
  std::string line;
  const bool joined = node.first_line != node.last_line;
  for (const char c : TrimGoSpace(node.original)) {
    const bool space = c == ' ' || static_cast<unsigned char>(c) < ' ' || c == 0x7f;
    if (!space || !joined || line.empty() || line.back() != ' ') {
      line += space ? ' ' : c;
    }
  }
  if (line.size() > kMaxText) {
    line = std::string(CutUtf8(line, kMaxText - 3)) + "...";
  }
  return ToUtf8(line);
}

v1::SourceRange SourceOf(const DockerfileNode& node, std::string_view name) {
  v1::SourceRange source;
  source.set_file(std::string(name));
  source.set_first_line(node.first_line);
  source.set_last_line(node.last_line);
  return source;
}

// Collects instructions into stages.
class StageBuilder {
 public:
  absl::Status Add(Instruction instruction) {
    if (std::holds_alternative<FromInstruction>(instruction.body)) {
      result_.stages.push_back({std::move(instruction), {}});
      return absl::OkStatus();
    }
    if (!result_.stages.empty()) {
      result_.stages.back().instructions.push_back(std::move(instruction));
      return absl::OkStatus();
    }
    if (!std::holds_alternative<ArgInstruction>(instruction.body)) {
      return InvalidArgument(
          fmt::format("{} stands before the first FROM, where only ARG may", instruction.keyword));
    }
    result_.global_args.push_back(std::move(instruction));
    return absl::OkStatus();
  }

  // Name or number of the stage that the next instruction is in; empty before the first.
  std::string CurrentStage() const {
    if (result_.stages.empty()) {
      return "";
    }
    const std::string& name = result_.stages.back().base().name;
    return name.empty() ? std::to_string(result_.stages.size() - 1) : name;
  }

  DockerfileInstructions Take() { return std::move(result_); }
  bool empty() const { return result_.stages.empty(); }

 private:
  DockerfileInstructions result_;
};

}  // namespace

absl::StatusOr<Instruction> ParseInstruction(const DockerfileNode& node, std::string_view name) {
  Instruction instruction;
  instruction.keyword = ToUpper(node.keyword);
  instruction.keyword_text = node.keyword_text;
  instruction.comments = node.comments;
  instruction.text = OneLine(node);
  instruction.source = SourceOf(node, name);
  absl::StatusOr<InstructionBody> body = ParseInstructionBody(node);
  if (!body.ok()) {
    v1::ErrorDetail detail;
    detail.set_instruction(instruction.text);
    return WithDetail(AtSource(std::move(body).status(), instruction.source), detail);
  }
  instruction.body = *std::move(body);
  return instruction;
}

absl::StatusOr<Instruction> ParseTrigger(const std::string& trigger, const Instruction& from) {
  const std::string text = ToUtf8(trigger.substr(0, trigger.find('\n')));
  absl::StatusOr<LexedDockerfile> lexed = LexDockerfile(trigger, "ONBUILD");
  if (lexed.ok() && (lexed->nodes.size() != 1 || !CanBeTrigger(lexed->nodes[0].keyword))) {
    lexed = InvalidArgument("it is not one instruction that can stand behind ONBUILD");
  }
  if (!lexed.ok()) {
    return AtSource(InvalidArgument(fmt::format("the base's ONBUILD trigger {}: {}", GoQuote(text),
                                                Message(lexed.status()))),
                    from.source);
  }
  DockerfileNode& node = lexed->nodes[0];
  node.first_line = from.source.first_line();
  node.last_line = from.source.last_line();
  ASSIGN_OR_RETURN(Instruction instruction, ParseInstruction(node, from.source.file()));
  instruction.text.insert(0, "ONBUILD ");
  return instruction;
}

absl::StatusOr<DockerfileInstructions> ParseInstructions(const LexedDockerfile& lexed,
                                                         std::string_view name) {
  StageBuilder stages;
  for (const DockerfileNode& node : lexed.nodes) {
    absl::StatusOr<Instruction> instruction = ParseInstruction(node, name);
    absl::Status status = instruction.status();
    if (status.ok()) {
      status = stages.Add(*std::move(instruction));
    }
    if (!status.ok()) {
      v1::ErrorDetail detail;
      detail.set_instruction(OneLine(node));
      detail.set_stage(stages.CurrentStage());
      return WithDetail(AtSource(std::move(status), SourceOf(node, name)), detail);
    }
  }
  if (stages.empty()) {
    return AtSource(InvalidArgument("there is no FROM: a build begins with FROM IMAGE"),
                    SourceOf(lexed.nodes.back(), name));
  }
  return stages.Take();
}

}  // namespace zlayer
