#include "client/progress/progress_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/progress/history.h"
#include "client/progress/retry_text.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

constexpr size_t kMaxText = 1024;
constexpr size_t kMaxUnplannedStages = 1000;
constexpr uint32_t kMaxRunning = 10'000;
constexpr size_t kMaxTransfers = 64;  // of a step
constexpr size_t kSlowest = 3;
constexpr double kSlow = 0.5;    // seconds: what is quicker is not worth a line
constexpr double kLongWait = 1;  // seconds

std::string Clip(std::string_view text) { return std::string(text.substr(0, kMaxText)); }

int64_t TimeOf(const v1::BuildEvent& event) {
  return event.time().seconds() * 1'000'000'000 + event.time().nanos();
}

// Whether the detail of a failure is about this step.
bool IsCulprit(const ShownStage& stage, const RunningStep& step, const v1::ErrorDetail& detail) {
  const v1::SourceRange& source = detail.source();
  return source.first_line() > 0 && step.source.first_line() == source.first_line() &&
         step.source.file() == source.file() &&
         (detail.stage().empty() || detail.stage() == stage.name ||
          stage.name.ends_with(": " + detail.stage()) ||
          detail.stage() == fmt::format("{}", stage.index));
}

void Apply(const v1::Progress& progress, int64_t now_ns, std::map<std::string, Transfer>* transfers,
           uint64_t* bytes_moved) {
  const std::string item = Clip(progress.item());
  if (progress.complete()) {
    transfers->erase(item);
    *bytes_moved += progress.bytes_done();
    return;
  }
  if (transfers->size() < kMaxTransfers || transfers->contains(item)) {
    (*transfers)[item].Update(progress.bytes_done(), progress.bytes_total(), now_ns);
  }
}

}  // namespace

std::vector<Row> ProgressState::TakeHistory() { return std::exchange(history_, {}); }

void ProgressState::Event(const v1::BuildEvent& event) {
  const int64_t now_ns = TimeOf(event);
  model_.lost.clear();
  if (model_.started_ns == 0) {
    model_.started_ns = now_ns;
  }
  switch (event.event_case()) {
    case v1::BuildEvent::kOutput:
      return Output(event.output());
    case v1::BuildEvent::kInstructionWaiting:
      return StepWaits(event.instruction_waiting());
    case v1::BuildEvent::kInstructionRetried:
      return StepRetried(event.instruction_retried());
    case v1::BuildEvent::kBuildQueued:
      return Queued(event, now_ns);
    case v1::BuildEvent::kBuildWaiting:
      model_.waiting = Clip(event.build_waiting().reason());
      model_.position = event.build_waiting().position();
      return;
    case v1::BuildEvent::kBuildStarted:
      return Started(now_ns);
    case v1::BuildEvent::kBuildPlan:
      return Plan(event.build_plan());
    case v1::BuildEvent::kStageStarted:
      return StageStarted(event.stage_started(), now_ns);
    case v1::BuildEvent::kInstructionStarted:
      return StepStarted(event.instruction_started(), now_ns);
    case v1::BuildEvent::kProgress:
      return Progress(event.progress(), now_ns);
    case v1::BuildEvent::kWarning:
      return Warn(event.warning());
    case v1::BuildEvent::kInstructionComplete:
      return StepComplete(event.instruction_complete());
    case v1::BuildEvent::kStageComplete:
      return StageComplete(event.stage_complete().index(), now_ns);
    case v1::BuildEvent::kBuildComplete:
      return Complete(event.build_complete());
    case v1::BuildEvent::kBuildFailed:
      return Failed(event.build_failed(), now_ns);
    case v1::BuildEvent::kBuildCanceled:
      WriteUnfinished("canceled", now_ns, nullptr, nullptr);
      model_.phase = ProgressModel::Phase::kEnded;
      return;
    case v1::BuildEvent::kInstructionMissed:
    case v1::BuildEvent::EVENT_NOT_SET:
      return;
  }
}

void ProgressState::Uploading(std::string_view name, const UploadCounts& counts, int64_t now_ns) {
  if (model_.started_ns == 0) {
    model_.started_ns = now_ns;
  }
  Upload& upload = model_.uploads[std::string(name)];
  if (upload.started_ns == 0) {
    upload.started_ns = now_ns;
  }
  upload.entries = counts.entries;
  upload.files = counts.files;
  upload.bytes.Update(counts.bytes, 0, now_ns);
}

