#include "backends/graph/describe.h"

#include <vector>

#include "backends/graph/validate.h"
#include "base/strings.h"

namespace zlayer {

bool SameStageName(std::string_view a, std::string_view b) { return ToLower(a) == ToLower(b); }

v1::BuildPlan DescribePlan(const v1::Graph& graph) {
  v1::BuildPlan plan;
  const std::vector<bool> needed = NeededStages(graph);
  for (int i = 0; i < graph.stages_size(); ++i) {
    if (!needed[static_cast<size_t>(i)]) {
      continue;
    }
    const v1::Stage& stage = graph.stages(i);
    v1::PlannedStage& planned = *plan.add_stages();
    planned.set_index(static_cast<uint32_t>(i));
    planned.set_name(stage.name());
    planned.set_base_image(stage.base_text());
    planned.set_build(stage.build());
    for (int j = 1; j < stage.operations_size(); ++j) {
      planned.add_instructions(stage.operations(j).text());
    }
  }
  return plan;
}

}  // namespace zlayer
