#include "backends/graph/sources.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "backends/graph/validate.h"
#include "base/errors.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

std::string Below(std::string_view directory, std::string_view name) {
  return directory.empty() ? std::string(name) : fmt::format("{}/{}", directory, name);
}

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
    const std::string path = Below(directory, name);
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

void SelectInput(const Rootfs& view, std::string_view pattern, const LayerIndex& index,
                 std::vector<bool>* selected) {
  const absl::StatusOr<std::vector<SourceMatch>> matches = MatchSource(view, pattern);
  if (!matches.ok()) {
    return;
  }
  for (const SourceMatch& match : *matches) {
    const size_t end = index.SubtreeEnd(match.path);
    for (size_t i = index.LowerBound(match.path); i < end; ++i) {
      (*selected)[i] = true;
    }
  }
}

// Links are kept wherever they are (a source may lead through them), and what is kept keeps its
// parents.
void SelectLinksAndParents(const LayerIndex& index, std::vector<bool>* selected) {
  for (size_t i = index.size(); i-- > 0;) {
    if (index.TypeAt(i) == EntryType::kSymlink) {
      (*selected)[i] = true;
    }
    if ((*selected)[i] && !index.PathAt(i).empty()) {
      const size_t parent = index.Find(ParentPath(index.PathAt(i)));
      if (parent < index.size()) {
        (*selected)[parent] = true;
      }
    }
  }
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

std::vector<bool> SelectFromContext(const v1::Graph& graph, std::string_view context,
                                    const std::shared_ptr<const LayerIndex>& index) {
  std::vector<bool> selected(index->size(), false);
  const Rootfs view({index});
  const std::vector<bool> needed = NeededStages(graph);
  std::set<std::string> patterns;
  const auto add = [&](const v1::Input& input, const std::string& path) {
    if (input.kind_case() == v1::Input::kContext && input.context() == context) {
      patterns.insert(path);
    }
  };
  for (int i = 0; i < graph.stages_size(); ++i) {
    if (!needed[i]) {
      continue;
    }
    for (const v1::Operation& operation : graph.stages(i).operations()) {
      for (const v1::Copy::Source& source : operation.copy().sources()) {
        add(source.from(), source.path());
      }
      for (const v1::Mount& mount : operation.run().mounts()) {
        add(mount.from(), mount.source());
      }
    }
  }
  for (const std::string& pattern : patterns) {
    SelectInput(view, pattern, *index, &selected);
  }
  SelectLinksAndParents(*index, &selected);
  return selected;
}

}  // namespace zlayer