void ProgressState::ContextSent(std::string_view name, const v1::ContextReady& ready,
                                int64_t now_ns) {
  Row& row = history_.emplace_back();
  row.Add("✓ ", Style::kGood)
      .Add(fmt::format("context{}{}: {} file{}, {}, of which {} sent", name.empty() ? "" : " ",
                       name, ready.files_selected(), ready.files_selected() == 1 ? "" : "s",
                       FormatSize(ready.bytes_selected()), FormatSize(ready.bytes_received())));
  if (auto upload = model_.uploads.find(std::string(name)); upload != model_.uploads.end()) {
    row.Right(FormatSeconds(SecondsFrom(upload->second.started_ns, now_ns)));
    model_.uploads.erase(upload);
  }
}

void ProgressState::Lost(std::string_view reason, int64_t now_ns) {
  if (model_.started_ns == 0) {
    model_.started_ns = now_ns;
  }
  if (model_.lost.empty()) {
    model_.lost_ns = now_ns;
  }
  model_.lost = Clip(reason);
}

void ProgressState::Leave(int64_t now_ns) {
  if (model_.phase != ProgressModel::Phase::kEnded) {
    WriteUnfinished("left", now_ns, nullptr, nullptr);
    model_.phase = ProgressModel::Phase::kEnded;
  }
}

void ProgressState::Queued(const v1::BuildEvent& event, int64_t now_ns) {
  const uint32_t attempt = event.build_queued().attempt();
  if (attempt > 1) {
    WriteUnfinished("interrupted", now_ns, nullptr, nullptr);
    history_.push_back(Row()
                           .Add("! ", Style::kWarning)
                           .Add(fmt::format("build {}: the daemon was restarted, attempt {}",
                                            event.build_id(), attempt))
                           .Whole());
    model_.steps = model_.done = model_.cached = model_.settings = 0;
    model_.slowest.clear();
  } else {
    history_.push_back(Row().Add(fmt::format("build {}", event.build_id()), Style::kDim).Whole());
  }
  model_.build_id = event.build_id();
  model_.phase = ProgressModel::Phase::kQueued;
  model_.queued_ns = now_ns;
}

void ProgressState::Started(int64_t now_ns) {
  const double waited = SecondsFrom(model_.queued_ns, now_ns);
  if (model_.queued_ns != 0 && waited >= kLongWait) {
    history_.push_back(
        Row().Add(fmt::format("waited {} in the queue", FormatSeconds(waited)), Style::kDim));
  }
  model_.waiting.clear();
  model_.position = 0;
  model_.phase = ProgressModel::Phase::kStarted;
}

void ProgressState::Plan(const v1::BuildPlan& plan) {
  model_.phase = ProgressModel::Phase::kPlanned;
  for (const v1::PlannedStage& planned : plan.stages()) {
    ShownStage& stage = model_.stages[planned.index()];
    stage = ShownStage();
    stage.index = planned.index();
    stage.name = Clip(StageTitle(planned.build(), planned.name()));
    stage.base = Clip(planned.base_image());
    for (const std::string& instruction : planned.instructions()) {
      stage.instructions.push_back(Clip(instruction));
    }
    incomplete_.insert(planned.index());
    model_.steps += planned.instructions_size();
  }
}

ShownStage* ProgressState::Stage(uint32_t index) {
  auto stage = model_.stages.find(index);
  if (stage != model_.stages.end()) {
    return &stage->second;
  }
  if (model_.stages.size() >= kMaxUnplannedStages) {
    return nullptr;
  }
  incomplete_.insert(index);
  ShownStage& made = model_.stages[index];
  made.index = index;
  return &made;
}

void ProgressState::StageStarted(const v1::StageStarted& started, int64_t now_ns) {
  ShownStage* stage = Stage(started.index());
  if (stage == nullptr || stage->complete) {
    return;
  }
  if (stage->instructions.empty()) {  // not of the plan
    stage->name = Clip(StageTitle(started.build(), started.name()));
    stage->base = Clip(started.base_image());
  }
  stage->started_ns = now_ns;
  model_.active.insert(started.index());
  model_.phase = ProgressModel::Phase::kPlanned;
}

void ProgressState::StepStarted(const v1::InstructionStarted& started, int64_t now_ns) {
  ShownStage* stage = Stage(started.stage());
  if (stage == nullptr || model_.running >= kMaxRunning) {
    return;
  }
  model_.active.insert(started.stage());
  model_.phase = ProgressModel::Phase::kPlanned;
  model_.running += stage->running.contains(started.index()) ? 0 : 1;
  RunningStep& step = stage->running[started.index()];
  step = RunningStep();
  step.text = Clip(started.instruction());
  step.source = started.source();
  step.started_ns = now_ns;
}

