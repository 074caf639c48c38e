#include "backends/graph/sources.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "backends/graph/validate.h"
#include "base/errors.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/subtree.h"

namespace zlayer {
namespace {

// Matches the components of a pattern from `at` on below `directory`.
absl::Status MatchBelow(const Rootfs& view, const std::vector<std::string_view>& components,
                        size_t at, const std::string& directory, std::vector<SourceMatch>* found) {
  const std::string_view component = components[at];
  const bool last = at + 1 == components.size();
  std::vector<std::string> names;
  if (HasGlob(component) || component.find('\\') != std::string_view::npos) {
    for (std::string& name : view.List(directory)) {
      ASSIGN_OR_RETURN(const bool matches, GlobMatch(component, name));
      if (matches) {
        names.push_back(std::move(name));
      }
    }
  } else {
    names.emplace_back(component);
  }
  for (const std::string& name : names) {
    const std::string path = PathIn(directory, name);
    const std::optional<RootfsEntry> entry = view.Lookup(path);
    if (!entry.has_value()) {
      continue;
    }
    if (!last && entry->entry.type != EntryType::kDirectory && HasGlob(component)) {
      continue;  // a wildcard does not lead through a link
    }
    ASSIGN_OR_RETURN(std::string resolved, view.Resolve(path));
    const std::optional<RootfsEntry> target = view.Lookup(resolved);
    if (!target.has_value()) {
      continue;
    }
    if (last) {
      found->push_back({.path = std::move(resolved), .name = name});
    } else if (target->entry.type == EntryType::kDirectory) {
      RETURN_IF_ERROR(MatchBelow(view, components, at + 1, resolved, found));
    }
  }
  return absl::OkStatus();
}

// The entries of one context that a graph copies or mounts.
class ContextSelection {
 public:
  ContextSelection(std::string_view context, const std::shared_ptr<const LayerIndex>& index)
      : context_(context), index_(index), selected_(index->size(), false) {}

  void AddCopy(const v1::Copy& copy);
  void AddMount(const v1::Mount& mount);

  // What was added, with all symlinks (a source may lead through them), and the parents of both.
  std::vector<bool> Finish();

 private:
  const Subtree* FilesOf(const v1::Input& input);
  void AddTree(const Subtree& files, std::string_view path, const SourceFilter& filter);

