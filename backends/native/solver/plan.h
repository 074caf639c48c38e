// Which operation of a graph may run when. Pure: no threads, no I/O.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_PLAN_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_PLAN_H_

#include <compare>
#include <cstdint>
#include <vector>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

struct OperationId {
  uint32_t stage = 0;
  uint32_t index = 0;
  auto operator<=>(const OperationId&) const = default;
};

// An operation waits for the one before it in its stage, and for the last one of every stage that
// it reads from. Stages that no target needs are not in the plan. Not thread-safe.
class Plan {
 public:
  // `graph` is validated and must outlive the plan.
  explicit Plan(const v1::Graph& graph);

  // What can run at once at the beginning.
  std::vector<OperationId> Start() const;
  // `done` has run: what can run now that could not before.
  std::vector<OperationId> Done(OperationId done);
  // All that had to run has run.
  bool finished() const { return left_ == 0; }

  bool needed(uint32_t stage) const { return needed_[stage]; }
  // Whether layers of the stage will be in the target's image.
  bool kept(uint32_t stage) const { return kept_[stage]; }

 private:
  struct Node {
    uint32_t waits_for = 0;
    std::vector<OperationId> followers;
  };
  Node& At(OperationId id) { return nodes_[id.stage][id.index]; }
  void Link(uint32_t from_stage, OperationId to);

  const v1::Graph& graph_;
  std::vector<bool> needed_;
  std::vector<bool> kept_;
  std::vector<std::vector<Node>> nodes_;
  size_t left_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_PLAN_H_