void ProgressState::Output(const v1::Output& output) {
  auto stage = model_.stages.find(output.stage());
  if (stage == model_.stages.end()) {
    return;
  }
  auto step = stage->second.running.find(output.index());
  if (step != stage->second.running.end()) {
    step->second.output.Append(output.data(), output.is_stderr(), output.partial());
  }
}

void ProgressState::StepWaits(const v1::InstructionWaiting& waiting) {
  v1::Output line;
  line.set_stage(waiting.stage());
  line.set_index(waiting.index());
  line.set_data(fmt::format("waiting: {}\n", waiting.reason()));
  Output(line);
}

void ProgressState::StepRetried(const v1::InstructionRetried& retried) {
  v1::Output line;
  line.set_stage(retried.stage());
  line.set_index(retried.index());
  line.set_data(RetryText(retried) + "\n");
  Output(line);
}

void ProgressState::Progress(const v1::Progress& progress, int64_t now_ns) {
  ShownStage* stage = Stage(progress.stage());
  if (stage == nullptr || stage->complete) {
    return;
  }
  auto step = stage->running.find(progress.index());
  if (step != stage->running.end()) {
    return Apply(progress, now_ns, &step->second.transfers, &step->second.bytes_moved);
  }
  uint64_t ignored = 0;
  Apply(progress, now_ns, &stage->transfers, &ignored);
}

void ProgressState::Warn(const v1::Warning& warning) {
  std::string place;
  if (warning.source().first_line() > 0) {
    place = fmt::format("{}:{}: ", warning.source().file(), warning.source().first_line());
  }
  ++model_.warnings;
  history_.push_back(Row()
                         .Add("! ", Style::kWarning)
                         .Add(fmt::format("{}{} ({})", place, warning.message(), warning.rule()))
                         .Whole());
}

void ProgressState::StepComplete(const v1::InstructionComplete& complete) {
  ShownStage* stage = Stage(complete.stage());
  if (stage == nullptr) {
    return;
  }
  model_.active.insert(complete.stage());
  EndedStep& ended = stage->ended.emplace_back();
  ended.index = complete.index();
  ended.seconds = complete.seconds();
  ended.end = !complete.cached()                     ? StepEnd::kDone
              : complete.reason() == "configuration" ? StepEnd::kSetting
                                                     : StepEnd::kCached;
  if (complete.index() < stage->instructions.size()) {
    ended.text = std::exchange(stage->instructions[complete.index()], {});
  }
  if (auto step = stage->running.find(complete.index()); step != stage->running.end()) {
    ended.text = std::move(step->second.text);
    ended.bytes_moved = step->second.bytes_moved;
    stage->running.erase(step);
    --model_.running;
  }
  stage->transfers.clear();  // the base is there
  ++stage->done;
  ++model_.done;
  if (ended.end == StepEnd::kDone) {
    Remember(*stage, ended);
    return Advance();
  }
  ended.text = std::string();  // gives its memory back, which clear() does not
  stage->cached += ended.end == StepEnd::kCached ? 1 : 0;
  model_.cached += ended.end == StepEnd::kCached ? 1 : 0;
  model_.settings += ended.end == StepEnd::kSetting ? 1 : 0;
}

void ProgressState::Remember(const ShownStage& stage, const EndedStep& step) {
  std::vector<SlowStep>& slowest = model_.slowest;
  const auto place = std::find_if(slowest.begin(), slowest.end(), [&step](const SlowStep& other) {
    return other.seconds < step.seconds;
  });
  if (step.seconds < kSlow || (slowest.size() == kSlowest && place == slowest.end())) {
    return;
  }
  SlowStep slow;
  slow.seconds = step.seconds;
  slow.text = step.text;
  slow.place = StepPlace(model_, stage, step.index);
  slowest.insert(place, std::move(slow));
  slowest.resize(std::min(slowest.size(), kSlowest));
}

void ProgressState::StageComplete(uint32_t index, int64_t now_ns) {
  ShownStage* stage = Stage(index);
  if (stage == nullptr || stage->complete) {
    return;
  }
  stage->complete = true;
  stage->ended_ns = now_ns;
  model_.running -= static_cast<uint32_t>(stage->running.size());
  stage->running.clear();
  stage->transfers.clear();
  model_.active.erase(index);
  incomplete_.erase(index);
  model_.held.insert(index);
  Advance();
}

