// What the operations of a graph are to the scheduler: states that stages begin with, and steps.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_OPERATIONS_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_OPERATIONS_H_

#include <absl/status/statusor.h>

#include <stop_token>
#include <vector>

#include "backends/native/solver/built_stage.h"
#include "backends/native/solver/step.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// Of one build. Thread-safe: different stages run at the same time.
class Operations {
 public:
  // States of the stages by index; read only where the plan says that a stage is complete.
  using Stages = std::vector<BuiltStage>;

  virtual ~Operations() = default;

  // The state that a stage starts with; `operation` is its first. Of an image whose layers are not
  // here they are fetched, unless no operation of the graph needs any.
  virtual absl::StatusOr<BuiltStage> Base(const v1::Operation& operation, const Stages& stages,
                                          std::stop_token stop) = 0;

  // The step that makes the layer of `operation` on top of stages[stage]. Finds out what the step
  // reads, which may mean to fetch it: `sink` is told.
  virtual absl::StatusOr<Step> Prepare(const v1::Operation& operation, uint32_t stage,
                                       const Stages& stages, const StepSink& sink,
                                       std::stop_token stop) = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_OPERATIONS_H_
