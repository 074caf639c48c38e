#include <fmt/format.h>

#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/index.h"
#include "registry/layer/index_writer.h"

namespace zlayer {
namespace {

absl::Status PathError(std::string_view path, std::string_view problem) {
  return InvalidArgument(fmt::format("path '{}' {}", ToUtf8(path), problem));
}

void CopyMetadata(const Entry& from, Entry* to) {
  std::string path = std::move(to->path);
  std::string leader = std::move(to->hard_link);
  *to = from;
  to->path = std::move(path);
  to->hard_link = std::move(leader);
}

}  // namespace

absl::Status LayerIndexBuilder::Add(Entry entry) {
  RETURN_IF_ERROR(NormalizeEntry(&entry));
  settled_ = false;
  if (!entry.hard_link.empty()) {
    links_[entry.hard_link].insert(entry.path);
  }
  // Entries mostly come in order, so the end is looked at first.
  const bool is_last = entries_.empty() || ComparePaths(entries_.rbegin()->first, entry.path) < 0;
  auto found = is_last ? entries_.end() : entries_.find(entry.path);
  if (found == entries_.end()) {
    std::string path = entry.path;
    entries_.emplace_hint(entries_.end(), std::move(path), std::move(entry));
    return absl::OkStatus();
  }
  bool loses_children =
      found->second.type == EntryType::kDirectory && entry.type != EntryType::kDirectory;
  if (loses_children) {
    std::string path = entry.path;
    RemoveSubtree(path);
    entries_.emplace(std::move(path), std::move(entry));
  } else {
    const Entry gone = std::exchange(found->second, std::move(entry));
    KeepLinks(gone);
  }
  return absl::OkStatus();
}

// `gone` is not there any more, or not what it was.
void LayerIndexBuilder::KeepLinks(const Entry& gone) {
  const auto group = links_.find(gone.path);
  if (group == links_.end() || gone.type != EntryType::kFile) {
    return;
  }
  const auto links = std::move(group->second);
  links_.erase(group);
  std::string leader = gone.hard_link;
  for (const std::string& path : links) {
    const auto link = entries_.find(path);
    if (link == entries_.end() || link->second.hard_link != gone.path) {
      continue;
    }
    CopyMetadata(gone, &link->second);
    link->second.hard_link = leader;
    if (leader.empty()) {
      leader = path;
    } else {
      links_[leader].insert(path);
    }
  }
}

const Entry* LayerIndexBuilder::Find(std::string_view path) const {
  auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : &found->second;
}

void LayerIndexBuilder::RemoveSubtree(std::string_view path) {
  settled_ = false;
  auto first = entries_.lower_bound(path);
  auto last = first;
  std::vector<Entry> linked;
  while (last != entries_.end() && IsAtOrBelow(last->first, path)) {
    if (links_.contains(last->first)) {
      linked.push_back(last->second);
    }
    ++last;
  }
  entries_.erase(first, last);
  for (const Entry& gone : linked) {
    KeepLinks(gone);
  }
}

absl::Status LayerIndexBuilder::CheckParents() const {
  std::vector<const Entry*> ancestors;
  for (const auto& [path, entry] : entries_) {
    if (path.empty()) {
      continue;
    }
    std::string_view parent = ParentPath(path);
    while (!ancestors.empty() && !IsAtOrBelow(path, ancestors.back()->path)) {
      ancestors.pop_back();
    }
    std::string_view present = ancestors.empty() ? std::string_view() : ancestors.back()->path;
    if (present != parent) {
      return PathError(path, "has a parent that is missing");
    }
    if (!ancestors.empty() && ancestors.back()->type != EntryType::kDirectory) {
      return PathError(path, "has a parent that is not a directory");
    }
    ancestors.push_back(&entry);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> LayerIndexBuilder::LeaderOf(const Entry& link) const {
  const Entry* leader = &link;
  for (size_t steps = 0; !leader->hard_link.empty(); ++steps) {
    const Entry* next = Find(leader->hard_link);
    if (next == nullptr || next->type != EntryType::kFile || steps > entries_.size()) {
      return PathError(link.path, fmt::format("is a hard link of '{}', which is not a file here",
                                              ToUtf8(link.hard_link)));
    }
    leader = next;
  }
  return leader->path;
}

absl::Status LayerIndexBuilder::OrderLinks() {
  std::map<std::string, std::vector<Entry*>> groups;
  for (auto& [path, entry] : entries_) {
    if (entry.hard_link.empty()) {
      continue;
    }
    ASSIGN_OR_RETURN(std::string leader, LeaderOf(entry));
    groups[leader].push_back(&entry);
  }
  for (auto& [path, links] : groups) {
    Entry* leader = &entries_.find(path)->second;
    Entry* first = ComparePaths(links[0]->path, path) < 0 ? links[0] : leader;
    for (Entry* link : links) {
      CopyMetadata(*leader, link);
      link->hard_link = first->path;
    }
    leader->hard_link = first->path;
    first->hard_link.clear();
  }
  links_.clear();
  for (const auto& [path, entry] : entries_) {
    if (!entry.hard_link.empty()) {
      links_[entry.hard_link].insert(path);
    }
  }
  return absl::OkStatus();
}

absl::Status LayerIndexBuilder::Settle() {
  if (!settled_) {
    RETURN_IF_ERROR(CheckParents());
    RETURN_IF_ERROR(OrderLinks());
    settled_ = true;
  }
  return absl::OkStatus();
}

absl::Status LayerIndexBuilder::ForEach(
    const std::function<absl::Status(const Entry&)>& each) const {
  for (const auto& item : entries_) {
    RETURN_IF_ERROR(each(item.second));
  }
  return absl::OkStatus();
}

absl::Status LayerIndexBuilder::SetContents(
    const std::function<absl::StatusOr<Digest>(const Entry&)>& digest) {
  std::vector<Digest> found;
  found.reserve(entries_.size());
  RETURN_IF_ERROR(ForEach([&](const Entry& entry) -> absl::Status {
    ASSIGN_OR_RETURN(found.emplace_back(), digest(entry));
    return absl::OkStatus();
  }));
  auto next = found.begin();
  for (auto& [path, entry] : entries_) {
    if (entry.type == EntryType::kFile) {
      entry.content = entry.hard_link.empty() ? *next : Find(entry.hard_link)->content;
    }
    ++next;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> LayerIndexBuilder::Serialize() {
  RETURN_IF_ERROR(Settle());
  LayerIndexWriter writer;
  for (const auto& item : entries_) {
    RETURN_IF_ERROR(writer.Append(item.second));
  }
  return writer.Finish();
}

}  // namespace zlayer
