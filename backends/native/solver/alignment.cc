#include "backends/native/solver/alignment.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "backends/graph/describe.h"
#include "backends/graph/validate.h"
#include "base/digest.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

constexpr size_t kDefinitionBytes = 8;
constexpr size_t kMaxCells = size_t{1} << 20;  // of a table of common texts

using internal::ExplainedStage;
using internal::ExplainedStep;

// All that says what an operation does to files, but for what it is called and the numbers of
// stages, which change when one is inserted.
std::string DefinitionOf(const v1::Stage& stage, const v1::Operation& operation) {
  v1::Operation bare;
  if (operation.has_run()) {
    *bare.mutable_run() = operation.run();
    bare.mutable_run()->clear_proxy_env();
    for (v1::Mount& mount : *bare.mutable_run()->mutable_mounts()) {
      if (mount.from().has_stage()) {
        mount.mutable_from()->set_stage(0);
      }
    }
  } else if (operation.has_copy()) {
    *bare.mutable_copy() = operation.copy();
    for (v1::Copy::Source& source : *bare.mutable_copy()->mutable_sources()) {
      if (source.from().has_stage()) {
        source.mutable_from()->set_stage(0);
      }
    }
  } else {
    *bare.mutable_make_directory() = operation.make_directory();
  }
  const std::string bytes = stage.platform().SerializeAsString() + "/" + bare.SerializeAsString();
  return std::string(Digest::Of(bytes).Bytes().substr(0, kDefinitionBytes));
}

std::string_view FirstWord(std::string_view text) { return text.substr(0, text.find(' ')); }

size_t CommonTexts(const ExplainedStage& a, const ExplainedStage& b) {
  std::multiset<std::string_view> texts;
  for (const ExplainedStep& step : a.steps()) {
    texts.insert(step.text());
  }
  size_t common = 0;
  for (const ExplainedStep& step : b.steps()) {
    if (const auto found = texts.find(step.text()); found != texts.end()) {
      texts.erase(found);
      ++common;
    }
  }
  return common;
}

// A range of the steps of two stages.
struct Range {
  int now, now_end;
  int before, before_end;
};

// For each step of `now` the one of `before` that a longest common sequence of their texts pairs it
// with, or -1. Ranges that would need too large a table are cut to what is equal at their ends.
class CommonSequence {
 public:
  CommonSequence(const ExplainedStage& now, const ExplainedStage& before)
      : now_(now), before_(before), pairs_(static_cast<size_t>(now.steps_size()), -1) {
    Range range{0, now.steps_size(), 0, before.steps_size()};
    for (; !Empty(range) && Same(range.now, range.before); ++range.now, ++range.before) {
      Pair(range.now, range.before);
    }
    for (; !Empty(range) && Same(range.now_end - 1, range.before_end - 1);
         --range.now_end, --range.before_end) {
      Pair(range.now_end - 1, range.before_end - 1);
    }
    PairInner(range);
  }

  const std::vector<int>& pairs() const { return pairs_; }

 private:
  static bool Empty(const Range& range) {
    return range.now == range.now_end || range.before == range.before_end;
  }
  bool Same(int now, int before) const {
    return now_.steps(now).text() == before_.steps(before).text();
  }
  void Pair(int now, int before) { pairs_[static_cast<size_t>(now)] = before; }

  void PairInner(const Range& range) {
    const auto rows = static_cast<size_t>(range.now_end - range.now);
    const auto columns = static_cast<size_t>(range.before_end - range.before);
    if (Empty(range) || rows > kMaxCells / columns) {
      return;
    }
    // Length of the longest common sequence of what follows (row, column).
    std::vector<std::vector<uint32_t>> length(rows + 1, std::vector<uint32_t>(columns + 1));
    const auto same = [&](size_t row, size_t column) {
      return Same(range.now + static_cast<int>(row), range.before + static_cast<int>(column));
    };
    for (size_t row = rows; row-- > 0;) {
      for (size_t column = columns; column-- > 0;) {
        length[row][column] = same(row, column)
                                  ? length[row + 1][column + 1] + 1
                                  : std::max(length[row + 1][column], length[row][column + 1]);
      }
    }
    for (size_t row = 0, column = 0; row < rows && column < columns;) {
      if (same(row, column)) {
        Pair(range.now + static_cast<int>(row++), range.before + static_cast<int>(column++));
      } else if (length[row + 1][column] >= length[row][column + 1]) {
        ++row;
      } else {
        ++column;
      }
    }
  }

  const ExplainedStage& now_;
  const ExplainedStage& before_;
  std::vector<int> pairs_;
};

}  // namespace

internal::ExplainedBuild OutlineOf(const v1::Graph& graph) {
  internal::ExplainedBuild outline;
  const std::vector<bool> needed = NeededStages(graph);
  for (int i = 0; i < graph.stages_size(); ++i) {
    if (!needed[static_cast<size_t>(i)]) {
      continue;
    }
    const v1::Stage& stage = graph.stages(i);
    ExplainedStage& outlined = *outline.add_stages();
    outlined.set_index(static_cast<uint32_t>(i));
    outlined.set_name(stage.name());
    outlined.set_build(stage.build());
    outlined.set_base_text(stage.base_text());
    outlined.set_platform(FormatPlatform(stage.platform()));
    outlined.set_is_target(graph.targets(0) == static_cast<uint32_t>(i));
    if (stage.operations(0).has_stage()) {
      outlined.set_base_stage(stage.operations(0).stage().stage() + 1);
    }
    for (int j = 1; j < stage.operations_size(); ++j) {
      const v1::Operation& operation = stage.operations(j);
      if (operation.kind_case() == v1::Operation::KIND_NOT_SET) {
        continue;
      }
      ExplainedStep& step = *outlined.add_steps();
      step.set_index(static_cast<uint32_t>(j));
      step.set_text(operation.text());
      step.set_definition(DefinitionOf(stage, operation));
    }
  }
  return outline;
}

