// What a build would be made from, as one digest.
#ifndef ZLAYER_DAEMON_BUILD_SOURCE_HASH_H_
#define ZLAYER_DAEMON_BUILD_SOURCE_HASH_H_

#include <absl/status/statusor.h>

#include <map>
#include <optional>
#include <string>

#include "base/digest.h"
#include "registry/store.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

struct BuildSources {
  Store* store = nullptr;
  std::string name_space;
  std::map<std::string, std::string> contexts;  // name to id in the ContextStore
};

// Equal for builds that would make the same image: of the graph, whose images have their digests;
// of what it selects of the contexts, without times and owners, as a copy has it; and of the
// options of `spec` that show in the image. Where the graph downloads something that nothing pins
// (a URL without a checksum, a branch) nobody can tell before it is fetched: then `unpinned` is its
// URL, without credentials. kNotFound where a context is gone.
struct SourceHash {
  Digest digest;
  std::optional<std::string> unpinned;
};
absl::StatusOr<SourceHash> SourceHashOf(const BuildSources& sources, const v1::BuildSpec& spec,
                                        const v1::Graph& graph);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_SOURCE_HASH_H_
