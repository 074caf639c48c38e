#include "daemon/frontend/dockerfile/convert.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include "backends/graph/image_config.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "daemon/frontend/dockerfile/base_platform.h"
#include "daemon/frontend/dockerfile/check_bases.h"
#include "daemon/frontend/dockerfile/check_options.h"
#include "daemon/frontend/dockerfile/check_stage.h"
#include "daemon/frontend/dockerfile/check_text.h"
#include "daemon/frontend/dockerfile/directive.h"
#include "daemon/frontend/dockerfile/findings.h"
#include "daemon/frontend/dockerfile/forgiving_resolver.h"
#include "daemon/frontend/dockerfile/global_args.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/lexer.h"
#include "daemon/frontend/dockerfile/named_contexts.h"
#include "daemon/frontend/dockerfile/outline.h"
#include "daemon/frontend/dockerfile/stage_converter.h"
#include "daemon/frontend/dockerfile/stage_plan.h"
#include "daemon/frontend/dockerfile/stage_state.h"
#include "daemon/frontend/dockerfile/values.h"
#include "daemon/frontend/dockerfile/windows_base.h"
#include "daemon/frontend/dockerfile/windows_path.h"
#include "daemon/frontend/dockerfile/words.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

constexpr size_t kMaxGraphBytes = 64 << 20;
constexpr size_t kMaxHostname = 64;
// An examination does not go on behind more.
constexpr size_t kMaxErrors = 20;

constexpr char kCheckArgument[] = "BUILDKIT_DOCKERFILE_CHECK";

// A stage that is converted.
struct ConvertedStage {
  uint32_t graph_index = 0;
  StageState state;             // at its end
  v1::Platform platform;        // what its commands run on
  v1::Platform image_platform;  // what its base image says
  std::string base_image;       // that it begins with, maybe over other stages; empty for scratch
};

// What a file is that does not read, before anything in it is carried out.
absl::Status Unreadable(absl::Status status) {
  if (!absl::IsInvalidArgument(status) || !DetailOf(status).reason().empty()) {
    return status;
  }
  v1::ErrorDetail detail;
  detail.set_reason("DOCKERFILE_PARSE");
  return WithDetail(std::move(status), detail);
}

std::optional<size_t> BaseStage(const PlannedStage& plan) {
  return plan.base.kind == FilesOf::Kind::kStage ? std::make_optional(plan.base.stage)
                                                 : std::nullopt;
}

class Converter {
 public:
  // An examination resolves with `forgiving`.
  Converter(const ConvertRequest& request, ImageResolver& resolver, v1::Graph* graph,
            std::stop_token stop)
      : request_(request),
        contexts_(request.contexts),
        images_(resolver, request.nested, stop),
        stop_(std::move(stop)),
        graph_(*graph),
        checks_(request.ignore ? &*request.ignore : nullptr, IsDockerfile(), &findings_) {}

  absl::StatusOr<ConvertedFile> Convert();
  // `forgiving` is what the converter resolves with.
  FileExamination Examine(const ForgivingResolver& forgiving);

 private:
  bool IsDockerfile() const { return !request_.instructions.has_value(); }
  // Up to where it is known which stages the target needs.
  absl::Status Read();
  absl::Status Parse();
  absl::Status ConfigureChecks(const LexedDockerfile& lexed);
  std::optional<SyntaxDirective> ForeignFrontend() const;
  v1::SourceRange Lines(uint32_t first, uint32_t last) const;
  absl::Status CheckRequest() const;
  absl::StatusOr<size_t> FindTarget() const;
  absl::StatusOr<Variables> GlobalArgs(const std::map<std::string, std::string>& build_args);
  absl::StatusOr<std::string> ExpandGlobal(std::string_view word, const Variables& variables,
                                           const v1::SourceRange& source);

