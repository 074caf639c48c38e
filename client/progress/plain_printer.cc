#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>

#include "client/progress/printer.h"
#include "client/progress/retry_text.h"
#include "client/progress/screen_text.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

// Of one output line that comes in parts.
constexpr size_t kMaxPartial = size_t{1} << 20;

struct Step {
  uint32_t number = 0;
  google::protobuf::Timestamp started;
  v1::SourceRange source;
  std::string missed;  // why the cache has nothing for it
  // What came of a line so far, by stream: stdout, stderr.
  std::string partial[2];
};

class PlainPrinter : public ProgressPrinter {
 public:
  PlainPrinter(LineSink sink, bool explain) : sink_(std::move(sink)), explain_(explain) {}

  void ContextSent(std::string_view name, const v1::ContextReady& ready) override;
  void Event(const v1::BuildEvent& event) override;

 private:
  using Key = std::pair<uint32_t, uint32_t>;  // stage, index

  void Queued(const v1::BuildEvent& event);
  void Waiting(const v1::BuildWaiting& waiting);
  void Plan(const v1::BuildPlan& plan);
  Step& Begin(const Key& key, std::string_view instruction,
              const google::protobuf::Timestamp& time);
  void Output(const v1::Output& output, const google::protobuf::Timestamp& time);
  void OutputLine(const Step& step, std::string_view line, const google::protobuf::Timestamp& time);
  void FlushPartial(Step& step, const google::protobuf::Timestamp& time);
  void Transfer(const v1::Progress& progress);
  void StepMissed(const v1::InstructionMissed& missed);
  void StepWaits(const v1::InstructionWaiting& waiting);
  void StepRetried(const v1::InstructionRetried& retried, const google::protobuf::Timestamp& time);
  void Warn(const v1::Warning& warning);
  void End(const v1::BuildEvent& event);
  void Failed(const v1::BuildEvent& event);
  void EndRunning(std::string_view word, const google::protobuf::Timestamp& time);
  void Result(const v1::BuildComplete& result);
  // " (miss: file a changed)" where reasons are shown and there is one.
  std::string Why(const std::string& reason) const;
  // "[build 2/5]"; without a plan, "[2]".
  std::string Place(const Key& key) const;
  void Line(std::string_view text) { sink_(fmt::format("{}\n", text)); }

  const LineSink sink_;
  const bool explain_;
  std::map<uint32_t, v1::PlannedStage> stages_;
  std::map<Key, Step> running_;
  uint32_t last_number_ = 0;
};

void PlainPrinter::ContextSent(std::string_view name, const v1::ContextReady& ready) {
  Line(fmt::format("context{}{}: {} files, {}, of which {} sent", name.empty() ? "" : " ", name,
                   ready.files_selected(), FormatSize(ready.bytes_selected()),
                   FormatSize(ready.bytes_received())));
}

void PlainPrinter::Event(const v1::BuildEvent& event) {
  switch (event.event_case()) {
    case v1::BuildEvent::kBuildQueued:
      return Queued(event);
    case v1::BuildEvent::kBuildWaiting:
      return Waiting(event.build_waiting());
    case v1::BuildEvent::kBuildPlan:
      return Plan(event.build_plan());
    case v1::BuildEvent::kInstructionStarted: {
      const v1::InstructionStarted& started = event.instruction_started();
      Key key(started.stage(), started.index());
      Begin(key, started.instruction(), event.time()).source = started.source();
      return;
    }
    case v1::BuildEvent::kOutput:
      return Output(event.output(), event.time());
    case v1::BuildEvent::kProgress:
      return Transfer(event.progress());
    case v1::BuildEvent::kInstructionMissed:
      return StepMissed(event.instruction_missed());
    case v1::BuildEvent::kInstructionWaiting:
      return StepWaits(event.instruction_waiting());
    case v1::BuildEvent::kInstructionRetried:
      return StepRetried(event.instruction_retried(), event.time());
    case v1::BuildEvent::kWarning:
      return Warn(event.warning());
    case v1::BuildEvent::kInstructionComplete:
      return End(event);
    case v1::BuildEvent::kBuildComplete:
      return Result(event.build_complete());
    case v1::BuildEvent::kBuildFailed:
      return Failed(event);
    case v1::BuildEvent::kBuildCanceled:
      return EndRunning("CANCELED", event.time());
    default:
      return;
  }
}

void PlainPrinter::Queued(const v1::BuildEvent& event) {
  if (event.build_queued().attempt() > 1) {
    EndRunning("INTERRUPTED", event.time());
    Line(fmt::format("build {}: the daemon was restarted, attempt {}", event.build_id(),
                     event.build_queued().attempt()));
    return;
  }
  Line(fmt::format("build {}", event.build_id()));
}

void PlainPrinter::Waiting(const v1::BuildWaiting& waiting) {
  std::string before;
  if (waiting.position() > 0) {
    before = fmt::format("{} build{} before this one", waiting.position(),
                         waiting.position() == 1 ? "" : "s");
  }
  Line(fmt::format("waiting: {}{}{}", before,
                   before.empty() || waiting.reason().empty() ? "" : ": ", waiting.reason()));
}

void PlainPrinter::Plan(const v1::BuildPlan& plan) {
  stages_.clear();
  for (const v1::PlannedStage& stage : plan.stages()) {
    stages_[stage.index()] = stage;
  }
}

std::string PlainPrinter::Why(const std::string& reason) const {
  return explain_ && !reason.empty() ? fmt::format(" ({})", Printable(reason)) : "";
}

std::string PlainPrinter::Place(const Key& key) const {
  return fmt::format("[{}]", StepPlace(stages_, key.first, key.second));
}

