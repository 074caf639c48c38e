#include "client/progress/model.h"

#include <fmt/format.h>

#include <algorithm>

namespace zlayer {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kMarkEvery = 2 * kSecond;
constexpr int64_t kLeastTime = kSecond / 2;

}  // namespace

void Transfer::Update(uint64_t done, uint64_t total, int64_t now_ns) {
  if (newer_.time_ns == 0) {
    older_ = newer_ = {now_ns, done};
  } else if (now_ns - newer_.time_ns >= kMarkEvery) {
    older_ = newer_;
    newer_ = {now_ns, done};
  }
  done_ = done;
  total_ = total;
}

double Transfer::Rate(int64_t now_ns) const {
  const int64_t elapsed = now_ns - older_.time_ns;
  if (older_.time_ns == 0 || elapsed < kLeastTime || done_ < older_.bytes) {
    return 0;
  }
  return static_cast<double>(done_ - older_.bytes) * 1e9 / static_cast<double>(elapsed);
}

void OutputTail::Append(std::string_view data, bool is_stderr, bool partial) {
  std::string& line = partial_[is_stderr ? 1 : 0];
  if (!partial && data.ends_with('\n')) {
    data.remove_suffix(1);
  }
  while (!partial && data.ends_with('\r')) {
    data.remove_suffix(1);
  }
  if (size_t overwrite = data.rfind('\r'); overwrite != std::string_view::npos) {
    line.clear();
    data.remove_prefix(overwrite + 1);
  }
  line += data.substr(0, kMaxLine - std::min(kMaxLine, line.size()));
  if (!partial) {
    End(&line);
  }
}

void OutputTail::Flush() {
  for (std::string& line : partial_) {
    if (!line.empty()) {
      End(&line);
    }
  }
}

void OutputTail::End(std::string* line) {
  lines_[total_ % kLines].swap(*line);
  line->clear();
  ++total_;
}

std::string StageName(const ProgressModel& model, const ShownStage& stage) {
  return !stage.name.empty()       ? stage.name
         : model.stages.size() > 1 ? fmt::format("stage-{}", stage.index)
                                   : std::string();
}

std::string StepNumber(const ShownStage& stage, uint32_t index) {
  const uint64_t number = uint64_t{index} + 1;
  return stage.instructions.empty() ? fmt::format("{}", number)
                                    : fmt::format("{}/{}", number, stage.instructions.size());
}

std::string StepPlace(const ProgressModel& model, const ShownStage& stage, uint32_t index) {
  const std::string name = StageName(model, stage);
  return fmt::format("{}{}{}", name, name.empty() ? "" : " ", StepNumber(stage, index));
}

double SecondsFrom(int64_t from_ns, int64_t to_ns) {
  return to_ns > from_ns ? static_cast<double>(to_ns - from_ns) * 1e-9 : 0;
}

}  // namespace zlayer