  void AddDownloads();
  absl::Status ConvertForExamination();
  absl::Status ConvertStage(size_t index);
  absl::Status ConvertInstructions(const std::vector<Instruction>& instructions, size_t index,
                                   StageConverter* converter, v1::Stage* stage);
  absl::StatusOr<v1::Operation> ConvertBase(size_t index, ConvertedStage* converted);
  absl::Status ConvertBaseImage(size_t index, ConvertedStage* converted);
  v1::Input InputOf(const NamedContext& context) const;
  absl::StatusOr<v1::Input> ResolveFrom(const std::string& from, size_t index);
  absl::StatusOr<const ResolvedImage*> ResolveImage(const std::string& reference,
                                                    const v1::Platform& platform);
  // The status, or OK where it is kept for later and the examination goes on.
  absl::Status Refuse(absl::Status status);
  absl::Status CheckSize(const StageState& state, const v1::Operation& operation);
  absl::Status SetImagePlatform(const ConvertedStage& target, v1::Stage* stage) const;
  void AddRequestLabels(v1::Stage* stage) const;
  v1::ImageConfig TargetConfig() const;
  void WarnUnusedBuildArgs();

  const ConvertRequest& request_;
  const NamedContexts contexts_;
  BaseImages images_;
  std::stop_token stop_;
  v1::Graph& graph_;
  const ForgivingResolver* forgiving_ = nullptr;  // in an examination

  Findings findings_;
  StageChecks checks_;
  OutlineBuilder outline_;
  absl::Status refused_;  // in an examination: the first error
  size_t errors_ = 0;

  DockerfileInstructions file_;
  char escape_ = '\\';
  size_t target_ = 0;
  Variables global_args_;
  std::optional<StagePlan> plan_;
  std::map<size_t, ConvertedStage> converted_;              // by stage of the file
  std::map<std::string, uint32_t, std::less<>> downloads_;  // stages of the graph, by context
  size_t bytes_ = 0;
  ConvertedFile result_;
};

v1::SourceRange Converter::Lines(uint32_t first, uint32_t last) const {
  v1::SourceRange source;
  source.set_file(request_.name);
  source.set_first_line(first);
  source.set_last_line(last);
  return source;
}

// What the file, or a build argument, asks for where that is not the Dockerfile language.
std::optional<SyntaxDirective> Converter::ForeignFrontend() const {
  std::optional<SyntaxDirective> syntax = DetectSyntax(request_.text);
  if (const auto given = request_.build_args.find("BUILDKIT_SYNTAX");
      given != request_.build_args.end()) {
    syntax = SyntaxDirective{given->second, 0};
  }
  return syntax && !IsDockerfileFrontend(syntax->frontend) ? syntax : std::nullopt;
}

absl::Status Converter::Parse() {
  if (!IsDockerfile()) {
    file_ = *request_.instructions;
    return absl::OkStatus();
  }
  if (const size_t nul = request_.text.find('\0'); nul != std::string::npos) {
    const auto line = static_cast<uint32_t>(
        1 + std::count(request_.text.begin(),
                       request_.text.begin() + static_cast<std::ptrdiff_t>(nul), '\n'));
    return AtSource(InvalidArgument("the file contains a NUL byte; it is not a text"),
                    Lines(line, line));
  }
  ASSIGN_OR_RETURN(const LexedDockerfile lexed, LexDockerfile(request_.text, request_.name));
  escape_ = lexed.escape;
  RETURN_IF_ERROR(ConfigureChecks(lexed));
  CheckText(lexed, request_.name, &findings_);
  ASSIGN_OR_RETURN(file_, ParseInstructions(lexed, request_.name));
  return absl::OkStatus();
}

