// Why the steps of a build run: what changed since the nearest earlier build of the same target.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_EXPLAINER_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_EXPLAINER_H_

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "backends/native/solver/alignment.h"
#include "backends/native/solver/built_stage.h"
#include "backends/native/solver/plan.h"
#include "backends/native/solver/step.h"
#include "base/mutex.h"
#include "zlayer/internal/explanation.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

struct ExplainerOptions {
  // What earlier builds of the target left (Serialize), the newest first. Called at the first miss.
  std::function<absl::StatusOr<std::vector<std::string>>()> earlier;
  // They may be of something else: one counts only where half of its steps and the build's are the
  // same by their texts.
  bool earlier_may_differ = false;
  // Files that a step on `platform` was made from, by what they contain or where they were; an
  // error where they are gone.
  std::function<absl::StatusOr<std::shared_ptr<const LayerIndex>>(
      const v1::Platform& platform, const Digest& content, const FilesOrigin& origin)>
      files;
  // Serialize leaves out what would make it longer.
  size_t max_bytes = size_t{4} << 20;
};

// Of one build. The nearest of the earlier builds is the one that shares most with it: texts and
// definitions of steps from the beginning, then, as they become known, bases, and what each step is
// made from; of several the one with the fewest other files, then the newest. Thread-safe.
class Explainer {
 public:
  // `graph` must outlive the explainer.
  Explainer(const v1::Graph& graph, ExplainerOptions options);

  // A stage has its base.
  void Began(uint32_t stage, const BuiltStage& state);
  // Why there is nothing in the cache for a step that has not been made yet: "first time",
  // "evicted", "miss: file src/a.c changed".
  std::string Explain(OperationId id, const Step& step);
  // A step was made or found.
  void Done(OperationId id, const Step& step, const StepResult& result);

  // What the build was made from so far, for later builds.
  std::string Serialize() const;

 private:
  using Build = internal::ExplainedBuild;
  using StageFacts = internal::ExplainedStage;
  using StepFacts = internal::ExplainedStep;

  // Of a step that is the same; what only its files say weighs less.
  static constexpr size_t kStepWeight = 4;

  // An earlier build, and what it shares with this one.
  struct Earlier {
    Earlier(Build earlier, const Build& outline)
        : build(std::move(earlier)),
          alignment(outline, build),
          alike(kStepWeight * (alignment.same_texts() + alignment.same_definitions())) {}

    const Build build;
    const Alignment alignment;
    size_t alike;
    // By stage: what changed below a step of it also did below those that follow.
    std::map<uint32_t, std::string> changed_below;
  };

  void FindEarlier() ABSL_LOCKS_EXCLUDED(mutex_);
  bool MayBeOfTheSame(const Earlier& earlier) const;
  void Record(OperationId id, const Step& step) ABSL_LOCKS_EXCLUDED(mutex_);
  void CountBase(const StageFacts& stage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountStep(OperationId id, const StepFacts& step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of this build; the graph has them.
  StageFacts* Stage(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  StepFacts* StepOf(OperationId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Null where there is none.
  Earlier* Nearest(OperationId id, const Step& step) ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<Earlier*> Likest() ABSL_LOCKS_EXCLUDED(mutex_);
  size_t OtherFiles(const Earlier& earlier, OperationId id, const Step& step) const;
  std::string Compare(Earlier* earlier, OperationId id, const Step& step)
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::string WhatChanged(const StepFacts& before, uint32_t stage, const Step& step) const;
  absl::StatusOr<std::shared_ptr<const LayerIndex>> FilesOf(const internal::ExplainedPart& part,
                                                            uint32_t stage) const;
  std::string ChangedFiles(const internal::ExplainedPart& before, uint32_t stage,
                           const StepPart& now) const;
  std::string ChangedBelow(Earlier* earlier, OperationId id) ABSL_LOCKS_EXCLUDED(mutex_);
  std::string CompareBelow(const Earlier& earlier, uint32_t stage, uint32_t end) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string CompareBase(const Earlier& earlier, const StageFacts& now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const v1::Graph& graph_;
  const ExplainerOptions options_;
  const Build outline_;

  std::once_flag looked_;
  mutable Mutex mutex_;
  Build now_ ABSL_GUARDED_BY(mutex_);  // the outline, filled in
  // The newest first; none is added after the first look.
  std::vector<std::unique_ptr<Earlier>> earlier_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_EXPLAINER_H_
