#include "daemon/frontend/zimagefile/zimagefile.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/values.h"
#include "daemon/frontend/yaml/key_table.h"
#include "daemon/frontend/yaml/yaml_tree.h"
#include "daemon/frontend/zimagefile/dockerfile_words.h"
#include "daemon/frontend/zimagefile/healthcheck.h"
#include "daemon/frontend/zimagefile/keys.h"
#include "daemon/frontend/zimagefile/run_step.h"
#include "daemon/frontend/zimagefile/stage_section.h"
#include "daemon/frontend/zimagefile/step.h"
#include "daemon/frontend/zimagefile/wasm_section.h"

namespace zlayer {
namespace {

// As a graph and a Dockerfile have them at most.
constexpr size_t kMaxStages = 1000;
constexpr size_t kMaxInstructions = 10'000;

// The keys of which a file has exactly one: what is built.
constexpr std::string_view kModes[] = {"runtime", "wasm", "stages", "base", "build"};
// The keys that a WebAssembly artifact has a use for.
constexpr std::string_view kWasmKeys[] = {"version",  "runtime", "wasm",       "labels",
                                          "platform", "os",      "annotations"};

template <size_t n>
bool Contains(const std::string_view (&names)[n], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

struct FileSection : StageContent {
  std::string runtime;
  std::string base;
  std::optional<NestedBuild> build;
  std::optional<WasmSection> wasm;
  std::vector<DockerfileStage> stages;
  std::map<std::string, NestedBuild> builds;  // of the stages
  PlatformKeys platform;
  std::vector<NameValue> annotations;
};

absl::Status ReadVersion(const Field& value, FileSection*) {
  ASSIGN_OR_RETURN(const std::string version, value.Text());
  return version == "1" ? absl::OkStatus()
                        : value.Error(fmt::format("the version of the language is \"1\", not {}",
                                                  GoQuote(CutUtf8(version, 64))));
}

absl::Status ReadRuntime(const Field& value, FileSection* file) {
  ASSIGN_OR_RETURN(file->runtime, ReadLiteral(value));
  if (file->runtime.empty()) {
    return value.Error("is empty; it names a template, such as node22");
  }
  return absl::OkStatus();
}

absl::Status ReadFileBase(const Field& value, FileSection* file) {
  ASSIGN_OR_RETURN(file->base, ReadBase(value));
  return absl::OkStatus();
}

absl::Status ReadFileBuild(const Field& value, FileSection* file) {
  ASSIGN_OR_RETURN(file->build, ReadBuild(value));
  return absl::OkStatus();
}

absl::Status ReadPlatform(const Field& value, FileSection* file) {
  ASSIGN_OR_RETURN(file->platform.platform, ReadLiteral(value));
  return value.Located(ParsePlatform(file->platform.platform, {}).status());
}

absl::Status ReadFileOs(const Field& value, FileSection* file) {
  return ReadOs(value, &file->platform.os);
}

absl::Status ReadWasm(const Field& value, FileSection* file) {
  ASSIGN_OR_RETURN(file->wasm, ReadWasmSection(value));
  return absl::OkStatus();
}

// As a Dockerfile has it, in any case.
absl::Status CheckStageName(const Field& stage) {
  const std::string name = ToLower(stage.key());
  const bool valid =
      !name.empty() && name[0] >= 'a' && name[0] <= 'z' &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string::npos;
  if (!valid) {
    return stage.ErrorAtKey(
        "a stage's name begins with a letter and has letters, digits, \"-\", \"_\" and \".\"");
  }
  return name == "scratch" ? stage.ErrorAtKey("\"scratch\" means an empty base, and no stage")
                           : absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> StageNames(const std::vector<Field>& stages) {
  std::vector<std::string> names;
  std::set<std::string> known;
  for (const Field& stage : stages) {
    RETURN_IF_ERROR(CheckStageName(stage));
    names.push_back(ToLower(stage.key()));
    if (!known.insert(names.back()).second) {
      return stage.ErrorAtKey("another stage has the same name, but for its case");
    }
  }
  return names;
}

absl::Status ReadStages(const Field& value, FileSection* file) {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, value.Entries());
  if (entries.empty()) {
    return value.ErrorAtKey("there is no stage");
  }
  if (entries.size() > kMaxStages) {
    return value.ErrorAtKey(fmt::format("there are more than {} stages", kMaxStages));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> names, StageNames(entries));
  for (size_t i = 0; i < entries.size(); ++i) {
    ASSIGN_OR_RETURN(const StageSection stage, ReadStage(entries[i], names, i));
    DockerfileStage& out = file->stages.emplace_back();
    out.from = MakeFrom(stage, names[i]);
    out.instructions = stage.args;
    const std::vector<Instruction> instructions = stage.Instructions();
    out.instructions.insert(out.instructions.end(), instructions.begin(), instructions.end());
    if (stage.build) {
      file->builds[NestedBuildBase(names[i])] = *stage.build;
    }
  }
  return absl::OkStatus();
}

const KeyTable<FileSection>& Keys() {
  static const auto* keys = [] {
    auto* table = new KeyTable<FileSection>{
        {"version", ReadVersion},
        {"runtime", ReadRuntime},
        {"base", ReadFileBase},
        {"build", ReadFileBuild},
        {"stages", ReadStages},
        {"wasm", ReadWasm},
        {"platform", ReadPlatform},
        {"os", ReadFileOs},
        {"annotations", Into<&FileSection::annotations, ReadLiteralPairs, FileSection>}};
    for (const Key<StageContent>& key : StageContentKeys()) {
      table->push_back({key.name, key.read});
    }
    return table;
  }();
  return *keys;
}

// Which of the modes the file is in.
absl::StatusOr<std::string> FindMode(const Field& root) {
  std::vector<std::string> modes;
  std::optional<Field> last;
  ASSIGN_OR_RETURN(const std::vector<Field> entries, root.Entries());
  for (const Field& entry : entries) {
    if (Contains(kModes, entry.key())) {
      modes.push_back(entry.key());
      last = entry;
    }
  }
  if (modes.empty()) {
    return root.Error(
        "nothing says what to build: one of \"runtime\", \"wasm\", \"stages\", \"base\" and "
        "\"build\" does");
  }
  if (modes.size() > 1) {
    return last->ErrorAtKey(fmt::format(
        "a file has one of \"runtime\", \"wasm\", \"stages\", \"base\" and \"build\", and this one "
        "has {}",
        Join(modes, ", ")));
  }
  return modes[0];
}

// Keys that would have no effect are errors.
absl::Status CheckKeysOfMode(const Field& root, const std::string& mode) {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, root.Entries());
  for (const Field& entry : entries) {
    if (mode == "stages" && entry.key() == "steps") {
      return entry.ErrorAtKey("in a file with stages each step is one of a stage");
    }
    if (mode == "wasm" && !Contains(kWasmKeys, entry.key())) {
      return entry.ErrorAtKey("a WebAssembly artifact has no such thing");
    }
  }
  return absl::OkStatus();
}

std::string ArgumentName(const Instruction& arg) {
  return std::get<ArgInstruction>(arg.body).arguments[0].name;
}

// The arguments without their defaults: in a stage they have the values that FROM sees.
std::vector<Instruction> Declarations(const std::vector<Instruction>& args) {
  std::vector<Instruction> declarations;
  for (const Instruction& arg : args) {
    ArgInstruction declaration;
    declaration.arguments.push_back({ArgumentName(arg), std::nullopt});
    declarations.push_back(MakeInstruction("ARG", std::move(declaration), arg.source));
  }
  return declarations;
}

// Declares the file's arguments at the start of a stage, but for those that it declares itself.
void Declare(const std::vector<Instruction>& args, DockerfileStage* stage) {
  std::set<std::string> own;
  for (const Instruction& instruction : stage->instructions) {
    if (const auto* arg = std::get_if<ArgInstruction>(&instruction.body)) {
      for (const ArgInstruction::Argument& argument : arg->arguments) {
        own.insert(argument.name);
      }
    }
  }
  std::vector<Instruction> declarations = Declarations(args);
  std::erase_if(declarations,
                [&own](const Instruction& arg) { return own.contains(ArgumentName(arg)); });
  stage->instructions.insert(stage->instructions.begin(), declarations.begin(), declarations.end());
}

// What the file comes to; of one with stages each has the file's arguments.
absl::Status CheckSize(const Field& root, const FileSection& file) {
  size_t count = file.Instructions().size() + file.args.size() * (file.stages.size() + 2);
  for (const DockerfileStage& stage : file.stages) {
    count += stage.instructions.size();
  }
  return count <= kMaxInstructions
             ? absl::OkStatus()
             : root.Error(
                   fmt::format("the file comes to more than {} instructions; arguments count "
                               "for each stage",
                               kMaxInstructions));
}

// The image of `base`, `build` or `stages`: what else the file says is the last stage's.
DockerfileInstructions MakeImage(const Field& root, FileSection* file,
                                 std::map<std::string, NestedBuild>* builds) {
  DockerfileInstructions image;
  image.stages = std::move(file->stages);
  *builds = std::move(file->builds);
  if (image.stages.empty()) {
    StageSection stage;
    stage.base = file->base;
    stage.build = file->build;
    stage.base_source = root.Find(file->build ? "build" : "base")->source();
    image.stages.emplace_back().from = MakeFrom(stage, "");
    if (file->build) {
      (*builds)[NestedBuildBase("")] = *std::move(file->build);
    }
  }
  const std::vector<Instruction> rest = file->Instructions();
  std::vector<Instruction>& last = image.stages.back().instructions;
  last.insert(last.end(), rest.begin(), rest.end());
  for (DockerfileStage& stage : image.stages) {
    Declare(file->args, &stage);
  }
  image.global_args = std::move(file->args);
  return image;
}

// Gives an argument of the template the file's default; one that it does not have is added.
void SetDefault(const Instruction& arg, std::vector<Instruction>* globals) {
  const ArgInstruction::Argument& argument = std::get<ArgInstruction>(arg.body).arguments[0];
  for (Instruction& global : *globals) {
    for (ArgInstruction::Argument& known : std::get<ArgInstruction>(global.body).arguments) {
      if (known.name == argument.name) {
        known.value = argument.value;
        return;
      }
    }
  }
  globals->push_back(arg);
}

// Whether an instruction of the template has no effect behind what the file adds: of those only
// the last one counts, and a CMD was made for its own ENTRYPOINT.
bool IsReplaced(const Instruction& instruction, const std::set<std::string>& added) {
  const std::string& keyword = instruction.keyword;
  const bool single = keyword == "CMD" || keyword == "ENTRYPOINT" || keyword == "HEALTHCHECK";
  return (single && added.contains(keyword)) || (keyword == "CMD" && added.contains("ENTRYPOINT"));
}

}  // namespace

std::string NestedBuildBase(std::string_view name) {
  return name.empty() ? "build:" : fmt::format("build: {}", name);
}

absl::StatusOr<ZImagefile> ParseZImagefile(std::string_view text, std::string_view name) {
  const YamlFile yaml{std::string(name), "ZIMAGEFILE_PARSE", "ZIMAGEFILE_VALIDATION"};
  ASSIGN_OR_RETURN(const YamlNode tree, ParseYaml(text, yaml));
  const Field root(tree, yaml);
  if (!root.IsMap()) {
    return root.TypeError("a map of keys to values");
  }
  FileSection file;
  RETURN_IF_ERROR(ReadMap(root, Keys(), &file));
  ASSIGN_OR_RETURN(std::string mode, FindMode(root));
  if (mode == "runtime") {
    file.wasm = WasmRuntime(file.runtime);
    mode = file.wasm ? "wasm" : mode;
  }
  RETURN_IF_ERROR(CheckKeysOfMode(root, mode));
  RETURN_IF_ERROR(CheckSize(root, file));

  ZImagefile result;
  result.platform = file.platform.Combined();
  result.os = file.platform.os;
  result.annotations = std::move(file.annotations);
  if (mode == "wasm") {
    result.wasm = std::move(file.wasm);
    result.wasm->source = root.Find(file.runtime.empty() ? "wasm" : "runtime")->source();
    if (const std::optional<Field> labels = root.Find("labels")) {
      ASSIGN_OR_RETURN(result.wasm->labels, ReadLiteralPairs(*labels));
    }
  } else if (mode == "runtime") {
    result.runtime =
        RuntimeUse{file.runtime, file.args, file.Instructions(), root.Find("runtime")->source()};
  } else {
    result.image = MakeImage(root, &file, &result.builds);
  }
  return result;
}

void ApplyToTemplate(const RuntimeUse& use, DockerfileInstructions* file) {
  DockerfileStage& last = file->stages.back();
  Declare(use.args, &last);
  for (const Instruction& arg : use.args) {
    SetDefault(arg, &file->global_args);
  }
  std::set<std::string> added;
  for (const Instruction& instruction : use.instructions) {
    added.insert(instruction.keyword);
  }
  std::erase_if(last.instructions,
                [&added](const Instruction& known) { return IsReplaced(known, added); });
  last.instructions.insert(last.instructions.end(), use.instructions.begin(),
                           use.instructions.end());
}

std::map<std::string, std::vector<std::string>> ZImagefileKeys() {
  std::map<std::string, std::vector<std::string>> keys = {{"file", KeyNames(Keys())},
                                                          {"stage", StageKeys()},
                                                          {"build", BuildKeys()},
                                                          {"healthcheck", HealthcheckKeys()},
                                                          {"wasm", WasmKeys()}};
  for (const auto& [action, names] : StepKeys()) {
    keys["step." + action] = names;
  }
  for (const auto& [kind, names] : MountKeys()) {
    keys["mount." + kind] = names;
  }
  return keys;
}

}  // namespace zlayer