void ProgressState::Advance() {
  while (true) {
    if (open_.has_value()) {
      ShownStage& stage = model_.stages[*open_];
      WriteStage(&stage);
      if (!stage.complete) {
        return;
      }
      open_.reset();
    }
    while (!model_.held.empty()) {
      WriteStage(&model_.stages[*model_.held.begin()]);
    }
    if (incomplete_.empty()) {
      return;
    }
    const ShownStage& next = model_.stages[*incomplete_.begin()];
    if (std::none_of(next.ended.begin(), next.ended.end(),
                     [](const EndedStep& step) { return step.end == StepEnd::kDone; })) {
      return;
    }
    open_ = next.index;
  }
}

void ProgressState::WriteStage(ShownStage* stage) {
  if (!stage->headed) {
    stage->headed = true;
    history_.push_back(StageHead(model_, *stage));
  }
  WriteEnded(stage, stage->complete);
  model_.held.erase(stage->index);
}

void ProgressState::WriteEnded(ShownStage* stage, bool all) {
  std::vector<EndedStep>& ended = stage->ended;
  size_t written = 0;
  uint32_t cached = 0;
  uint32_t settings = 0;
  for (size_t i = 0; i < ended.size(); ++i) {
    const EndedStep& step = ended[i];
    cached += step.end == StepEnd::kCached ? 1 : 0;
    settings += step.end == StepEnd::kSetting ? 1 : 0;
    const bool is_last = all && stage->running.empty() && i + 1 == ended.size();
    if (cached + settings > 0 && (step.end == StepEnd::kDone || (all && i + 1 == ended.size()))) {
      history_.push_back(FoldRow(cached, settings, is_last && step.end != StepEnd::kDone));
      cached = settings = 0;
      written = i + 1;
    }
    if (step.end == StepEnd::kDone) {
      history_.push_back(EndedRow(
          *stage, step,
          is_last || (step.index + 1 == stage->instructions.size() && stage->running.empty())));
      written = i + 1;
    }
  }
  ended.erase(ended.begin(), ended.begin() + static_cast<std::ptrdiff_t>(written));
}

void ProgressState::WriteUnfinished(std::string_view word, int64_t now_ns,
                                    const ShownStage* culprit, const RunningStep* culprit_step) {
  std::vector<ShownStage*> order;
  if (open_.has_value()) {
    order.push_back(&model_.stages[*open_]);
  }
  for (auto& [index, stage] : model_.stages) {
    if (index != open_ && &stage != culprit && (!stage.ended.empty() || !stage.running.empty())) {
      order.push_back(&stage);
    }
  }
  if (culprit != nullptr && culprit->index != open_) {
    order.push_back(&model_.stages[culprit->index]);
  }
  for (ShownStage* stage : order) {
    if (!stage->headed) {
      history_.push_back(StageHead(model_, *stage));
    }
    WriteEnded(stage, /*all=*/true);
    for (const auto& [index, step] : stage->running) {
      history_.push_back(
          UnfinishedRow(*stage, index, step, &step == culprit_step ? "" : word, now_ns));
    }
  }
  model_.stages.clear();
  model_.active.clear();
  model_.held.clear();
  model_.running = 0;
  incomplete_.clear();
  open_.reset();
}

void ProgressState::Complete(const v1::BuildComplete& complete) {
  WriteUnfinished("ended", 0, nullptr, nullptr);
  for (Row& row : SummaryRows(model_, complete)) {
    history_.push_back(std::move(row));
  }
  model_.phase = ProgressModel::Phase::kEnded;
}

void ProgressState::Failed(const v1::BuildFailed& failed, int64_t now_ns) {
  const v1::ErrorDetail& detail = failed.detail();
  const ShownStage* culprit = nullptr;
  RunningStep step;
  const RunningStep* culprit_step = nullptr;
  for (uint32_t index : model_.active) {
    ShownStage& stage = model_.stages[index];
    for (auto& [number, running] : stage.running) {
      if (culprit == nullptr && IsCulprit(stage, running, detail)) {
        culprit = &stage;
        culprit_step = &running;
        running.output.Flush();
        step = running;
      }
    }
  }
  // Without a place it is every running step's failure, or none's.
  WriteUnfinished(detail.source().first_line() == 0 ? "" : "canceled", now_ns, culprit,
                  culprit_step);
  Failure failure;
  failure.model = &model_;
  failure.detail = &detail;
  failure.step = culprit_step == nullptr ? nullptr : &step;
  for (Row& row : FailureRows(failure)) {
    history_.push_back(std::move(row));
  }
  model_.phase = ProgressModel::Phase::kEnded;
}

}  // namespace zlayer
