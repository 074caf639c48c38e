// Checks of a graph that are the same for every backend, and what a graph says about itself.
#ifndef ZLAYER_BACKENDS_GRAPH_VALIDATE_H_
#define ZLAYER_BACKENDS_GRAPH_VALIDATE_H_

#include <absl/status/status.h>

#include <cstdint>
#include <vector>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// Seconds since 1970 of the last date whose year has four digits, as an image can hold.
inline constexpr uint64_t kMaxSourceDateEpoch = 253'402'300'799;

// kInvalidArgument where the graph breaks a rule of graph.proto: "stage 2 (build), operation 3 (RUN
// make): ...". Whoever has a validated graph may rely on every index and path in it.
absl::Status ValidateGraph(const v1::Graph& graph);

// For each stage, whether a target needs it.
std::vector<bool> NeededStages(const v1::Graph& graph);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_GRAPH_VALIDATE_H_
