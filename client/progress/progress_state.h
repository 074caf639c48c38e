// Folds what happens to a build into what a screen shows of it.
#ifndef ZLAYER_CLIENT_PROGRESS_PROGRESS_STATE_H_
#define ZLAYER_CLIENT_PROGRESS_PROGRESS_STATE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "client/lib/upload_counts.h"
#include "client/progress/model.h"
#include "client/progress/row.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/events.pb.h"

namespace zlayer {

// Two things come of the events: the model, which is what happens now, and the history, which is
// what is over and will not change, in lines to be shown once and left in the scrollback.
//
// Decisions:
// - The history is grouped by stage, as a tree, although stages run at the same time. The first
//   stage of the plan that has not ended writes each step as it ends; a later one is held (the
//   model's `held`) until no stage is being written, then written whole. So a build with one stage
//   scrolls like a log, and one with twenty reads like one stage after another.
// - Cached steps that follow each other are one line, "5 cached"; so are changes of the
//   configuration (ENV, CMD), which are no work and count neither as cached nor as run.
// - What a cached step would have cost is not known, so no saved time is claimed.
// - Output stays on the screen only while its step runs, and in the history only where it failed:
//   `zlayer builds logs` has all of it.
// - Why a build failed, the sentence, is left to the caller.
//
// Memory: the plan's texts (each cut to 1 KiB) and 20 lines of output for each running step,
// however long the build is. Times are those of the events; durations never come out negative where
// two machines' clocks differ. Not thread-safe.
class ProgressState {
 public:
  // In order, each once.
  void Event(const v1::BuildEvent& event);
  // The context `name` ("" for the build context) is on its way; has arrived.
  void Uploading(std::string_view name, const UploadCounts& counts, int64_t now_ns);
  void ContextSent(std::string_view name, const v1::ContextReady& ready, int64_t now_ns);
  // The daemon does not answer; the next event ends this.
  void Lost(std::string_view reason, int64_t now_ns);
  // The user asked to stop. Events may go on.
  void Interrupted() { model_.interrupted = true; }
  // No event will come any more. Where the build did not end, what runs becomes history.
  void Leave(int64_t now_ns);

  const ProgressModel& model() const { return model_; }
  // What is over since the last call.
  std::vector<Row> TakeHistory();

 private:
  void Queued(const v1::BuildEvent& event, int64_t now_ns);
  void Started(int64_t now_ns);
  void Plan(const v1::BuildPlan& plan);
  void StageStarted(const v1::StageStarted& started, int64_t now_ns);
  void StageComplete(uint32_t index, int64_t now_ns);
  void StepStarted(const v1::InstructionStarted& started, int64_t now_ns);
  void StepComplete(const v1::InstructionComplete& complete);
  void Output(const v1::Output& output);
  void StepWaits(const v1::InstructionWaiting& waiting);
  void StepRetried(const v1::InstructionRetried& retried);
  void Progress(const v1::Progress& progress, int64_t now_ns);
  void Warn(const v1::Warning& warning);
  void Complete(const v1::BuildComplete& complete);
  void Failed(const v1::BuildFailed& failed, int64_t now_ns);

  // The stage, made where the plan did not have it; null where there are too many of those.
  ShownStage* Stage(uint32_t index);
  void Remember(const ShownStage& stage, const EndedStep& step);

  // Writes what may go into the history now.
  void Advance();
  void WriteStage(ShownStage* stage);
  void WriteEnded(ShownStage* stage, bool all);
  // Writes everything that did not end, with `word` for it; the culprit, if there is one, last.
  void WriteUnfinished(std::string_view word, int64_t now_ns, const ShownStage* culprit,
                       const RunningStep* culprit_step);

  ProgressModel model_;
  std::vector<Row> history_;
  std::set<uint32_t> incomplete_;  // stages of the plan that did not end
  std::optional<uint32_t> open_;   // the stage that is being written
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_PROGRESS_STATE_H_
