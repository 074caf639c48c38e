// Which files a COPY takes from the tree that it copies from: one answer for the upload of a build
// context (only what is selected travels) and for the copy itself.
#ifndef ZLAYER_BACKENDS_GRAPH_SOURCES_H_
#define ZLAYER_BACKENDS_GRAPH_SOURCES_H_

#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/graph/exclude_patterns.h"
#include "base/path_pattern.h"
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

// Where a mount's source (graph.proto, Mount.source) is in `view`, symlinks followed. kNotFound
// where there is nothing.
absl::StatusOr<std::string> ResolveMountSource(const Rootfs& view, std::string_view source);

// The path of `name` in `directory`; the other one where one of them is empty.
std::string PathIn(std::string_view directory, std::string_view name);

// What users call a path of an input: of a context it is relative to all of the context
// ("src/a.c"), of a stage or image absolute ("/out/a.o").
std::string ShownPath(const v1::Input& input, std::string_view path);

// A source of a copy with `parents`, taken apart at its first "/./".
struct ParentsSource {
  // What is copied from: a pattern for MatchSource.
  std::string root;
  // What of it is copied, relative to `root`: with the rules of ExcludePatterns, `**` too. Empty
  // is all.
  std::string include;
};
// kInvalidArgument where the pattern is malformed.
absl::StatusOr<ParentsSource> SplitParentsSource(std::string_view pattern);

// What of a directory that is copied is taken: what `include` (empty: all) matches and `exclude`
// does not. The directory itself always is. `include` is a ParentsSource's; `exclude` must outlive
// the filter.
class SourceFilter {
 public:
  SourceFilter(std::string_view include, const ExcludePatterns* exclude);

  // `path` is relative to the directory, and clean.
  bool Takes(std::string_view path) const {
    return (!include_.has_value() || include_->MatchesOrParent(path)) && !exclude_->Matches(path);
  }

 private:
  std::optional<PathPattern> include_;
  const ExcludePatterns* exclude_;
};

// For each entry of a context's index, whether a needed stage of the graph selects it (or
// something below it: parents are selected too), to copy or to mount it. A source that matches
// nothing selects nothing; the operation reports it.
std::vector<bool> SelectFromContext(const v1::Graph& graph, std::string_view context,
                                    const std::shared_ptr<const LayerIndex>& index);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_GRAPH_SOURCES_H_
