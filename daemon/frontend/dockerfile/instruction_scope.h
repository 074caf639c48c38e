// What the conversion of an instruction works with: the file, the state of its stage, and the
// expansion of its words.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTION_SCOPE_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTION_SCOPE_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "daemon/frontend/dockerfile/check_stage.h"
#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/outline.h"
#include "daemon/frontend/dockerfile/stage_state.h"
#include "daemon/frontend/dockerfile/words.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// What all stages of a file share. Not owned; outlives the converters.
struct ConvertScope {
  char escape = '\\';
  const std::map<std::string, std::string>* build_args = nullptr;
  const Variables* global_args = nullptr;  // what ARG without a value means
  v1::Input context;                       // the build context
  // What --from=TEXT means in a stage.
  std::function<absl::StatusOr<v1::Input>(const std::string& text)> resolve_from;
  StageChecks* checks = nullptr;
  OutlineBuilder* outline = nullptr;

  // A build argument's value; empty where it is not given.
  std::string_view BuildArg(std::string_view name) const;
};

class InstructionScope {
 public:
  InstructionScope(const ConvertScope& file, const StageState& state,
                   const Instruction& instruction)
      : file_(file), state_(state), instruction_(instruction) {}

  const ConvertScope& file() const { return file_; }
  // Before the instruction; ARG changes it as it goes.
  const StageState& state() const { return state_; }
  const Instruction& instruction() const { return instruction_; }

  // The word with its variables replaced. kInvalidArgument: the word is
  // malformed, or the instruction's words come to more than 4 MiB.
  absl::StatusOr<std::string> Expand(std::string_view word);
  // The same with the words that it falls into.
  absl::StatusOr<ExpandedWord> ExpandAll(std::string_view word);
  // The text of a heredoc: its quotes mean nothing, its escape character is always '\'.
  absl::StatusOr<std::string> ExpandHeredoc(std::string_view text);

  // Counts bytes that the instruction came to.
  absl::Status Spend(size_t bytes);

 private:
  absl::StatusOr<ExpandedWord> ExpandWith(std::string_view word, const WordOptions& options);

  const ConvertScope& file_;
  const StageState& state_;
  const Instruction& instruction_;
  size_t spent_ = 0;
};

// A path of an instruction with '/' alone, whatever the stage's system. kInvalidArgument: on
// Windows, one that no image has.
absl::StatusOr<std::string> GraphPath(std::string_view path, const StageState& state);

// `path` seen from the stage's working directory, as the graph has it: absolute and clean. Errors
// as above.
absl::StatusOr<std::string> AbsolutePath(std::string_view path, const StageState& state);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTION_SCOPE_H_
