#include "daemon/frontend/dockerfile/stage_plan.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/values.h"
#include "daemon/frontend/dockerfile/windows_base.h"
#include "daemon/frontend/dockerfile/windows_path.h"
#include "daemon/frontend/dockerfile/words.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

constexpr size_t kMaxStages = 1000;
constexpr size_t kMaxTriggers = 10'000;

// The --from=TEXT of an instruction; none where it has none.
std::vector<std::string> FromsOf(const Instruction& instruction) {
  std::vector<std::string> froms;
  if (const auto* copy = std::get_if<CopyInstruction>(&instruction.body)) {
    froms.push_back(copy->from);
  } else if (const auto* run = std::get_if<RunInstruction>(&instruction.body)) {
    for (const RunMountText& mount : run->mounts) {
      froms.push_back(mount.from);
    }
  }
  std::erase(froms, "");
  return froms;
}

// The triggers that a stage leaves to those which begin with it.
std::vector<std::string> TriggersOf(const DockerfileStage& stage) {
  std::vector<std::string> triggers;
  for (const Instruction& instruction : stage.instructions) {
    if (const auto* on_build = std::get_if<OnBuildInstruction>(&instruction.body)) {
      triggers.push_back(on_build->trigger);
    }
  }
  return triggers;
}

FilesOf OfContext(const NamedContext& context) {
  FilesOf files;
  if (!context.source.has_image()) {
    files.kind = FilesOf::Kind::kContext;
    files.context = &context;
  } else if (context.source.image() == "scratch") {
    files.kind = FilesOf::Kind::kScratch;
  } else {
    files.image = context.source.image();
  }
  return files;
}

FilesOf OfStage(size_t stage) {
  FilesOf files;
  files.kind = FilesOf::Kind::kStage;
  files.stage = stage;
  return files;
}

absl::Status NoStage(std::string message, const std::string& name) {
  v1::ErrorDetail detail;
  detail.set_reason("STAGE_NOT_FOUND");
  detail.set_subject(name);
  return WithDetail(InvalidArgument(std::move(message)), detail);
}

}  // namespace

absl::Status SuggestStage(absl::Status status, const std::string& reference,
                          const std::vector<std::string>& stages) {
  const std::string suggestion = Suggestion(reference, stages);
  return absl::IsNotFound(status) && !suggestion.empty()
             ? WithDetail(NotFound(std::string(Message(status)) + suggestion), DetailOf(status))
             : status;
}

absl::StatusOr<const ResolvedImage*> BaseImages::Resolve(const std::string& reference,
                                                         const v1::Platform& platform) {
  const auto key = std::make_pair(reference, FormatPlatform(platform));
  auto at = images_.find(key);
  if (at == images_.end()) {
    if (!IsUtf8(reference)) {
      return InvalidArgument(fmt::format("{} is not an image's name", GoQuote(reference)));
    }
    ASSIGN_OR_RETURN(ResolvedImage image, resolver_.Resolve(reference, platform, stop_));
    if (!image.warning.empty()) {
      warnings_.push_back(image.warning);
    }
    at = images_.emplace(key, std::move(image)).first;
  }
  return &at->second;
}

absl::StatusOr<const NestedImage*> BaseImages::ResolveBuild(const std::string& base,
                                                            const v1::Platform& platform) {
  const auto key = std::make_pair(base, FormatPlatform(platform));
  auto at = builds_.find(key);
  if (at == builds_.end()) {
    ASSIGN_OR_RETURN(NestedImage build, nested_->Resolve(base, platform, stop_));
    at = builds_.emplace(key, std::move(build)).first;
  }
  return &at->second;
}

StagePlan::StagePlan(const DockerfileInstructions& file, const NamedContexts& contexts,
                     StageTarget target, BaseImages& images,
                     std::function<absl::StatusOr<std::string>(std::string_view word)> expand)
    : file_(file),
      contexts_(contexts),
      target_(std::move(target)),
      images_(images),
      expand_(std::move(expand)),
      planned_(file.stages.size()) {
  for (size_t i = 0; i < file_.stages.size(); ++i) {
    if (const std::string& name = file_.stages[i].base().name; !name.empty()) {
      stages_by_name_[name].push_back(i);
    }
  }
}

std::optional<size_t> StagePlan::FindStage(const std::string& name) const {
  if (const auto at = stages_by_name_.find(ToLower(name)); at != stages_by_name_.end()) {
    return at->second.back();
  }
  const std::optional<uint64_t> number = ParseUint(name);
  return number && *number < file_.stages.size() ? std::make_optional<size_t>(*number)
                                                 : std::nullopt;
}