  const std::string_view context_;
  const std::shared_ptr<const LayerIndex> index_;
  std::map<std::string, absl::StatusOr<Subtree>> directories_;  // that inputs are limited to
  std::vector<bool> selected_;
};

// What an input has of the context; null where it is from elsewhere, or its directory is missing.
const Subtree* ContextSelection::FilesOf(const v1::Input& input) {
  if (input.kind_case() != v1::Input::kContext || input.context() != context_) {
    return nullptr;
  }
  auto at = directories_.find(input.directory());
  if (at == directories_.end()) {
    at = directories_.emplace(input.directory(), SubtreeOf(index_, input.directory())).first;
  }
  return at->second.ok() ? &*at->second : nullptr;
}

void ContextSelection::AddCopy(const v1::Copy& copy) {
  const absl::StatusOr<ExcludePatterns> exclude = ExcludePatterns::Parse(copy.exclude());
  if (!exclude.ok()) {
    return;
  }
  for (const v1::Copy::Source& source : copy.sources()) {
    const Subtree* const files = FilesOf(source.from());
    if (files == nullptr) {
      continue;
    }
    absl::StatusOr<ParentsSource> parts = ParentsSource{.root = source.path(), .include = ""};
    if (copy.parents()) {
      parts = SplitParentsSource(source.path());
    }
    if (!parts.ok()) {
      continue;
    }
    const absl::StatusOr<std::vector<SourceMatch>> matches =
        MatchSource(Rootfs({files->index}), parts->root);
    if (!matches.ok()) {
      continue;
    }
    const SourceFilter filter(parts->include, &*exclude);
    for (const SourceMatch& match : *matches) {
      AddTree(*files, match.path, filter);
    }
  }
}

void ContextSelection::AddMount(const v1::Mount& mount) {
  const Subtree* const files = FilesOf(mount.from());
  if (files == nullptr) {
    return;
  }
  const absl::StatusOr<std::string> path =
      ResolveMountSource(Rootfs({files->index}), mount.source());
  const ExcludePatterns none;
  if (path.ok()) {
    AddTree(*files, *path, SourceFilter("", &none));
  }
}

void ContextSelection::AddTree(const Subtree& files, std::string_view path,
                               const SourceFilter& filter) {
  const size_t end = files.index->SubtreeEnd(path);
  for (size_t i = files.index->LowerBound(path); i < end; ++i) {
    const std::string_view relative = PathBelow(files.index->PathAt(i), path);
    if (relative.empty() || filter.Takes(relative)) {
      selected_[files.first + i] = true;
    }
  }
}

std::vector<bool> ContextSelection::Finish() {
  for (size_t i = index_->size(); i-- > 0;) {
    if (index_->TypeAt(i) == EntryType::kSymlink) {
      selected_[i] = true;
    }
    if (selected_[i] && !index_->PathAt(i).empty()) {
      const size_t parent = index_->Find(ParentPath(index_->PathAt(i)));
      if (parent < index_->size()) {
        selected_[parent] = true;
      }
    }
  }
  return std::move(selected_);
}

}  // namespace

absl::StatusOr<std::vector<SourceMatch>> MatchSource(const Rootfs& view, std::string_view pattern) {
  const std::string clean = CleanPath(pattern);
  if (clean.empty()) {
    return std::vector<SourceMatch>{{.path = "", .name = ""}};
  }
  std::vector<SourceMatch> found;
  RETURN_IF_ERROR(MatchBelow(view, Split(clean, '/'), 0, "", &found));
  if (found.empty() && !HasGlob(clean)) {
    return NotFound(fmt::format("\"/{}\" does not exist", clean));
  }
  return found;
}

absl::StatusOr<std::string> ResolveMountSource(const Rootfs& view, std::string_view source) {
  ASSIGN_OR_RETURN(std::string path, view.Resolve(CleanPath(source)));
  if (!view.Lookup(path).has_value()) {
    return NotFound(fmt::format("\"/{}\" does not exist", CleanPath(source)));
  }
  return path;
}

std::string PathIn(std::string_view directory, std::string_view name) {
  return directory.empty() ? std::string(name)
         : name.empty()    ? std::string(directory)
                           : fmt::format("{}/{}", directory, name);
}

std::string ShownPath(const v1::Input& input, std::string_view path) {
  if (input.has_stage() || input.has_image()) {
    return fmt::format("/{}", path);
  }
  const std::string shown = PathIn(input.directory(), path);
  return shown.empty() ? "." : shown;
}

absl::StatusOr<ParentsSource> SplitParentsSource(std::string_view pattern) {
  RETURN_IF_ERROR(CheckGlob(pattern));
  constexpr std::string_view kPivot = "/./";
  const size_t pivot = pattern.find(kPivot);
  ParentsSource source;
  if (pivot == std::string_view::npos) {
    source.include = CleanPath(pattern);
  } else {
    source.root = CleanPath(pattern.substr(0, pivot));
    source.include = CleanPath(pattern.substr(pivot + kPivot.size()));
  }
  RETURN_IF_ERROR(PathPattern::Parse(source.include).status());
  return source;
}

SourceFilter::SourceFilter(std::string_view include, const ExcludePatterns* exclude)
    : exclude_(exclude) {
  if (!include.empty()) {
    include_ = PathPattern::Parse(include).value();
  }
}

std::vector<bool> SelectFromContext(const v1::Graph& graph, std::string_view context,
                                    const std::shared_ptr<const LayerIndex>& index) {
  ContextSelection selection(context, index);
  const std::vector<bool> needed = NeededStages(graph);
  for (int i = 0; i < graph.stages_size(); ++i) {
    if (!needed[i]) {
      continue;
    }
    for (const v1::Operation& operation : graph.stages(i).operations()) {
      selection.AddCopy(operation.copy());
      for (const v1::Mount& mount : operation.run().mounts()) {
        selection.AddMount(mount);
      }
    }
  }
  return selection.Finish();
}

}  // namespace zlayer
