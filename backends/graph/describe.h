// A graph as its users see it.
#ifndef ZLAYER_BACKENDS_GRAPH_DESCRIBE_H_
#define ZLAYER_BACKENDS_GRAPH_DESCRIBE_H_

#include <string_view>

#include "zlayer/v1/events.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// Whether two names of stages mean the same: case does not count.
bool SameStageName(std::string_view a, std::string_view b);

// The stages of a validated graph that its target needs, with their instructions.
v1::BuildPlan DescribePlan(const v1::Graph& graph);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_GRAPH_DESCRIBE_H_