// The build argument wins over the directive.
absl::Status Converter::ConfigureChecks(const LexedDockerfile& lexed) {
  const auto directive =
      std::find_if(lexed.directives.begin(), lexed.directives.end(),
                   [](const DockerfileDirective& found) { return found.name == "check"; });
  const auto given = request_.build_args.find(kCheckArgument);
  const bool is_given = given != request_.build_args.end();
  if (!is_given && directive == lexed.directives.end()) {
    return absl::OkStatus();
  }
  absl::StatusOr<CheckOptions> options =
      ParseCheckOptions(is_given ? given->second : directive->value);
  if (!options.ok()) {
    return is_given ? Annotate(options.status(), fmt::format("the build argument {}", given->first))
                    : AtSource(options.status(), Lines(directive->line, directive->line));
  }
  findings_.Configure(*std::move(options));
  return absl::OkStatus();
}

absl::Status Converter::CheckRequest() const {
  const auto hostname = request_.build_args.find("BUILDKIT_SANDBOX_HOSTNAME");
  if (hostname != request_.build_args.end() && hostname->second.size() > kMaxHostname) {
    return InvalidArgument(fmt::format(
        "the build argument BUILDKIT_SANDBOX_HOSTNAME is longer than {} bytes", kMaxHostname));
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> Converter::FindTarget() const {
  const std::string& target = request_.target;
  if (target.empty()) {
    return file_.stages.size() - 1;
  }
  if (const std::optional<size_t> stage = plan_->FindStage(target)) {
    return *stage;
  }
  const std::vector<std::string> names = plan_->Names();
  const std::string known =
      names.empty() ? "none of its stages has a name" : "its stages are " + Join(names, ", ");
  v1::ErrorDetail detail;
  detail.set_reason("STAGE_NOT_FOUND");
  detail.set_subject(target);
  return WithDetail(InvalidArgument(fmt::format(
                        "{} has no stage {} to build: {} (or a number below {}){}", request_.name,
                        GoQuote(target), known, file_.stages.size(), Suggestion(target, names))),
                    detail);
}

absl::StatusOr<Variables> Converter::GlobalArgs(
    const std::map<std::string, std::string>& build_args) {
  const auto expand = [this](std::string_view word, const Variables& variables,
                             const v1::SourceRange& source) {
    return ExpandGlobal(word, variables, source);
  };
  return GlobalArguments(file_, target_, request_.platform, build_args, expand);
}

absl::StatusOr<std::string> Converter::ExpandGlobal(std::string_view word,
                                                    const Variables& variables,
                                                    const v1::SourceRange& source) {
  WordOptions options;
  options.escape = escape_;
  const auto lookup = [&variables](std::string_view name) { return variables.Get(name); };
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

v1::Input Converter::InputOf(const NamedContext& context) const {
  v1::Input input;
  if (context.source.has_git()) {
    *input.mutable_git() = context.source.git();
  } else if (context.source.has_http()) {
    input.set_stage(downloads_.at(context.name));
  } else {
    input.set_context(context.name);
  }
  return input;
}

absl::StatusOr<v1::Input> Converter::ResolveFrom(const std::string& from, size_t index) {
  ASSIGN_OR_RETURN(const FilesOf files, plan_->ResolveFrom(from, index));
  v1::Input input;
  switch (files.kind) {
    case FilesOf::Kind::kScratch:
      return InvalidArgument(fmt::format("--from={} has no files to take", from));
    case FilesOf::Kind::kStage:
      input.set_stage(converted_.at(files.stage).graph_index);
      return input;
    case FilesOf::Kind::kContext:
      return InputOf(*files.context);
    case FilesOf::Kind::kBuild:
    case FilesOf::Kind::kImage:
      break;
  }
  ASSIGN_OR_RETURN(const ResolvedImage* image, ResolveImage(files.image, request_.platform));
  input.mutable_image()->set_reference(image->reference);
  input.mutable_image()->set_digest(image->digest);
  return input;
}

absl::StatusOr<const ResolvedImage*> Converter::ResolveImage(const std::string& reference,
                                                             const v1::Platform& platform) {
  absl::StatusOr<const ResolvedImage*> image = images_.Resolve(reference, platform);
  absl::Status status = image.status();
  if (status.ok() && forgiving_ != nullptr) {
    status = forgiving_->ErrorOf(reference);
  }
  return status.ok() ? image : SuggestStage(std::move(status), reference, plan_->Names());
}

absl::Status Converter::Refuse(absl::Status status) {
  if (forgiving_ == nullptr || absl::IsCancelled(status)) {
    return status;
  }
  refused_ = refused_.ok() ? status : refused_;
  return ++errors_ < kMaxErrors ? absl::OkStatus() : refused_;
}

// A context that is a download is a stage with one file, "context": unlike the build context,
// BuildKit unpacks no archive there.
void Converter::AddDownloads() {
  for (const auto& [name, context] : plan_->downloads()) {
    downloads_[name] = static_cast<uint32_t>(graph_.stages_size());
    v1::Stage* stage = graph_.add_stages();
    stage->set_name(name);
    stage->set_build(request_.build);
    stage->set_base_text("scratch");
    *stage->mutable_platform() = request_.platform;
    v1::Operation* base = stage->add_operations();
    base->set_text(fmt::format("context {}", name));
    base->mutable_scratch();
    v1::Operation* add = stage->add_operations();
    add->set_text(fmt::format("context {} from {}", name, context->source.http().url()));
    v1::Copy::Source* source = add->mutable_copy()->add_sources();
    *source->mutable_from()->mutable_http() = context->source.http();
    source->set_path("context");
    add->mutable_copy()->set_destination("/");
  }
}

absl::Status Converter::ConvertBaseImage(size_t index, ConvertedStage* converted) {
  const PlannedStage& plan = *plan_->Get(index);
  if (plan.build == nullptr) {
    RETURN_IF_ERROR(ResolveImage(plan.base.image, plan.platform).status());
  }
  const v1::Platform& actual = plan.image->platform;
  checks_.CheckPlatform(file_.stages[index].from, plan.base.image, plan.platform, actual);
  RETURN_IF_ERROR(
      CheckBasePlatform({.image = plan.base.image,
                         .actual = actual,
                         .wanted = plan.platform,
                         .is_asked_for = !PlatformMatches(plan.platform, request_.platform)}));
  converted->platform = plan.platform;
  converted->base_image = plan.build == nullptr ? plan.base.image : plan.build->base_image;
  if (!actual.architecture().empty()) {
    converted->image_platform = CanonicalPlatform(actual);
  }
  converted->state = StageState::FromConfig(plan.image->config, plan.platform.os());
  converted->state.is_nanoserver = IsNanoserver(converted->base_image);
  return absl::OkStatus();
}

// The base operation, and the state that it leads to. PATH is always set, as BuildKit does, and
// what is no image is for the platform of the request.
absl::StatusOr<v1::Operation> Converter::ConvertBase(size_t index, ConvertedStage* converted) {
  const PlannedStage& plan = *plan_->Get(index);
  StageState* const state = &converted->state;
  converted->platform = converted->image_platform = request_.platform;
  v1::Operation operation;
  if (plan.base.kind == FilesOf::Kind::kStage) {
    const ConvertedStage& base = converted_.at(plan.base.stage);
    operation.mutable_stage()->set_stage(base.graph_index);
    bytes_ += base.state.bytes;
    *state = base.state;
    state->command_is_own = false;
    converted->platform = base.platform;
    converted->image_platform = base.image_platform;
    converted->base_image = base.base_image;
  } else if (plan.base.kind == FilesOf::Kind::kBuild) {
    RETURN_IF_ERROR(ConvertBaseImage(index, converted));
    operation.mutable_stage()->set_stage(plan.build->stage);
  } else if (plan.base.kind == FilesOf::Kind::kImage) {
    RETURN_IF_ERROR(ConvertBaseImage(index, converted));
    operation.mutable_image()->set_reference(plan.image->reference);
    operation.mutable_image()->set_digest(plan.image->digest);
  } else {
    *state = StageState::FromConfig({}, converted->platform.os());
    operation.mutable_scratch();
  }
  if (state->config.on_build_size() > 0) {
    operation.add_config()->set_clear_on_build(true);
  }
  if (!state->variables.Get("PATH")) {
    v1::Environment* path = operation.add_config()->mutable_set_env();
    path->set_key("PATH");
    path->set_value(std::string(state->is_windows ? kDefaultWindowsPath : kDefaultPath));
  }
  if (operation.has_scratch()) {
    operation.add_config()->set_set_working_dir(state->is_windows ? DrivePath("/") : "/");
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

// What a stage begins with where that is a context: all of its files.
v1::Operation CopyAll(const v1::Input& input, const Instruction& from) {
  v1::Operation operation;
  v1::Copy::Source* source = operation.mutable_copy()->add_sources();
  *source->mutable_from() = input;
  source->set_path("/");
  operation.mutable_copy()->set_destination("/");
  Describe(from, "COPY / /", &operation);
  return operation;
}

absl::Status Converter::ConvertInstructions(const std::vector<Instruction>& instructions,
                                            size_t index, StageConverter* converter,
                                            v1::Stage* stage) {
  for (const Instruction& instruction : instructions) {
    absl::StatusOr<v1::Operation> operation = converter->Convert(instruction);
    absl::Status status = operation.status();
    if (status.ok()) {
      status = CheckSize(converted_[index].state, *operation);
    }
    if (!status.ok()) {
      RETURN_IF_ERROR(Refuse(plan_->Located(std::move(status), instruction, index)));
    } else {
      *stage->add_operations() = *std::move(operation);
    }
  }
  return absl::OkStatus();
}

absl::Status Converter::ConvertStage(size_t index) {
  const DockerfileStage& source = file_.stages[index];
  const PlannedStage& plan = *plan_->Get(index);
  ConvertedStage& converted = converted_[index];
  converted.graph_index = static_cast<uint32_t>(graph_.stages_size());
  v1::Stage* stage = graph_.add_stages();
  stage->set_name(source.base().name);
  stage->set_build(request_.build);
  stage->set_base_text(ToUtf8(plan.base_text));

  if (!plan.rewritten.empty()) {
    const std::string message =
        fmt::format("on Windows, FROM {} means {}", ToUtf8(plan.rewritten), ToUtf8(plan.base_text));
    findings_.Warn("WindowsBaseRewritten", message, source.from.source);
  }
  absl::StatusOr<v1::Operation> base = ConvertBase(index, &converted);
  *stage->mutable_platform() = converted.platform;
  absl::Status status = base.ok() ? CheckSize(converted.state, *base) : base.status();
  checks_.Begin(index, BaseStage(plan), status.ok());
  outline_.Begin(index, source.from);
  if (!status.ok()) {
    RETURN_IF_ERROR(Refuse(plan_->Located(std::move(status), source.from, index)));
  } else {
    *stage->add_operations() = *std::move(base);
  }
  if (plan.base.kind == FilesOf::Kind::kContext) {
    *stage->add_operations() = CopyAll(InputOf(*plan.base.context), source.from);
  }
  if (plan.replaced) {
    return absl::OkStatus();
  }

  ConvertScope scope;
  scope.build_args = &request_.build_args;
  scope.global_args = &global_args_;
  scope.context.set_context("");
  scope.context.set_directory(request_.directory);
  scope.resolve_from = [this, index](const std::string& from) { return ResolveFrom(from, index); };
  scope.checks = &checks_;
  scope.outline = &outline_;
  StageConverter triggers(scope, &converted.state);  // the file's escape is not theirs
  RETURN_IF_ERROR(ConvertInstructions(plan.triggers, index, &triggers, stage));
  ConvertScope own_scope = scope;
  own_scope.escape = escape_;
  StageConverter own(own_scope, &converted.state);
  return ConvertInstructions(source.instructions, index, &own, stage);
}

// An image is for what the request asks for, and else for what its base is for. Where a command
// runs, it is for what that runs on. Windows runs images of its own version, which the base says.
absl::Status Converter::SetImagePlatform(const ConvertedStage& target, v1::Stage* stage) const {
  const auto& operations = stage->operations();
  if (std::none_of(operations.begin(), operations.end(),
                   [](const v1::Operation& operation) { return operation.has_run(); })) {
    *stage->mutable_platform() =
        request_.platform_is_given ? request_.platform : target.image_platform;
  }
  if (!target.state.is_windows) {
    return absl::OkStatus();
  }
  stage->mutable_platform()->set_os_version(target.image_platform.os_version());
  return target.base_image.empty() ? absl::OkStatus()
                                   : CheckWindowsVersion(target.base_image, target.image_platform);
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
  AddDeclaredArguments(file_.global_args, &declared);
  for (size_t index = 0; index < file_.stages.size(); ++index) {
    AddDeclaredArguments(file_.stages[index].instructions, &declared);
    if (const PlannedStage* plan = plan_->Get(index); plan != nullptr) {
      AddDeclaredArguments(plan->triggers, &declared);
    }
  }
  for (const auto& entry : request_.build_args) {
    const std::string& name = entry.first;
    if (!declared.contains(name) && !IsKnownArgument(name)) {
      findings_.Warn("UnusedBuildArg",
                     fmt::format("the build argument {} is not used: no ARG declares it{}", name,
                                 Suggestion(name, {declared.begin(), declared.end()})),
                     {});
    }
  }
}

absl::Status Converter::Read() {
  RETURN_IF_ERROR(CheckRequest());
  if (const std::optional<SyntaxDirective> syntax = ForeignFrontend()) {
    const std::string message =
        fmt::format("the frontend {} is not available; the file is read as a Dockerfile",
                    GoQuote(syntax->frontend));
    findings_.Warn("ForeignFrontend", message, Lines(syntax->line, syntax->line));
  }
  RETURN_IF_ERROR(Unreadable(Parse()));
  const std::string ltsc =
      request_.windows_ltsc.empty() ? std::string(kDefaultLtsc) : request_.windows_ltsc;
  plan_.emplace(file_, contexts_, StageTarget{request_.platform, ltsc}, images_,
                [this](std::string_view word) { return ExpandGlobal(word, global_args_, {}); });
  ASSIGN_OR_RETURN(target_, FindTarget());
  ASSIGN_OR_RETURN(global_args_, GlobalArgs(request_.build_args));
  ASSIGN_OR_RETURN(const std::optional<int64_t> epoch,
                   SourceDateEpoch(global_args_, request_.build_args));
  result_.source_date_epoch = epoch;
  outline_.AddGlobals(file_.global_args, escape_, global_args_);
  if (IsDockerfile()) {
    const absl::StatusOr<Variables> defaults = GlobalArgs({});
    CheckBases(file_, escape_, global_args_, defaults.ok() ? *defaults : global_args_, &findings_);
  }
  return plan_->Plan(target_);
}

// Of the target's image: what its base has, and what the instructions of the stages change.
v1::ImageConfig Converter::TargetConfig() const {
  std::vector<size_t> stages = {target_};
  while (const std::optional<size_t> base = BaseStage(*plan_->Get(stages.back()))) {
    stages.push_back(*base);
  }
  const ResolvedImage* const image = plan_->Get(stages.back())->image;
  v1::ImageConfig config = image == nullptr ? v1::ImageConfig() : image->config;
  for (auto stage = stages.rbegin(); stage != stages.rend(); ++stage) {
    bool command_is_own = false;
    const uint32_t index = converted_.at(*stage).graph_index;
    for (const v1::Operation& operation : graph_.stages(static_cast<int>(index)).operations()) {
      for (const v1::ConfigChange& change : operation.config()) {
        ApplyConfigChange(change, &config, &command_is_own);
      }
    }
  }
  return config;
}

absl::StatusOr<ConvertedFile> Converter::Convert() {
  RETURN_IF_ERROR(Read());
  AddDownloads();
  for (size_t index = 0; index <= target_; ++index) {
    if (plan_->Get(index) != nullptr) {
      RETURN_IF_ERROR(ConvertStage(index));
    }
  }
  v1::Stage* const target = graph_.mutable_stages(graph_.stages_size() - 1);
  if (absl::Status status = SetImagePlatform(converted_.at(target_), target); !status.ok()) {
    return plan_->Located(std::move(status), file_.stages[target_].from, target_);
  }
  AddRequestLabels(target);
  result_.target = converted_.at(target_).graph_index;
  result_.platform = target->platform();
  result_.config = TargetConfig();
  result_.base_image = converted_.at(target_).base_image;
  WarnUnusedBuildArgs();
  for (const std::string& warning : images_.warnings()) {
    findings_.Warn("OtherImage", warning, {});
  }
  const bool is_nested = !request_.build.empty();
  if (!is_nested && !request_.windows_ltsc.empty() && !converted_.at(target_).state.is_windows) {
    findings_.Warn("WindowsLtscUnused",
                   fmt::format("the option windows_ltsc ({}) has no effect: the image is for {}",
                               request_.windows_ltsc, FormatPlatform(target->platform())),
                   {});
  }
  result_.warnings = findings_.warnings();
  result_.violation = findings_.Violation();
  return std::move(result_);
}

// All stages where no target is named.
absl::Status Converter::ConvertForExamination() {
  if (request_.target.empty()) {
    RETURN_IF_ERROR(plan_->PlanAll());
  }
  AddDownloads();
  for (size_t index = 0; index < file_.stages.size(); ++index) {
    if (plan_->Get(index) != nullptr) {
      RETURN_IF_ERROR(ConvertStage(index));
    }
  }
  return absl::OkStatus();
}

FileExamination Converter::Examine(const ForgivingResolver& forgiving) {
  forgiving_ = &forgiving;
  FileExamination examination;
  examination.status = Read();
  examination.targets = TargetsOf(file_);
  if (examination.status.ok()) {
    std::vector<bool> needed;
    for (size_t index = 0; index < file_.stages.size(); ++index) {
      needed.push_back(plan_->Get(index) != nullptr);
    }
    examination.status = ConvertForExamination();
    examination.outline = outline_.Build(file_.stages[target_], needed);
    WarnUnusedBuildArgs();
  }
  examination.warnings = findings_.warnings();
  std::stable_sort(examination.warnings.begin(), examination.warnings.end(),
                   [](const v1::Warning& a, const v1::Warning& b) {
                     return a.source().first_line() < b.source().first_line();
                   });
  const absl::Status violation = findings_.Violation();
  examination.warnings_are_errors = !violation.ok();
  if (examination.status.ok()) {
    examination.status = refused_.ok() ? violation : refused_;
  }
  return examination;
}

}  // namespace

absl::StatusOr<ConvertedFile> AddToGraph(const ConvertRequest& request, ImageResolver& resolver,
                                         v1::Graph* graph, std::stop_token stop) {
  return Converter(request, resolver, graph, std::move(stop)).Convert();
}

absl::StatusOr<FileGraph> ConvertFile(const ConvertRequest& request, ImageResolver& resolver,
                                      std::stop_token stop) {
  FileGraph result;
  ASSIGN_OR_RETURN(ConvertedFile file,
                   AddToGraph(request, resolver, &result.graph, std::move(stop)));
  result.graph.add_targets(file.target);
  if (file.source_date_epoch) {
    result.graph.set_source_date_epoch(*file.source_date_epoch);
  }
  result.warnings = std::move(file.warnings);
  result.violation = std::move(file.violation);
  return result;
}

FileExamination ExamineFile(const ConvertRequest& request, ImageResolver& resolver,
                            std::stop_token stop) {
  ForgivingResolver forgiving(resolver);
  v1::Graph graph;
  return Converter(request, forgiving, &graph, std::move(stop)).Examine(forgiving);
}

}  // namespace zlayer
