#include "daemon/frontend/dockerfile/convert.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "backends/graph/image_config.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/lexer.h"
#include "daemon/frontend/dockerfile/stage_converter.h"
#include "daemon/frontend/dockerfile/stage_state.h"
#include "daemon/frontend/dockerfile/values.h"
#include "daemon/frontend/dockerfile/words.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

constexpr size_t kMaxStages = 1000;
constexpr size_t kMaxGraphBytes = 64 << 20;

constexpr std::string_view kPlatformParts[] = {"PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT"};

// A stage that the target needs.
struct NeededStage {
  std::string base;                  // expanded
  std::optional<size_t> base_stage;  // where the base is an earlier stage
  uint32_t graph_index = 0;
  StageState state;  // at its end, once it is converted
};

bool IsPlatformArgument(std::string_view name) {
  if (!name.starts_with("BUILD") && !name.starts_with("TARGET")) {
    return false;
  }
  name.remove_prefix(name.starts_with("BUILD") ? 5 : 6);
  return name == "STAGE" || std::find(std::begin(kPlatformParts), std::end(kPlatformParts), name) !=
                                std::end(kPlatformParts);
}

class Converter {
 public:
  Converter(const DockerfileRequest& request, ImageResolver& resolver, std::stop_token stop)
      : request_(request), resolver_(resolver), stop_(std::move(stop)) {}

  absl::StatusOr<DockerfileGraph> Convert();

 private:
  absl::Status Parse();
  absl::StatusOr<size_t> FindTarget() const;
  absl::Status SetGlobalArgs(size_t target);
  absl::StatusOr<std::string> ExpandGlobal(std::string_view word, const v1::SourceRange& source);
  // Marks the stages that the target needs.
  absl::Status Plan(size_t target);
  absl::Status PlanBase(size_t index);
  // The stage that COPY --from means; nullopt for an image.
  absl::StatusOr<std::optional<size_t>> CopyStage(const std::string& from, size_t index) const;

  absl::Status ConvertStage(size_t index);
  absl::StatusOr<v1::Operation> ConvertBase(size_t index, StageState* state);
  absl::StatusOr<v1::Operation> ConvertImageBase(size_t index, StageState* state);
  absl::StatusOr<v1::Input> ResolveFrom(const std::string& from, size_t index);
  absl::StatusOr<const ResolvedImage*> ResolveImage(const std::string& reference);
  absl::Status CheckSize(const StageState& state, const v1::Operation& operation);
  void AddRequestLabels(v1::Stage* stage) const;
  void WarnUnusedBuildArgs();

  std::string StageLabel(size_t index) const {
    const std::string& name = file_.stages[index].base().name;
    return name.empty() ? std::to_string(index) : name;
  }
  absl::Status Located(absl::Status status, const Instruction& instruction, size_t index) const;

  const DockerfileRequest& request_;
  ImageResolver& resolver_;
  std::stop_token stop_;

  DockerfileInstructions file_;
  char escape_ = '\\';
  std::map<std::string, size_t, std::less<>> stages_by_name_;
  Variables global_args_;
  std::vector<std::optional<NeededStage>> needed_;  // by stage of the file
  std::map<std::string, ResolvedImage> images_;     // by the reference as written
  size_t bytes_ = 0;
  DockerfileGraph result_;
};

absl::Status Converter::Located(absl::Status status, const Instruction& instruction,
                                size_t index) const {
  v1::ErrorDetail detail;
  detail.set_instruction(instruction.text);
  detail.set_stage(StageLabel(index));
  return WithDetail(AtSource(std::move(status), instruction.source), detail);
}

absl::Status Converter::Parse() {
  if (const size_t nul = request_.text.find('\0'); nul != std::string::npos) {
    v1::SourceRange source;
    source.set_file(request_.name);
    source.set_first_line(static_cast<uint32_t>(
        1 + std::count(request_.text.begin(),
                       request_.text.begin() + static_cast<std::ptrdiff_t>(nul), '\n')));
    return AtSource(InvalidArgument("the file contains a NUL byte; it is not a text"), source);
  }
  ASSIGN_OR_RETURN(const LexedDockerfile lexed, LexDockerfile(request_.text, request_.name));
  escape_ = lexed.escape;
  for (const DockerfileLexWarning& warning : lexed.warnings) {
    v1::SourceRange source;
    source.set_file(request_.name);
    source.set_first_line(warning.first_line);
    source.set_last_line(warning.last_line);
    AddWarning(warning.rule, warning.message, source, &result_.warnings);
  }
  ASSIGN_OR_RETURN(file_, ParseInstructions(lexed, request_.name));
  for (size_t i = 0; i < file_.stages.size(); ++i) {
    if (const std::string& name = file_.stages[i].base().name; !name.empty()) {
      stages_by_name_[name] = i;
    }
  }
  needed_.resize(file_.stages.size());
  return absl::OkStatus();
}

