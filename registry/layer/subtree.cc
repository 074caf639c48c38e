#include "registry/layer/subtree.h"

#include <spdlog/fmt/fmt.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/rootfs.h"

namespace zlayer {
namespace {

absl::StatusOr<std::string> FindDirectory(const std::shared_ptr<const LayerIndex>& layer,
                                          std::string_view directory) {
  const Rootfs view({layer});
  ASSIGN_OR_RETURN(std::string path, view.Resolve(CleanPath(directory)));
  const std::optional<RootfsEntry> found = view.Lookup(path);
  if (!found.has_value()) {
    return NotFound(fmt::format("there is no directory {}", ToUtf8(directory)));
  }
  if (found->entry.type != EntryType::kDirectory) {
    return FailedPrecondition(fmt::format("{} is not a directory", ToUtf8(directory)));
  }
  return path;
}

}  // namespace

absl::StatusOr<Subtree> SubtreeOf(const std::shared_ptr<const LayerIndex>& layer,
                                  std::string_view directory) {
  ASSIGN_OR_RETURN(const std::string root, FindDirectory(layer, directory));
  if (root.empty()) {
    return Subtree{.index = layer, .first = 0};
  }
  Subtree subtree;
  subtree.first = layer->Find(root) + 1;
  LayerIndexBuilder builder;
  std::map<std::string, std::string> leaders;  // of hard links, by the leader in the layer
  const size_t end = layer->SubtreeEnd(root);
  for (size_t i = subtree.first; i < end; ++i) {
    Entry entry = layer->At(i);
    const std::string leader = entry.hard_link.empty() ? entry.path : entry.hard_link;
    entry.path = std::string(PathBelow(entry.path, root));
    if (entry.type == EntryType::kFile) {
      const auto [first, is_first] = leaders.try_emplace(leader, entry.path);
      entry.hard_link = is_first ? "" : first->second;
    }
    RETURN_IF_ERROR(builder.Add(std::move(entry)));
  }
  ASSIGN_OR_RETURN(std::string bytes, builder.Serialize());
  ASSIGN_OR_RETURN(std::shared_ptr<const LayerIndex> index,
                   LayerIndex::FromBytes(std::move(bytes)));
  const auto both = std::make_shared<
      std::pair<std::shared_ptr<const LayerIndex>, std::shared_ptr<const LayerIndex>>>(layer,
                                                                                       index);
  subtree.index = std::shared_ptr<const LayerIndex>(both, index.get());
  return subtree;
}

}  // namespace zlayer
