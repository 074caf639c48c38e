// What a request asks of every RUN.
#ifndef ZLAYER_DAEMON_BUILD_RUN_DEFAULTS_H_
#define ZLAYER_DAEMON_BUILD_RUN_DEFAULTS_H_

#include <absl/status/status.h>

#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// kInvalidArgument where an entry of `default_cache_mounts` is no cache mount that begins empty, or
// has no absolute target of its own.
absl::Status CheckRunDefaults(const v1::BuildSpec& spec);

// Writes them into a graph, so that plans show them and keys hold them. A RUN gets the mounts of
// `default_cache_mounts` at whose targets it has none itself; an empty id is the target. With
// `host_network` one that asks for no network runs on the host's. `spec` passed CheckRunDefaults.
void ApplyRunDefaults(const v1::BuildSpec& spec, v1::Graph* graph);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_RUN_DEFAULTS_H_
