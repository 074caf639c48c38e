#include "client/cli/explanation.h"

#include <fmt/format.h>

#include <vector>

#include "client/cli/session.h"
#include "client/progress/screen_text.h"
#include "client/progress/text.h"

namespace zlayer {

void Explanation::Add(const v1::BuildEvent& event) {
  if (event.has_build_plan()) {
    stages_.clear();
    steps_.clear();
    for (const v1::PlannedStage& stage : event.build_plan().stages()) {
      stages_[stage.index()] = stage;
    }
  } else if (event.has_instruction_started()) {
    const v1::InstructionStarted& started = event.instruction_started();
    Step& step = steps_[{started.stage(), started.index()}];
    step.state = "running";
    step.reason = "the cache was not asked for it";
    step.source = started.source();
  } else if (event.has_instruction_missed()) {
    const v1::InstructionMissed& missed = event.instruction_missed();
    steps_[{missed.stage(), missed.index()}].reason = missed.reason();
  } else if (event.has_instruction_complete()) {
    const v1::InstructionComplete& complete = event.instruction_complete();
    Step& step = steps_[{complete.stage(), complete.index()}];
    step.complete = true;
    step.state = complete.cached() ? "cached" : fmt::format("ran {:.1f}s", complete.seconds());
    step.reason = complete.reason();
  } else if (event.has_build_failed()) {
    Failed(event.build_failed().detail().source());
  } else if (event.has_build_canceled()) {
    EndRunning("canceled");
  }
}

// What failed cancels the others; without a place it may be any of them.
void Explanation::Failed(const v1::SourceRange& culprit) {
  for (auto& [place, step] : steps_) {
    if (!step.complete && step.source.first_line() == culprit.first_line() &&
        step.source.file() == culprit.file()) {
      step.complete = true;
      step.state = "failed";
    }
  }
  EndRunning(culprit.first_line() == 0 ? "failed" : "canceled");
}

void Explanation::EndRunning(const std::string& state) {
  for (auto& [place, step] : steps_) {
    if (!step.complete) {
      step.complete = true;
      step.state = state;
    }
  }
}

std::string Explanation::Text() const {
  std::vector<std::vector<std::string>> rows = {{"STEP", "", "WHY", "INSTRUCTION"}};
  for (const auto& [place, step] : steps_) {
    const auto stage = stages_.find(place.first);
    if (stage == stages_.end() ||
        place.second >= static_cast<uint32_t>(stage->second.instructions_size())) {
      continue;
    }
    rows.push_back({StepPlace(stages_, place.first, place.second), step.state,
                    Printable(step.reason),
                    Printable(stage->second.instructions(static_cast<int>(place.second)))});
  }
  return FormatTable(rows);
}

}  // namespace zlayer