absl::StatusOr<size_t> Converter::FindTarget() const {
  const std::string& target = request_.target;
  if (target.empty()) {
    return file_.stages.size() - 1;
  }
  if (const auto at = stages_by_name_.find(ToLower(target)); at != stages_by_name_.end()) {
    return at->second;
  }
  if (const auto number = ParseUint(target); number && *number < file_.stages.size()) {
    return *number;
  }
  std::vector<std::string> names;
  for (const auto& entry : stages_by_name_) {
    names.push_back(entry.first);
  }
  const std::string known =
      names.empty() ? "none of its stages has a name" : "its stages are " + Join(names, ", ");
  return InvalidArgument(fmt::format("{} has no stage {} to build: {} (or a number below {}){}",
                                     request_.name, GoQuote(target), known, file_.stages.size(),
                                     Suggestion(target, names)));
}

absl::Status Converter::SetGlobalArgs(size_t target) {
  const v1::Platform platform = CanonicalPlatform(request_.platform);
  const std::string values[] = {FormatPlatform(platform), platform.os(), platform.os_version(),
                                platform.architecture(), platform.variant()};
  const auto set = [this](const std::string& name, const std::string& value) {
    const auto given = request_.build_args.find(name);
    global_args_.Set(name, given == request_.build_args.end() ? value : given->second);
  };
  for (const char* prefix : {"BUILD", "TARGET"}) {
    for (size_t i = 0; i < std::size(kPlatformParts); ++i) {
      set(prefix + std::string(kPlatformParts[i]), values[i]);
    }
  }
  const std::string& stage = file_.stages[target].base().name;
  set("TARGETSTAGE", stage.empty() ? "default" : stage);
  for (const Instruction& instruction : file_.global_args) {
    for (const auto& argument : std::get<ArgInstruction>(instruction.body).arguments) {
      if (const auto given = request_.build_args.find(argument.name);
          given != request_.build_args.end()) {
        global_args_.Set(argument.name, given->second);
      } else if (argument.value) {
        ASSIGN_OR_RETURN(const std::string value,
                         ExpandGlobal(*argument.value, instruction.source));
        global_args_.Set(argument.name, value);
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Converter::ExpandGlobal(std::string_view word,
                                                    const v1::SourceRange& source) {
  WordOptions options;
  options.escape = escape_;
  const auto lookup = [this](std::string_view name) { return global_args_.Get(name); };
  absl::StatusOr<ExpandedWord> expanded = ExpandWord(word, lookup, options);
  if (!expanded.ok()) {
    return AtSource(std::move(expanded).status(), source);
  }
  bytes_ += expanded->text.size();
  if (bytes_ > kMaxGraphBytes) {
    return AtSource(InvalidArgument("the arguments before FROM expand to more than 64 MiB"),
                    source);
  }
  return std::move(expanded->text);
}

absl::StatusOr<std::optional<size_t>> Converter::CopyStage(const std::string& from,
                                                           size_t index) const {
  if (request_.contexts.contains(from)) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const ExpandedWord expanded,
                   ExpandWord(from, [](std::string_view) { return std::nullopt; }));
  if (expanded.text != from) {
    return InvalidArgument(
        "variables are not expanded in --from; name a stage instead: FROM $IMAGE AS name, with an "
        "ARG before the first FROM");
  }
  std::optional<size_t> stage;
  if (const auto number = ParseUint(from)) {
    if (*number >= file_.stages.size()) {
      return InvalidArgument(
          fmt::format("--from={} is not a stage: there are {}", from, file_.stages.size()));
    }
    stage = *number;
  } else if (const auto at = stages_by_name_.find(ToLower(from)); at != stages_by_name_.end()) {
    stage = at->second;
  }
  if (stage && *stage >= index) {
    return InvalidArgument(
        fmt::format("--from={} is {}; files can be copied only from an earlier stage", from,
                    *stage == index ? "the stage itself" : "a later stage"));
  }
  return stage;
}

absl::Status Converter::PlanBase(size_t index) {
  const Instruction& from = file_.stages[index].from;
  const FromInstruction& base = file_.stages[index].base();
  NeededStage& needed = *needed_[index];
  ASSIGN_OR_RETURN(needed.base, ExpandGlobal(base.base, from.source));
  if (needed.base.empty()) {
    return InvalidArgument(
        fmt::format("the base {} is empty; an ARG before the first FROM, with a "
                    "value, can set it",
                    GoQuote(base.base)));
  }
  if (const auto at = stages_by_name_.find(ToLower(needed.base));
      at != stages_by_name_.end() && at->second < index) {
    needed.base_stage = at->second;
  }
  if (base.platform.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::string text, ExpandGlobal(base.platform, from.source));
  ASSIGN_OR_RETURN(const v1::Platform platform, ParsePlatform(text, request_.platform));
  if (!PlatformMatches(platform, request_.platform)) {
    return Unimplemented(
        fmt::format("FROM --platform={} in a build for {} is not supported by this version",
                    FormatPlatform(platform), FormatPlatform(request_.platform)));
  }
  return absl::OkStatus();
}

absl::Status Converter::Plan(size_t target) {
  needed_[target].emplace();
  size_t count = 0;
  // A stage needs only earlier ones, so one pass finds all.
  for (size_t index = target + 1; index-- > 0;) {
    if (!needed_[index]) {
      continue;
    }
    if (++count > kMaxStages) {
      return InvalidArgument(fmt::format("the target needs more than {} stages", kMaxStages));
    }
    const DockerfileStage& stage = file_.stages[index];
    if (absl::Status status = PlanBase(index); !status.ok()) {
      return Located(std::move(status), stage.from, index);
    }
    if (needed_[index]->base_stage && !needed_[*needed_[index]->base_stage]) {
      needed_[*needed_[index]->base_stage].emplace();
    }
    for (const Instruction& instruction : stage.instructions) {
      const auto* copy = std::get_if<CopyInstruction>(&instruction.body);
      if (copy == nullptr || copy->from.empty()) {
        continue;
      }
      const auto source = CopyStage(copy->from, index);
      if (!source.ok()) {
        return Located(source.status(), instruction, index);
      }
      if (source->has_value() && !needed_[**source]) {
        needed_[**source].emplace();
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<const ResolvedImage*> Converter::ResolveImage(const std::string& reference) {
  auto at = images_.find(reference);
  if (at == images_.end()) {
    if (!IsUtf8(reference)) {
      return InvalidArgument(fmt::format("{} is not an image's name", GoQuote(reference)));
    }
    ASSIGN_OR_RETURN(ResolvedImage image, resolver_.Resolve(reference, request_.platform, stop_));
    at = images_.emplace(reference, std::move(image)).first;
  }
  return &at->second;
}

absl::StatusOr<v1::Input> Converter::ResolveFrom(const std::string& from, size_t index) {
  v1::Input input;
  if (request_.contexts.contains(from)) {
    input.set_context(from);
    return input;
  }
  ASSIGN_OR_RETURN(const std::optional<size_t> stage, CopyStage(from, index));
  if (stage) {
    input.set_stage(needed_[*stage]->graph_index);
    return input;
  }
  if (ToLower(from) == "scratch") {
    return InvalidArgument("--from=scratch has no files to copy");
  }
  ASSIGN_OR_RETURN(const ResolvedImage* image, ResolveImage(from));
  input.mutable_image()->set_reference(image->reference);
  input.mutable_image()->set_digest(image->digest);
  return input;
}

absl::StatusOr<v1::Operation> Converter::ConvertImageBase(size_t index, StageState* state) {
  v1::Operation operation;
  ASSIGN_OR_RETURN(const ResolvedImage* image, ResolveImage(needed_[index]->base));
  if (image->config.on_build_size() > 0) {
    return Unimplemented(fmt::format(
        "the image {} has ONBUILD triggers ({}), which are not supported by this version",
        image->reference,
        Join({image->config.on_build().begin(), image->config.on_build().end()}, "; ")));
  }
  operation.mutable_image()->set_reference(image->reference);
  operation.mutable_image()->set_digest(image->digest);
  *state = StageState::FromConfig(image->config);
  return operation;
}

// The base operation, and the state that it leads to. PATH is always set, as BuildKit does.
absl::StatusOr<v1::Operation> Converter::ConvertBase(size_t index, StageState* state) {
  const NeededStage& needed = *needed_[index];
  v1::Operation operation;
  if (needed.base_stage) {
    const NeededStage& base = *needed_[*needed.base_stage];
    operation.mutable_stage()->set_stage(base.graph_index);
    bytes_ += base.state.bytes;
    *state = base.state;
    state->command_is_own = false;
  } else if (needed.base == "scratch") {
    operation.mutable_scratch();
  } else {
    ASSIGN_OR_RETURN(operation, ConvertImageBase(index, state));
  }
  if (!state->variables.Get("PATH")) {
    v1::Environment* path = operation.add_config()->mutable_set_env();
    path->set_key("PATH");
    path->set_value(std::string(kDefaultPath));
  }
  if (operation.has_scratch()) {
    operation.add_config()->set_set_working_dir("/");
  }
  for (const v1::ConfigChange& change : operation.config()) {
    state->Apply(change);
  }
  Describe(file_.stages[index].from, "", &operation);
  return operation;
}

absl::Status Converter::CheckSize(const StageState& state, const v1::Operation& operation) {
  bytes_ += operation.ByteSizeLong();
  if (state.bytes > kMaxStageBytes) {
    return InvalidArgument(
        "the instructions of this stage and its bases expand to more than 4 MiB");
  }
  if (bytes_ > kMaxGraphBytes) {
    return InvalidArgument("the build expands to more than 64 MiB of operations");
  }
  return stop_.stop_requested() ? Cancelled("reading the Dockerfile was canceled")
                                : absl::OkStatus();
}

absl::Status Converter::ConvertStage(size_t index) {
  const DockerfileStage& source = file_.stages[index];
  NeededStage& needed = *needed_[index];
  needed.graph_index = static_cast<uint32_t>(result_.graph.stages_size());
  v1::Stage* stage = result_.graph.add_stages();
  stage->set_name(source.base().name);
  stage->set_base_text(ToUtf8(needed.base));
  *stage->mutable_platform() = request_.platform;

  StageState& state = needed.state;
  absl::StatusOr<v1::Operation> base = ConvertBase(index, &state);
  absl::Status status = base.ok() ? CheckSize(state, *base) : base.status();
  if (!status.ok()) {
    return Located(std::move(status), source.from, index);
  }
  *stage->add_operations() = *std::move(base);

  ConvertScope scope;
  scope.escape = escape_;
  scope.build_args = &request_.build_args;
  scope.global_args = &global_args_;
  scope.resolve_from = [this, index](const std::string& from) { return ResolveFrom(from, index); };
  scope.warnings = &result_.warnings;
  StageConverter converter(scope, &state);
  for (const Instruction& instruction : source.instructions) {
    absl::StatusOr<v1::Operation> operation = converter.Convert(instruction);
    status = operation.ok() ? CheckSize(state, *operation) : operation.status();
    if (!status.ok()) {
      return Located(std::move(status), instruction, index);
    }
    *stage->add_operations() = *std::move(operation);
  }
  return absl::OkStatus();
}

void Converter::AddRequestLabels(v1::Stage* stage) const {
  if (request_.labels.empty()) {
    return;
  }
  v1::Operation* operation = stage->add_operations();
  operation->set_text("LABEL (of the request)");
  for (const auto& [key, value] : request_.labels) {
    v1::KeyValue* label = operation->add_config()->mutable_set_label();
    label->set_key(key);
    label->set_value(value);
  }
}

void Converter::WarnUnusedBuildArgs() {
  std::set<std::string> declared;
  const auto declare = [&declared](const Instruction& instruction) {
    if (const auto* arg = std::get_if<ArgInstruction>(&instruction.body)) {
      for (const ArgInstruction::Argument& argument : arg->arguments) {
        declared.insert(argument.name);
      }
    }
  };
  std::for_each(file_.global_args.begin(), file_.global_args.end(), declare);
  for (const DockerfileStage& stage : file_.stages) {
    std::for_each(stage.instructions.begin(), stage.instructions.end(), declare);
  }
  for (const auto& entry : request_.build_args) {
    const std::string& name = entry.first;
    if (!declared.contains(name) && !IsProxyArgument(name) && !IsPlatformArgument(name)) {
      AddWarning("UnusedBuildArg",
                 fmt::format("the build argument {} is not used: no ARG declares it", name), {},
                 &result_.warnings);
    }
  }
}

absl::StatusOr<DockerfileGraph> Converter::Convert() {
  RETURN_IF_ERROR(Parse());
  ASSIGN_OR_RETURN(const size_t target, FindTarget());
  RETURN_IF_ERROR(SetGlobalArgs(target));
  RETURN_IF_ERROR(Plan(target));
  for (size_t index = 0; index <= target; ++index) {
    if (needed_[index]) {
      RETURN_IF_ERROR(ConvertStage(index));
    }
  }
  AddRequestLabels(result_.graph.mutable_stages(result_.graph.stages_size() - 1));
  result_.graph.add_targets(needed_[target]->graph_index);
  WarnUnusedBuildArgs();
  return std::move(result_);
}

}  // namespace

absl::StatusOr<DockerfileGraph> ConvertDockerfile(const DockerfileRequest& request,
                                                  ImageResolver& resolver, std::stop_token stop) {
  return Converter(request, resolver, std::move(stop)).Convert();
}

}  // namespace zlayer
