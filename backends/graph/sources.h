// Which files a COPY takes from the tree that it copies from: one answer for the upload of a build
// context (only what is selected travels) and for the copy itself.
#ifndef ZLAYER_BACKENDS_GRAPH_SOURCES_H_
#define ZLAYER_BACKENDS_GRAPH_SOURCES_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

#include "registry/layer/rootfs.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// A file or directory that a source names. `path` is where it is, symlinks followed; a directory
// stands for all below it. `name` is what it is called where it is copied into a directory.
struct SourceMatch {
  std::string path;
  std::string name;
};

// What the pattern (graph.proto, Copy.Source.path) means in `view`, in order of name. Empty where a
// pattern with wildcards matches nothing; kNotFound where a path without wildcards does not exist.
// Symlinks stay below the root.
absl::StatusOr<std::vector<SourceMatch>> MatchSource(const Rootfs& view, std::string_view pattern);

// For each entry of a context's index, whether a needed stage of the graph selects it (or
// something below it: parents are selected too). A source that matches nothing selects nothing; the
// copy reports it.
std::vector<bool> SelectFromContext(const v1::Graph& graph, std::string_view context,
                                    const std::shared_ptr<const LayerIndex>& index);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_GRAPH_SOURCES_H_
