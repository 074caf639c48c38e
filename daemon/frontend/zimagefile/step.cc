#include "daemon/frontend/zimagefile/step.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "base/strings.h"
#include "daemon/frontend/yaml/key_table.h"
#include "daemon/frontend/zimagefile/dockerfile_words.h"
#include "daemon/frontend/zimagefile/render.h"
#include "daemon/frontend/zimagefile/run_step.h"

namespace zlayer {
namespace {

constexpr size_t kMaxSources = 10'000;

absl::Status ReadSources(const Field& value, CopyInstruction* copy) {
  ASSIGN_OR_RETURN(copy->sources, ReadWords(value));
  if (copy->sources.empty() || copy->sources.size() > kMaxSources) {
    return value.Error(fmt::format("there are from 1 to {} sources", kMaxSources));
  }
  return absl::OkStatus();
}

// What COPY and ADD take both.
KeyTable<CopyInstruction> CommonCopyKeys() {
  return {{"to", Into<&CopyInstruction::destination, ReadNonEmptyWord, CopyInstruction>},
          {"owner", Into<&CopyInstruction::owner, ReadNonEmptyWord, CopyInstruction>},
          {"chmod", Into<&CopyInstruction::mode, ReadNonEmptyWord, CopyInstruction>},
          {"link", Into<&CopyInstruction::link, &Field::Boolean, CopyInstruction>},
          {"exclude", Into<&CopyInstruction::exclude, &Field::Texts, CopyInstruction>}};
}

const KeyTable<CopyInstruction>& CopyKeys() {
  static const auto* keys = [] {
    auto* table = new KeyTable<CopyInstruction>(CommonCopyKeys());
    table->push_back({"copy", ReadSources});
    table->push_back({"from", Into<&CopyInstruction::from, ReadFrom, CopyInstruction>});
    table->push_back(
        {"parents", Into<&CopyInstruction::parents, &Field::Boolean, CopyInstruction>});
    return table;
  }();
  return *keys;
}

const KeyTable<CopyInstruction>& AddKeys() {
  static const auto* keys = [] {
    auto* table = new KeyTable<CopyInstruction>(CommonCopyKeys());
    table->push_back({"add", ReadSources});
    table->push_back(
        {"checksum", Into<&CopyInstruction::checksum, ReadNonEmptyWord, CopyInstruction>});
    table->push_back(
        {"keep_git_dir",
         Into<&CopyInstruction::keep_git_directory, &Field::Boolean, CopyInstruction>});
    table->push_back({"unpack", Into<&CopyInstruction::unpack, &Field::Boolean, CopyInstruction>});
    return table;
  }();
  return *keys;
}

absl::StatusOr<InstructionBody> ReadRun(const Field& step) {
  RunInstruction run;
  RETURN_IF_ERROR(ReadMap(step, RunKeys(), &run));
  return run;
}

absl::StatusOr<InstructionBody> ReadCopyOrAdd(const Field& step,
                                              const KeyTable<CopyInstruction>& keys, bool add) {
  CopyInstruction copy;
  copy.add = add;
  RETURN_IF_ERROR(ReadMap(step, keys, &copy));
  if (!step.Find("to")) {
    return step.ErrorAtKey(
        fmt::format("\"{}\" needs \"to\", where the files go", add ? "add" : "copy"));
  }
  return copy;
}

absl::StatusOr<InstructionBody> ReadCopy(const Field& step) {
  return ReadCopyOrAdd(step, CopyKeys(), false);
}

absl::StatusOr<InstructionBody> ReadAdd(const Field& step) {
  return ReadCopyOrAdd(step, AddKeys(), true);
}

absl::StatusOr<InstructionBody> ReadEnv(const Field& step) {
  EnvInstruction env;
  const Field value = *step.Find("env");
  ASSIGN_OR_RETURN(env.variables, ReadVariablePairs(value));
  if (env.variables.empty()) {
    return value.Error("there is no variable to set");
  }
  return env;
}

absl::StatusOr<InstructionBody> ReadWorkdir(const Field& step) {
  WorkdirInstruction workdir;
  ASSIGN_OR_RETURN(workdir.path, ReadNonEmptyWord(*step.Find("workdir")));
  return workdir;
}

absl::StatusOr<InstructionBody> ReadUser(const Field& step) {
  UserInstruction user;
  ASSIGN_OR_RETURN(user.user, ReadNonEmptyWord(*step.Find("user")));
  return user;
}

struct Action {
  std::string name;
  std::vector<std::string> keys;  // with its own
  absl::StatusOr<InstructionBody> (*read)(const Field& step);
};

// Where a step has the keys of two, the first is meant if it takes the other's.
const std::vector<Action>& Actions() {
  static const auto* actions = new std::vector<Action>{
      {"run", KeyNames(RunKeys()), ReadRun}, {"copy", KeyNames(CopyKeys()), ReadCopy},
      {"add", KeyNames(AddKeys()), ReadAdd}, {"env", {"env"}, ReadEnv},
      {"workdir", {"workdir"}, ReadWorkdir}, {"user", {"user"}, ReadUser},
  };
  return *actions;
}

std::vector<std::string> ActionNames() {
  std::vector<std::string> names;
  for (const Action& action : Actions()) {
    names.push_back(action.name);
  }
  return names;
}

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The actions that take a key.
std::vector<std::string> TakersOf(const std::string& key) {
  std::vector<std::string> takers;
  for (const Action& action : Actions()) {
    if (Contains(action.keys, key)) {
      takers.push_back(action.name);
    }
  }
  return takers;
}

// That a key, which some step has, does not go with this action.
absl::Status Misplaced(const Field& entry, const Action& action) {
  const std::vector<std::string> takers = TakersOf(entry.key());
  if (Contains(ActionNames(), entry.key())) {
    return entry.ErrorAtKey(fmt::format(
        "a step does one thing, and this one has \"{}\" already; make it a step of its own",
        action.name));
  }
  if (entry.key() == "from" && action.name == "add") {
    return entry.ErrorAtKey(
        "\"add\" takes files from the build context, URLs and git repositories; use \"copy\" to "
        "take them from a stage or an image");
  }
  return entry.ErrorAtKey(fmt::format("\"{}\" does not go with \"{}\", but with {}", entry.key(),
                                      action.name, Join(takers, " and ")));
}

absl::StatusOr<const Action*> FindAction(const Field& step) {
  for (const Action& action : Actions()) {
    if (step.Find(action.name)) {
      return &action;
    }
  }
  ASSIGN_OR_RETURN(const std::vector<Field> entries, step.Entries());
  for (const Field& entry : entries) {
    if (TakersOf(entry.key()).empty()) {
      return UnknownKey(entry, ActionNames());
    }
  }
  return step.ErrorAtKey(fmt::format("a step does one of {}", Join(ActionNames(), ", ")));
}

}  // namespace

Instruction MakeInstruction(std::string_view keyword, InstructionBody body,
                            v1::SourceRange source) {
  Instruction instruction;
  instruction.body = std::move(body);
  instruction.keyword = keyword;
  instruction.keyword_text = keyword;
  instruction.text = DescribeInstruction(instruction.body);
  instruction.source = std::move(source);
  return instruction;
}

absl::StatusOr<Instruction> ReadStep(const Field& step) {
  if (!step.IsMap()) {
    return step.TypeError("a step, such as \"run: make\"");
  }
  ASSIGN_OR_RETURN(const Action* action, FindAction(step));
  ASSIGN_OR_RETURN(const std::vector<Field> entries, step.Entries());
  for (const Field& entry : entries) {
    if (!Contains(action->keys, entry.key())) {
      return TakersOf(entry.key()).empty() ? UnknownKey(entry, action->keys)
                                           : Misplaced(entry, *action);
    }
  }
  ASSIGN_OR_RETURN(InstructionBody body, action->read(step));
  return MakeInstruction(ToUpper(action->name), std::move(body), step.source());
}

std::vector<std::pair<std::string, std::vector<std::string>>> StepKeys() {
  std::vector<std::pair<std::string, std::vector<std::string>>> keys;
  for (const Action& action : Actions()) {
    keys.emplace_back(action.name, action.keys);
  }
  return keys;
}

}  // namespace zlayer