std::vector<std::string> StagePlan::Names() const {
  std::vector<std::string> names;
  for (const auto& entry : stages_by_name_) {
    names.push_back(entry.first);
  }
  return names;
}

absl::Status StagePlan::Located(absl::Status status, const Instruction& instruction,
                                size_t stage) const {
  v1::ErrorDetail detail;
  const std::string& name = file_.stages[stage].base().name;
  detail.set_instruction(instruction.text);
  detail.set_stage(name.empty() ? std::to_string(stage) : name);
  return WithDetail(AtSource(std::move(status), instruction.source), detail);
}

// The last stage of the name before `index`.
std::optional<size_t> StagePlan::EarlierStage(std::string_view name, size_t index) const {
  const auto at = stages_by_name_.find(ToLower(name));
  if (at == stages_by_name_.end()) {
    return std::nullopt;
  }
  const auto behind = std::lower_bound(at->second.begin(), at->second.end(), index);
  return behind == at->second.begin() ? std::nullopt : std::make_optional(*(behind - 1));
}

absl::StatusOr<FilesOf> StagePlan::ResolveFrom(const std::string& from, size_t stage) const {
  if (const NamedContext* context = contexts_.Find(from); context != nullptr) {
    return OfContext(*context);
  }
  ASSIGN_OR_RETURN(const ExpandedWord expanded,
                   ExpandWord(from, [](std::string_view) { return std::nullopt; }));
  if (expanded.text != from) {
    return InvalidArgument(
        "variables are not expanded in --from; name a stage instead: FROM $IMAGE AS name, with an "
        "ARG before the first FROM");
  }
  std::optional<size_t> found;
  if (const std::optional<uint64_t> number = ParseUint(from)) {
    if (*number >= file_.stages.size()) {
      return NoStage(
          fmt::format("--from={} is not a stage: there are {}", from, file_.stages.size()), from);
    }
    found = *number;
  } else {
    found = EarlierStage(from, stage);
    found = found ? found : FindStage(from);
  }
  if (found && *found >= stage) {
    return NoStage(fmt::format("--from={} is {}; files can be taken only from an earlier stage",
                               from, *found == stage ? "the stage itself" : "a later stage"),
                   from);
  }
  if (found) {
    return OfStage(*found);
  }
  FilesOf files;
  files.image = from;
  if (ToLower(from) == "scratch") {
    files.kind = FilesOf::Kind::kScratch;
  }
  return files;
}

absl::StatusOr<v1::Platform> StagePlan::PlatformOf(const FromInstruction& from) const {
  if (from.platform.empty()) {
    return target_.platform;
  }
  ASSIGN_OR_RETURN(const std::string text, expand_(from.platform));
  return ParsePlatform(text, target_.platform);
}

absl::Status StagePlan::PlanBase(size_t index) {
  const FromInstruction& from = file_.stages[index].base();
  PlannedStage& plan = planned_[index].emplace();
  const bool is_build = images_.IsBuild(from.base);
  ASSIGN_OR_RETURN(plan.base_text, is_build ? from.base : expand_(from.base));
  if (plan.base_text.empty()) {
    return InvalidArgument(
        fmt::format("the base {} is empty; an ARG before the first FROM, with a value, can set it",
                    GoQuote(from.base)));
  }
  ASSIGN_OR_RETURN(plan.platform, PlatformOf(from));
  if (const NamedContext* context = from.name.empty() ? nullptr : contexts_.Find(from.name);
      context != nullptr) {
    plan.base = OfContext(*context);
    plan.replaced = true;
    return absl::OkStatus();
  }
  if (is_build) {
    plan.base.kind = FilesOf::Kind::kBuild;
    plan.base.image = from.base;
  } else if (const std::optional<size_t> stage = EarlierStage(plan.base_text, index)) {
    plan.base = OfStage(*stage);
    if (contexts_.Find(file_.stages[*stage].base().name) == nullptr) {
      RETURN_IF_ERROR(AddTriggers(TriggersOf(file_.stages[*stage]), index).status());
    }
  } else if (plan.base_text == "scratch") {
    plan.base.kind = FilesOf::Kind::kScratch;
  } else if (const NamedContext* context = contexts_.Find(plan.base_text); context != nullptr) {
    plan.base = OfContext(*context);
  } else {
    UseImage(&plan);
  }
  return absl::OkStatus();
}

void StagePlan::UseImage(PlannedStage* plan) const {
  if (plan->platform.os() == kWindows) {
    if (std::optional<std::string> base = WindowsBase(plan->base_text, target_.windows_ltsc)) {
      plan->rewritten = std::exchange(plan->base_text, *std::move(base));
    }
  }
  plan->base.image = plan->base_text;
}

