// Two builds beside each other: which stages and steps of an earlier one are those of this one.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_ALIGNMENT_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_ALIGNMENT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "backends/native/solver/plan.h"
#include "zlayer/internal/explanation.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// What is known of a build before it begins: the stages that its target needs, and the texts and
// definitions of their steps.
internal::ExplainedBuild OutlineOf(const v1::Graph& graph);

// The parts of a build by their indexes; null where it has none.
const internal::ExplainedStage* StageAt(const internal::ExplainedBuild& build, uint32_t stage);
const internal::ExplainedStep* StepAt(const internal::ExplainedStage& stage, uint32_t index);

// What a step was in the earlier build. At most one of the three.
struct StepMatch {
  // The step of the same text that is the same in the order of them all.
  const internal::ExplainedStep* same = nullptr;
  // Of another text and the same kind, in its place.
  const internal::ExplainedStep* instead = nullptr;
  // One of the same text stands elsewhere in the stage.
  bool moved = false;
};

// Stages are matched by name, the target's with the target's, and what is left by likeness: so an
// unnamed stage is found again though another came before it. Steps are matched as lines of two
// texts are. Immutable.
class Alignment {
 public:
  // Both must outlive the object.
  Alignment(const internal::ExplainedBuild& now, const internal::ExplainedBuild& before);

  // Null where there was none like it.
  const internal::ExplainedStage* StageOf(uint32_t stage) const;
  StepMatch StepOf(OperationId id) const;

  // How many steps are the same by their texts, and of these by all of their definitions.
  size_t same_texts() const { return same_texts_; }
  size_t same_definitions() const { return same_definitions_; }

 private:
  using Stage = internal::ExplainedStage;
  using Stages = std::map<uint32_t, const Stage*>;  // by index

  void MatchNames(Stages* now, Stages* before);
  void MatchTargets(Stages* now, Stages* before);
  void MatchLikest(Stages* now, Stages* before);
  void Pair(const Stage& now, const Stage& before, Stages* left_now, Stages* left_before);
  void MatchSteps(const Stage& now, const Stage& before);

  std::map<uint32_t, const Stage*> stages_;
  std::map<uint32_t, std::map<uint32_t, StepMatch>> steps_;  // by stage, then index
  size_t same_texts_ = 0;
  size_t same_definitions_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_ALIGNMENT_H_
