// Why the steps of a build run: what changed since the nearest earlier build of the same target.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_EXPLAINER_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_EXPLAINER_H_

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

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
  // A layer by its id; an error where it is gone.
  std::function<absl::StatusOr<LayerRef>(const Digest& id)> layer;
};

// Of one build. Thread-safe.
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

  // What the build was made from so far, for later builds; empty where that is more than 4 MiB.
  std::string Serialize() const;

 private:
  using Build = internal::ExplainedBuild;
  using Stage = internal::ExplainedStage;
  using StepFacts = internal::ExplainedStep;

  // Layers to compare, and what to say where they differ; without layers they do.
  struct Below {
    std::string how;
    std::string before;
    std::string now;
  };

  const Build* Earlier();
  size_t Likeness(const Build& earlier) const;
  const Stage* Match(const Build& earlier, uint32_t stage) const;
  std::string WhatChanged(const StepFacts& before, const Step& step) const;
  std::string ChangedFiles(const Digest& before, const LayerIndex& now) const;
  std::string ChangedBelow(const Build& earlier, const Stage& before, OperationId id);
  bool CompareBelow(const Build& earlier, const Stage& before, uint32_t stage, uint32_t end,
                    std::vector<Below>* below) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool SameFiles(const std::string& before, const std::string& now) const;

  const v1::Graph& graph_;
  const ExplainerOptions options_;

  std::once_flag looked_;
  std::optional<Build> earlier_;  // constant once it was looked for

  mutable Mutex mutex_;
  std::map<uint32_t, Stage> stages_ ABSL_GUARDED_BY(mutex_);
  // By stage: what changed below a step of it also did below those that follow.
  std::map<uint32_t, std::string> changed_below_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_EXPLAINER_H_