Step& PlainPrinter::Begin(const Key& key, std::string_view instruction,
                          const google::protobuf::Timestamp& time) {
  Step& step = running_[key];
  step = Step();
  step.number = ++last_number_;
  step.started = time;
  Line(fmt::format("#{} {} {}", step.number, Place(key), instruction));
  return step;
}

void PlainPrinter::Output(const v1::Output& output, const google::protobuf::Timestamp& time) {
  auto running = running_.find(Key(output.stage(), output.index()));
  if (running == running_.end()) {
    return;
  }
  Step& step = running->second;
  std::string& partial = step.partial[output.is_stderr() ? 1 : 0];
  partial += output.data();
  if (!output.partial() || partial.size() >= kMaxPartial) {
    OutputLine(step, std::exchange(partial, {}), time);
  }
}

void PlainPrinter::OutputLine(const Step& step, std::string_view line,
                              const google::protobuf::Timestamp& time) {
  if (line.ends_with('\n')) {
    line.remove_suffix(1);
  }
  std::string text = fmt::format("#{} {:.3f} ", step.number, SecondsBetween(step.started, time));
  Line(text.append(line));
}

void PlainPrinter::FlushPartial(Step& step, const google::protobuf::Timestamp& time) {
  for (std::string& partial : step.partial) {
    if (!partial.empty()) {
      OutputLine(step, std::exchange(partial, {}), time);
    }
  }
}

void PlainPrinter::Transfer(const v1::Progress& progress) {
  auto running = running_.find(Key(progress.stage(), progress.index()));
  if (!progress.complete() || running == running_.end()) {
    return;
  }
  Line(fmt::format("#{} {} {}", running->second.number, progress.item(),
                   FormatSize(progress.bytes_done())));
}

void PlainPrinter::StepMissed(const v1::InstructionMissed& missed) {
  auto running = running_.find(Key(missed.stage(), missed.index()));
  if (running != running_.end()) {
    running->second.missed = missed.reason();
  }
}

void PlainPrinter::StepWaits(const v1::InstructionWaiting& waiting) {
  auto running = running_.find(Key(waiting.stage(), waiting.index()));
  if (running != running_.end()) {
    Line(fmt::format("#{} waiting: {}", running->second.number, waiting.reason()));
  }
}

void PlainPrinter::StepRetried(const v1::InstructionRetried& retried,
                               const google::protobuf::Timestamp& time) {
  auto running = running_.find(Key(retried.stage(), retried.index()));
  if (running != running_.end()) {
    FlushPartial(running->second, time);
    Line(fmt::format("#{} {}", running->second.number, RetryText(retried)));
  }
}

void PlainPrinter::Warn(const v1::Warning& warning) {
  std::string place;
  if (warning.source().first_line() > 0) {
    place = fmt::format("{}:{}: ", warning.source().file(), warning.source().first_line());
  }
  Line(fmt::format("WARNING: {}{} ({})", place, warning.message(), warning.rule()));
}

void PlainPrinter::End(const v1::BuildEvent& event) {
  const v1::InstructionComplete& complete = event.instruction_complete();
  Key key(complete.stage(), complete.index());
  auto running = running_.find(key);
  if (running == running_.end()) {
    auto stage = stages_.find(key.first);
    bool planned = stage != stages_.end() &&
                   key.second < static_cast<uint32_t>(stage->second.instructions_size());
    Begin(key, planned ? stage->second.instructions(static_cast<int>(key.second)) : "step",
          event.time());
    running = running_.find(key);
  }
  Step& step = running->second;
  FlushPartial(step, event.time());
  const std::string why = Why(complete.reason());
  Line(complete.cached() ? fmt::format("#{} CACHED{}", step.number, why)
                         : fmt::format("#{} DONE {:.1f}s{}", step.number, complete.seconds(), why));
  running_.erase(running);
}

void PlainPrinter::Failed(const v1::BuildEvent& event) {
  const v1::SourceRange& culprit = event.build_failed().detail().source();
  for (auto step = running_.begin(); step != running_.end();) {
    if (step->second.source.first_line() != culprit.first_line() ||
        step->second.source.file() != culprit.file()) {
      ++step;
      continue;
    }
    FlushPartial(step->second, event.time());
    Line(fmt::format("#{} ERROR{}", step->second.number, Why(step->second.missed)));
    step = running_.erase(step);
  }
  EndRunning(culprit.first_line() == 0 ? "ERROR" : "CANCELED", event.time());
}

void PlainPrinter::EndRunning(std::string_view word, const google::protobuf::Timestamp& time) {
  std::map<uint32_t, Step*> by_number;
  for (auto& [key, step] : running_) {
    by_number[step.number] = &step;
  }
  for (auto& [number, step] : by_number) {
    FlushPartial(*step, time);
    Line(fmt::format("#{} {}{}", number, word, Why(step->missed)));
  }
  running_.clear();
}

void PlainPrinter::Result(const v1::BuildComplete& result) {
  if (result.unchanged()) {
    Line("unchanged: the image was made from the same sources before");
  }
  Line(fmt::format("image {}", result.image_id()));
  Line(fmt::format("manifest {}", result.manifest_digest()));
  for (const std::string& tag : result.tags()) {
    Line(fmt::format("tag {}", tag));
  }
  Line(fmt::format("{} layers, {}, {:.1f}s", result.layer_count(), FormatSize(result.size_bytes()),
                   result.seconds()));
}

}  // namespace

std::unique_ptr<ProgressPrinter> MakePlainPrinter(LineSink sink, bool explain) {
  return std::make_unique<PlainPrinter>(std::move(sink), explain);
}

}  // namespace zlayer