// Whether one of them takes files from somewhere.
absl::StatusOr<bool> StagePlan::AddTriggers(const std::vector<std::string>& triggers,
                                            size_t index) {
  bool sources = false;
  trigger_count_ += triggers.size();
  if (trigger_count_ > kMaxTriggers) {
    return InvalidArgument(
        fmt::format("the bases of the build have more than {} ONBUILD triggers", kMaxTriggers));
  }
  for (const std::string& trigger : triggers) {
    ASSIGN_OR_RETURN(Instruction instruction, ParseTrigger(trigger, file_.stages[index].from));
    sources = sources || !FromsOf(instruction).empty();
    planned_[index]->triggers.push_back(std::move(instruction));
  }
  return sources;
}

void StagePlan::Need(const FilesOf& files) {
  if (files.kind == FilesOf::Kind::kStage) {
    needed_.insert(files.stage);
  } else if (files.kind == FilesOf::Kind::kContext && files.context->source.has_http()) {
    downloads_.emplace(files.context->name, files.context);
  }
}

absl::Status StagePlan::MarkSources(const Instruction& instruction, size_t index) {
  for (const std::string& from : FromsOf(instruction)) {
    const absl::StatusOr<FilesOf> files = ResolveFrom(from, index);
    if (!files.ok()) {
      return Located(files.status(), instruction, index);
    }
    Need(*files);
  }
  return absl::OkStatus();
}

// A stage needs only earlier ones, so one pass from the target down finds all.
absl::Status StagePlan::Mark(size_t target) {
  for (size_t index = target + 1; index-- > 0;) {
    if (!needed_.contains(index)) {
      continue;
    }
    if (needed_.size() > kMaxStages) {
      return InvalidArgument(fmt::format("the target needs more than {} stages", kMaxStages));
    }
    const DockerfileStage& stage = file_.stages[index];
    if (!planned_[index]) {
      if (absl::Status status = PlanBase(index); !status.ok()) {
        return Located(std::move(status), stage.from, index);
      }
    }
    Need(planned_[index]->base);
    if (planned_[index]->replaced) {
      continue;
    }
    for (const Instruction& trigger : planned_[index]->triggers) {
      RETURN_IF_ERROR(MarkSources(trigger, index));
    }
    for (const Instruction& instruction : stage.instructions) {
      RETURN_IF_ERROR(MarkSources(instruction, index));
    }
  }
  return absl::OkStatus();
}

absl::Status StagePlan::ResolveImage(PlannedStage* plan) {
  if (plan->base.kind == FilesOf::Kind::kBuild) {
    ASSIGN_OR_RETURN(const NestedImage* build,
                     images_.ResolveBuild(plan->base.image, plan->platform));
    plan->image = &build->image;
    plan->build = build;
    plan->base_text = build->image.reference;
    return absl::OkStatus();
  }
  const absl::StatusOr<const ResolvedImage*> image =
      images_.Resolve(plan->base.image, plan->platform);
  RETURN_IF_ERROR(SuggestStage(image.status(), plan->base.image, Names()));
  plan->image = *image;
  return absl::OkStatus();
}

// Whether an image has triggers that may need further stages.
absl::StatusOr<bool> StagePlan::ResolveImages() {
  bool more = false;
  for (const size_t index : needed_) {
    PlannedStage& plan = *planned_[index];
    const bool is_image =
        plan.base.kind == FilesOf::Kind::kImage || plan.base.kind == FilesOf::Kind::kBuild;
    if (!is_image || plan.image != nullptr) {
      continue;
    }
    absl::Status status = ResolveImage(&plan);
    if (status.ok()) {
      const auto& triggers = plan.image->config.on_build();
      const absl::StatusOr<bool> sources =
          plan.replaced ? false : AddTriggers({triggers.begin(), triggers.end()}, index);
      status = sources.status();
      more = more || (sources.ok() && *sources);
    }
    if (!status.ok()) {
      // An error in the file of a nested build has its place there.
      const bool is_elsewhere =
          plan.base.kind == FilesOf::Kind::kBuild && DetailOf(status).has_source();
      return is_elsewhere ? status : Located(std::move(status), file_.stages[index].from, index);
    }
  }
  return more;
}

absl::Status StagePlan::PlanAll() {
  for (size_t index = 0; index < file_.stages.size(); ++index) {
    needed_.insert(index);
  }
  return Plan(file_.stages.size() - 1);
}

absl::Status StagePlan::Plan(size_t target) {
  needed_.insert(target);
  bool more = true;
  while (more) {
    RETURN_IF_ERROR(Mark(target));
    ASSIGN_OR_RETURN(more, ResolveImages());
  }
  return absl::OkStatus();
}

}  // namespace zlayer
