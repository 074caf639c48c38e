#include "backends/native/solver/plan.h"

#include "backends/graph/validate.h"

namespace zlayer {

Plan::Plan(const v1::Graph& graph)
    : graph_(graph),
      needed_(NeededStages(graph)),
      kept_(graph.stages_size(), false),
      nodes_(graph.stages_size()) {
  for (uint32_t stage = graph.targets(0);;
       stage = graph.stages(stage).operations(0).stage().stage()) {
    kept_[stage] = true;
    if (!graph.stages(stage).operations(0).has_stage()) {
      break;
    }
  }
  for (uint32_t stage = 0; stage < nodes_.size(); ++stage) {
    if (!needed_[stage]) {
      continue;
    }
    const auto& operations = graph.stages(stage).operations();
    nodes_[stage].resize(operations.size());
    left_ += operations.size();
    for (uint32_t index = 0; index < nodes_[stage].size(); ++index) {
      const OperationId id{stage, index};
      const v1::Operation& operation = operations[index];
      if (index > 0) {
        nodes_[stage][index - 1].followers.push_back(id);
        ++At(id).waits_for;
      }
      if (operation.has_stage()) {
        Link(operation.stage().stage(), id);
      }
      for (const v1::Copy::Source& source : operation.copy().sources()) {
        if (source.from().has_stage()) {
          Link(source.from().stage(), id);
        }
      }
      for (const v1::Mount& mount : operation.run().mounts()) {
        if (mount.from().has_stage()) {
          Link(mount.from().stage(), id);
        }
      }
    }
  }
}

void Plan::Link(uint32_t from_stage, OperationId to) {
  nodes_[from_stage].back().followers.push_back(to);
  ++At(to).waits_for;
}

std::vector<OperationId> Plan::Start() const {
  std::vector<OperationId> ready;
  for (uint32_t stage = 0; stage < nodes_.size(); ++stage) {
    if (!nodes_[stage].empty() && nodes_[stage][0].waits_for == 0) {
      ready.push_back({stage, 0});
    }
  }
  return ready;
}

std::vector<OperationId> Plan::Done(OperationId done) {
  --left_;
  std::vector<OperationId> ready;
  for (const OperationId& follower : At(done).followers) {
    if (--At(follower).waits_for == 0) {
      ready.push_back(follower);
    }
  }
  return ready;
}

}  // namespace zlayer