const ExplainedStage* StageAt(const internal::ExplainedBuild& build, uint32_t stage) {
  const auto found = std::lower_bound(
      build.stages().begin(), build.stages().end(), stage,
      [](const ExplainedStage& other, uint32_t wanted) { return other.index() < wanted; });
  return found == build.stages().end() || found->index() != stage ? nullptr : &*found;
}

const ExplainedStep* StepAt(const ExplainedStage& stage, uint32_t index) {
  const auto found = std::lower_bound(
      stage.steps().begin(), stage.steps().end(), index,
      [](const ExplainedStep& other, uint32_t wanted) { return other.index() < wanted; });
  return found == stage.steps().end() || found->index() != index ? nullptr : &*found;
}

Alignment::Alignment(const internal::ExplainedBuild& now, const internal::ExplainedBuild& before) {
  Stages left_now;
  Stages left_before;
  for (const Stage& stage : now.stages()) {
    left_now[stage.index()] = &stage;
  }
  for (const Stage& stage : before.stages()) {
    left_before[stage.index()] = &stage;
  }
  MatchNames(&left_now, &left_before);
  MatchTargets(&left_now, &left_before);
  MatchLikest(&left_now, &left_before);
}

void Alignment::MatchNames(Stages* now, Stages* before) {
  const auto wanted = *now;
  for (const auto& entry : wanted) {
    const auto* const stage = entry.second;  // no binding, which clang 14 does not capture
    const auto found = std::find_if(before->begin(), before->end(), [&](const auto& other) {
      return !stage->name().empty() && SameStageName(other.second->name(), stage->name()) &&
             other.second->build() == stage->build();
    });
    if (found != before->end()) {
      Pair(*stage, *found->second, now, before);
    }
  }
}

void Alignment::MatchTargets(Stages* now, Stages* before) {
  const auto is_target = [](const auto& stage) { return stage.second->is_target(); };
  const auto target = std::find_if(now->begin(), now->end(), is_target);
  const auto target_before = std::find_if(before->begin(), before->end(), is_target);
  if (target != now->end() && target_before != before->end()) {
    Pair(*target->second, *target_before->second, now, before);
  }
}

void Alignment::MatchLikest(Stages* now, Stages* before) {
  const auto wanted = *now;
  for (const auto& [index, stage] : wanted) {
    const Stage* likest = nullptr;
    size_t most = 0;
    for (const auto& [other_index, other] : *before) {
      const size_t common = CommonTexts(*stage, *other);
      if (common > most) {
        most = common;
        likest = other;
      }
    }
    if (likest != nullptr) {
      Pair(*stage, *likest, now, before);
    }
  }
}

void Alignment::Pair(const Stage& now, const Stage& before, Stages* left_now, Stages* left_before) {
  stages_[now.index()] = &before;
  left_now->erase(now.index());
  left_before->erase(before.index());
  MatchSteps(now, before);
}

void Alignment::MatchSteps(const Stage& now, const Stage& before) {
  const std::vector<int> pairs = CommonSequence(now, before).pairs();
  std::set<std::string_view> unpaired;  // texts of `before`
  for (const ExplainedStep& step : before.steps()) {
    unpaired.insert(step.text());
  }
  for (int before_at : pairs) {
    if (before_at >= 0) {
      unpaired.erase(before.steps(before_at).text());
    }
  }
  std::map<uint32_t, StepMatch>& matches = steps_[now.index()];
  int next_before = 0;
  for (int i = 0; i < now.steps_size(); ++i) {
    const ExplainedStep& step = now.steps(i);
    StepMatch& match = matches[step.index()];
    if (const int pair = pairs[static_cast<size_t>(i)]; pair >= 0) {
      match.same = &before.steps(pair);
      next_before = pair + 1;
      ++same_texts_;
      same_definitions_ += match.same->definition() == step.definition() ? 1 : 0;
      continue;
    }
    if (unpaired.count(step.text()) != 0) {
      match.moved = true;
      continue;
    }
    const auto following =
        std::find_if(pairs.begin() + i, pairs.end(), [](int pair) { return pair >= 0; });
    const int end = following == pairs.end() ? before.steps_size() : *following;
    for (int j = next_before; j < end; ++j) {
      if (FirstWord(before.steps(j).text()) == FirstWord(step.text())) {
        match.instead = &before.steps(j);
        next_before = j + 1;
        break;
      }
    }
  }
}

const ExplainedStage* Alignment::StageOf(uint32_t stage) const {
  const auto found = stages_.find(stage);
  return found == stages_.end() ? nullptr : found->second;
}

StepMatch Alignment::StepOf(OperationId id) const {
  const auto stage = steps_.find(id.stage);
  if (stage == steps_.end()) {
    return {};
  }
  const auto step = stage->second.find(id.index);
  return step == stage->second.end() ? StepMatch() : step->second;
}

}  // namespace zlayer
