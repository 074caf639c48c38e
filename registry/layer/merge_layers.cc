#include "registry/layer/merge_layers.h"

#include <cstddef>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "base/status_macros.h"

namespace zlayer {
namespace {

using Layers = std::vector<std::shared_ptr<const LayerIndex>>;

struct Merged {
  Entry entry;
  size_t layer = 0;                  // that the entry is of
  std::optional<size_t> hides_from;  // nothing of this path in layers below this one counts
};

struct PathOrder {
  bool operator()(const std::string& a, const std::string& b) const {
    return ComparePaths(a, b) < 0;
  }
};

// What the layers say of each path, the topmost first.
class Merger {
 public:
  // Layers come from the top down.
  void Take(const LayerIndex& index, size_t layer) {
    for (size_t i = 0; i < index.size();) {
      i = TakeEntry(index, i, layer) ? i + 1 : index.SubtreeEnd(index.PathAt(i));
    }
  }

  absl::StatusOr<std::string> Finish(const Rootfs& below);

 private:
  // Whether what is below the path counts, too.
  bool TakeEntry(const LayerIndex& index, size_t i, size_t layer);
  // What of an entry is needed over what `below` has at its path; whether the entry is.
  static bool Fit(const std::optional<RootfsEntry>& lower, Entry* entry);
  void LinkToFirst(size_t layer, Entry* entry);

  std::map<std::string, Merged, PathOrder> entries_;
  // The first path that is left of each group of hard links: by layer and leader.
  std::map<std::pair<size_t, std::string>, std::string> first_links_;
};

bool Merger::TakeEntry(const LayerIndex& index, size_t i, size_t layer) {
  const auto [at, is_new] = entries_.try_emplace(std::string(index.PathAt(i)));
  Merged& merged = at->second;
  if (is_new) {
    merged.entry = index.At(i);
    merged.layer = layer;
  } else if (merged.hides_from.has_value() && layer < *merged.hides_from) {
    return false;
  } else if (index.TypeAt(i) != EntryType::kDirectory) {
    // A directory above took the place of this: it begins empty.
    merged.entry.opaque = true;
  } else {
    const Entry lower = index.At(i);
    merged.entry.implied_parent = merged.entry.implied_parent && lower.implied_parent;
    merged.entry.opaque = merged.entry.opaque || lower.opaque;
  }
  if (index.HidesAt(i)) {
    merged.hides_from = layer;
  }
  return is_new || index.TypeAt(i) == EntryType::kDirectory;
}

bool Merger::Fit(const std::optional<RootfsEntry>& lower, Entry* entry) {
  if (entry->type == EntryType::kWhiteout) {
    return lower.has_value();
  }
  const bool is_directory = lower.has_value() && lower->entry.type == EntryType::kDirectory;
  entry->opaque = entry->opaque && is_directory;
  entry->implied_parent = entry->implied_parent && is_directory;
  return true;
}

// The leader may be gone, or no longer the first.
void Merger::LinkToFirst(size_t layer, Entry* entry) {
  const std::string& leader = entry->hard_link.empty() ? entry->path : entry->hard_link;
  const auto [first, is_first] = first_links_.try_emplace({layer, leader}, entry->path);
  entry->hard_link = is_first ? "" : first->second;
}

absl::StatusOr<std::string> Merger::Finish(const Rootfs& below) {
  LayerIndexBuilder builder;
  // A directory in which nothing of `below` can be seen. The root is in `below` where nothing is.
  std::optional<std::string> bare;
  if (below.layers().empty()) {
    bare = "";
  }
  for (auto& [path, merged] : entries_) {
    Entry& entry = merged.entry;
    if (bare.has_value() && !IsAtOrBelow(path, *bare)) {
      bare.reset();
    }
    const std::optional<RootfsEntry> lower = bare.has_value() ? std::nullopt : below.Lookup(path);
    if (!Fit(lower, &entry)) {
      continue;
    }
    if (!bare.has_value() &&
        (entry.opaque || !lower.has_value() || lower->entry.type != EntryType::kDirectory)) {
      bare = path;
    }
    if (entry.type == EntryType::kFile) {
      LinkToFirst(merged.layer, &entry);
    }
    RETURN_IF_ERROR(builder.Add(std::move(entry)));
  }
  return builder.Serialize();
}

}  // namespace

absl::StatusOr<std::string> MergeLayers(const Layers& layers, const Rootfs& below) {
  Merger merger;
  for (size_t layer = layers.size(); layer-- > 0;) {
    merger.Take(*layers[layer], layer);
  }
  return merger.Finish(below);
}

}  // namespace zlayer
