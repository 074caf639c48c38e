// The one meaning of ConfigChange, for frontends (which need to know the environment that an
// instruction sees) and for backends (which make the image's configuration).
#ifndef ZLAYER_BACKENDS_GRAPH_IMAGE_CONFIG_H_
#define ZLAYER_BACKENDS_GRAPH_IMAGE_CONFIG_H_

#include <string>
#include <string_view>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// What PATH is where an image sets none.
inline constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Applies one change, as Docker does: a variable that is set again keeps its place; an entrypoint
// that is set drops a command inherited from the base (the caller says whether the stage itself set
// one with `command_is_own`, which is kept up to date); args_escaped stays once a command was set;
// ports and volumes stay sorted and unique.
void ApplyConfigChange(const v1::ConfigChange& change, v1::ImageConfig* config,
                       bool* command_is_own);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_GRAPH_IMAGE_CONFIG_H_
