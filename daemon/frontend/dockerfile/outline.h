// What a target takes, as the build file declares it: gathered while the file is converted.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_OUTLINE_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_OUTLINE_H_

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/stage_state.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

class OutlineBuilder {
 public:
  // First: the arguments before the first FROM, with the values of the build.
  void AddGlobals(const std::vector<Instruction>& global_args, char escape,
                  const Variables& arguments);
  // What follows is of this stage.
  void Begin(size_t stage, const Instruction& from);
  // An instruction, before it is converted.
  void Add(const Instruction& instruction, const StageState& state);
  // An ARG of the stage; `inherited` where its value is that of an argument before the first FROM.
  void AddArgument(const Instruction& instruction, const std::string& name,
                   const std::optional<std::string>& value, bool inherited);

  // Of the stages that `target`, the index of a stage of the file, needs. By lines.
  v1::BuildOutline Build(const DockerfileStage& target, const std::vector<bool>& needed) const;

 private:
  using Argument = v1::BuildOutline::Argument;
  struct Global {
    Argument argument;
    std::set<std::string> uses;  // of its default
  };
  struct Stage {
    std::set<std::string> uses;
    std::vector<Argument> arguments;
    std::vector<v1::BuildOutline::Secret> secrets;
    std::vector<v1::BuildOutline::Secret> ssh;
    std::vector<v1::BuildOutline::Cache> caches;
  };

  std::set<std::string> NamesIn(std::string_view word) const;
  void AddMount(const RunMount& mount, const Instruction& instruction);
  // Adds the arguments of that name that stand before the first FROM, and those in their defaults.
  void Use(const std::string& name, std::map<std::string, Argument>* used) const;

  char escape_ = '\\';
  std::map<std::string, Global> globals_;
  std::map<size_t, Stage> stages_;
  Stage* stage_ = nullptr;
};

// The stages of a file that can be built.
std::vector<v1::BuildTarget> TargetsOf(const DockerfileInstructions& file);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_OUTLINE_H_
