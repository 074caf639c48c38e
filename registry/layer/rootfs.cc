#include "registry/layer/rootfs.h"

#include <map>
#include <queue>

#include "base/status_macros.h"
#include "registry/layer/resolve.h"

namespace zlayer {
namespace {

using Layers = std::vector<std::shared_ptr<const LayerIndex>>;

// What one layer says of a path.
enum class Verdict { kPresent, kAbsent, kHidden };

// Whether `layer` hides `path` of the layers below it by what it says of the path's parents. An
// index holds the parents of all its entries, so the first that is missing ends the search.
bool ParentsHide(const LayerIndex& layer, std::string_view path) {
  if (path.empty()) {
    return false;
  }
  if (layer.size() > 0 && layer.PathAt(0).empty() && layer.HidesAt(0)) {
    return true;
  }
  for (size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    size_t i = layer.Find(path.substr(0, slash));
    if (i == layer.size()) {
      return false;
    }
    if (layer.HidesAt(i)) {
      return true;
    }
  }
  return false;
}

Verdict Ask(const LayerIndex& layer, std::string_view path, size_t* position) {
  *position = layer.Find(path);
  if (*position < layer.size()) {
    return layer.TypeAt(*position) == EntryType::kWhiteout ? Verdict::kHidden : Verdict::kPresent;
  }
  return ParentsHide(layer, path) ? Verdict::kHidden : Verdict::kAbsent;
}

Entry PlainRoot() {
  Entry root;
  root.type = EntryType::kDirectory;
  root.mode = 0755;
  return root;
}

// The part of one layer that is at or below a path, while it is merged.
struct Range {
  const LayerIndex* index;
  size_t layer;
  size_t at;
  size_t end;
  std::string_view path;  // of the entry at `at`
};

// The ranges of the layers that can be seen at or below `path`, the top layer first.
std::vector<Range> VisibleRanges(const Layers& layers, std::string_view path) {
  std::vector<Range> ranges;
  for (size_t layer = layers.size(); layer-- > 0;) {
    const LayerIndex& index = *layers[layer];
    Range range{&index, layer, index.LowerBound(path), index.SubtreeEnd(path), {}};
    if (range.at < range.end) {
      range.path = index.PathAt(range.at);
      ranges.push_back(range);
    }
    bool here = range.at < range.end && range.path == path;
    if ((here && index.HidesAt(range.at)) || ParentsHide(index, path)) {
      break;
    }
  }
  return ranges;
}

// Merges ranges in index order.
class Merge {
 public:
  explicit Merge(std::vector<Range> ranges) : ranges_(std::move(ranges)), heap_(After{&ranges_}) {
    for (size_t i = 0; i < ranges_.size(); ++i) {
      heap_.push(i);
    }
  }

  absl::Status Run(const std::function<absl::Status(const RootfsEntry&)>& visit) {
    while (!heap_.empty()) {
      RETURN_IF_ERROR(Step(visit));
    }
    return absl::OkStatus();
  }

 private:
  // Orders a heap of positions in the ranges: lowest path first, at one path the top layer.
  struct After {
    const std::vector<Range>* ranges;
    bool operator()(size_t a, size_t b) const {
      auto order = ComparePaths((*ranges)[a].path, (*ranges)[b].path);
      return order == 0 ? a > b : order > 0;
    }
  };

  // Takes all that the layers say of the lowest path. A layer that hides what is below the path
  // does so only from layers that have the path too, as they hold the parents of all they hold.
  absl::Status Step(const std::function<absl::Status(const RootfsEntry&)>& visit) {
    std::string_view path = ranges_[heap_.top()].path;
    const Range winner = ranges_[heap_.top()];
    bool hidden = false;
    while (!heap_.empty() && ranges_[heap_.top()].path == path) {
      size_t i = heap_.top();
      heap_.pop();
      Range& range = ranges_[i];
      bool skip = hidden;
      hidden = hidden || range.index->HidesAt(range.at);
      range.at = skip ? range.index->SubtreeEnd(path) : range.at + 1;
      if (range.at < range.end) {
        range.path = range.index->PathAt(range.at);
        heap_.push(i);
      }
    }
    if (winner.index->TypeAt(winner.at) == EntryType::kWhiteout) {
      return absl::OkStatus();
    }
    return visit({winner.index->At(winner.at), winner.layer});
  }

