// The lines that stay: stages and steps that ended, how a build failed, what it made.
#ifndef ZLAYER_CLIENT_PROGRESS_HISTORY_H_
#define ZLAYER_CLIENT_PROGRESS_HISTORY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/progress/model.h"
#include "client/progress/row.h"
#include "zlayer/v1/events.pb.h"

namespace zlayer {

// "build FROM golang:1.21"
Row StageHead(const ProgressModel& model, const ShownStage& stage);

// "├ ✓ 3/7 RUN make   3.1s"; `text` is the instruction.
Row EndedRow(const ShownStage& stage, const EndedStep& step, bool last);

// "├ 5 cached, 2 settings"
Row FoldRow(uint32_t cached, uint32_t settings, bool last);

// A step that did not end: it failed where `word` is empty, else that is what became of it.
Row UnfinishedRow(const ShownStage& stage, uint32_t index, const RunningStep& step,
                  std::string_view word, int64_t now_ns);

struct Failure {
  const ProgressModel* model = nullptr;
  const v1::ErrorDetail* detail = nullptr;
  // The step that failed; null where none did.
  const RunningStep* step = nullptr;
};

// The last lines of the step's output, then the build file's lines with those around them (at most
// 12 of an instruction that is longer), with stage and exit code.
std::vector<Row> FailureRows(const Failure& failure);

// What was made, of how many steps, and the slowest of them.
std::vector<Row> SummaryRows(const ProgressModel& model, const v1::BuildComplete& complete);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_HISTORY_H_