  std::vector<Range> ranges_;
  std::priority_queue<size_t, std::vector<size_t>, After> heap_;
};

// The first component of `path` below `directory`.
std::string_view ChildName(std::string_view path, std::string_view directory) {
  path.remove_prefix(directory.empty() ? 0 : directory.size() + 1);
  return path.substr(0, path.find('/'));
}

}  // namespace

Rootfs::Rootfs(std::vector<std::shared_ptr<const LayerIndex>> layers)
    : layers_(std::move(layers)) {}

Rootfs Rootfs::With(std::shared_ptr<const LayerIndex> layer) const {
  Rootfs more = *this;
  more.layers_.push_back(std::move(layer));
  return more;
}

Rootfs Rootfs::Below(std::string_view directory) const {
  Rootfs below = *this;
  below.directory_ = PathInLayers(directory);
  return below;
}

std::string Rootfs::PathInLayers(std::string_view path) const {
  std::string whole = directory_;
  whole += directory_.empty() || path.empty() ? "" : "/";
  return whole += path;
}

Entry Rootfs::Seen(Entry entry) const {
  if (!directory_.empty()) {
    entry.path = PathBelow(entry.path, directory_);
    if (!entry.hard_link.empty() && IsAtOrBelow(entry.hard_link, directory_)) {
      entry.hard_link = PathBelow(entry.hard_link, directory_);
    }
  }
  return entry;
}

std::optional<RootfsEntry> Rootfs::Lookup(std::string_view path) const {
  std::optional<RootfsEntry> found = LookupInLayers(PathInLayers(path));
  if (found) {
    found->entry = Seen(std::move(found->entry));
  }
  return found || !path.empty() ? found : std::optional(RootfsEntry{PlainRoot(), 0});
}

std::optional<RootfsEntry> Rootfs::LookupInLayers(std::string_view path) const {
  for (size_t layer = layers_.size(); layer-- > 0;) {
    size_t position;
    Verdict verdict = Ask(*layers_[layer], path, &position);
    if (verdict == Verdict::kPresent) {
      return RootfsEntry{layers_[layer]->At(position), layer};
    }
    if (verdict == Verdict::kHidden) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

absl::StatusOr<std::string> Rootfs::Resolve(std::string_view path) const {
  return ResolvePath(path, true, [this](std::string_view p) -> std::optional<Entry> {
    std::optional<RootfsEntry> found = Lookup(p);
    return found ? std::optional(std::move(found->entry)) : std::nullopt;
  });
}

absl::StatusOr<std::string> Rootfs::ResolveParent(std::string_view path) const {
  return ResolvePath(path, false, [this](std::string_view p) -> std::optional<Entry> {
    std::optional<RootfsEntry> found = Lookup(p);
    return found ? std::optional(std::move(found->entry)) : std::nullopt;
  });
}

absl::Status Rootfs::Walk(std::string_view path,
                          const std::function<absl::Status(const RootfsEntry&)>& visit) const {
  std::optional<RootfsEntry> start = Lookup(path);
  if (!start) {
    return absl::OkStatus();
  }
  const std::string in_layers = PathInLayers(path);
  std::vector<Range> ranges = VisibleRanges(layers_, in_layers);
  bool root_is_implied = path.empty();
  for (const Range& range : ranges) {
    root_is_implied = root_is_implied && range.path != in_layers;
  }
  if (root_is_implied) {
    RETURN_IF_ERROR(visit(*start));
  }
  return Merge(std::move(ranges)).Run([&](const RootfsEntry& found) {
    return directory_.empty() ? visit(found) : visit({Seen(found.entry), found.layer});
  });
}

std::vector<std::string> Rootfs::List(std::string_view directory) const {
  std::map<std::string, bool, std::less<>> present;
  const std::string in_layers = PathInLayers(directory);
  for (const Range& range : VisibleRanges(layers_, in_layers)) {
    size_t at = range.path == in_layers ? range.at + 1 : range.at;
    while (at < range.end) {
      std::string_view path = range.index->PathAt(at);
      std::string_view name = ChildName(path, in_layers);
      present.emplace(name, range.index->TypeAt(at) != EntryType::kWhiteout);
      at = range.index->SubtreeEnd(path);
    }
  }
  std::vector<std::string> names;
  for (const auto& [name, visible] : present) {
    if (visible) {
      names.push_back(name);
    }
  }
  return names;
}

}  // namespace zlayer
