#include "registry/layer/unpack_view.h"

#include <fmt/format.h>

#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/resolve.h"

namespace zlayer {
namespace {

constexpr std::string_view kMark = ".wh.";
constexpr std::string_view kOpaqueMark = ".wh..wh..opq";
// What aufs keeps for itself; it means nothing elsewhere.
constexpr std::string_view kAufsMark = ".wh..wh.";

bool BelongsToAufs(const std::string& path) {
  for (std::string_view name : Split(path, '/')) {
    if (name.starts_with(kAufsMark) && name != kOpaqueMark) {
      return true;
    }
  }
  return false;
}

Entry ImpliedDirectory(std::string_view path) {
  Entry entry;
  entry.path = std::string(path);
  entry.type = EntryType::kDirectory;
  entry.mode = 0755;
  entry.implied_parent = true;
  return entry;
}

}  // namespace

std::optional<Entry> UnpackView::Lookup(std::string_view path) const {
  if (const Entry* entry = builder_->Find(path); entry != nullptr) {
    return entry->type == EntryType::kWhiteout ? std::nullopt : std::optional(*entry);
  }
  // The builder holds the parents of all it holds.
  for (size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    const Entry* parent = builder_->Find(path.substr(0, slash));
    if (parent == nullptr) {
      break;
    }
    if (parent->type != EntryType::kDirectory || parent->opaque) {
      return std::nullopt;
    }
  }
  const Entry* root = builder_->Find("");
  if (below_ == nullptr || (root != nullptr && root->opaque)) {
    return std::nullopt;
  }
  std::optional<RootfsEntry> found = below_->Lookup(path);
  return found ? std::optional(std::move(found->entry)) : std::nullopt;
}

absl::StatusOr<std::string> UnpackView::Locate(std::string_view path) const {
  std::string clean = CleanPath(path);
  if (clean.empty()) {
    return clean;
  }
  // A directory of the builder has only directories above it: no links to follow.
  std::string_view parent = ParentPath(clean);
  const Entry* present = builder_->Find(parent);
  if (parent.empty() || (present != nullptr && present->type == EntryType::kDirectory)) {
    return clean;
  }
  auto resolved = ResolvePath(clean, false, [this](std::string_view name) { return Lookup(name); });
  if (!resolved.ok()) {
    return InvalidArgument(Message(resolved.status()));
  }
  return resolved;
}

absl::Status UnpackView::EnsureParents(std::string_view path) {
  return ParentPath(path).empty() ? absl::OkStatus() : EnsureDirectory(ParentPath(path));
}

absl::Status UnpackView::EnsureDirectory(std::string_view path) {
  const Entry* present = builder_->Find(path);
  if (present != nullptr && present->type == EntryType::kDirectory) {
    return absl::OkStatus();
  }
  if (!path.empty()) {
    RETURN_IF_ERROR(EnsureParents(path));
  }
  Entry directory = ImpliedDirectory(path);
  if (present != nullptr) {
    if (present->type != EntryType::kWhiteout) {
      return InvalidArgument(fmt::format("'{}' is not a directory", ToUtf8(path)));
    }
    directory.opaque = true;
  } else if (std::optional<Entry> found = Lookup(path)) {
    if (found->type != EntryType::kDirectory) {
      return InvalidArgument(fmt::format("'{}' is not a directory", ToUtf8(path)));
    }
    directory = *std::move(found);
    directory.opaque = false;
    directory.implied_parent = true;
  }
  return builder_->Add(std::move(directory));
}

absl::Status UnpackView::Replace(Entry entry) {
  RETURN_IF_ERROR(EnsureParents(entry.path));
  const Entry* present = builder_->Find(entry.path);
  if (present == nullptr) {
    return builder_->Add(std::move(entry));
  }
  if (entry.type == EntryType::kDirectory) {
    bool was_directory = present->type == EntryType::kDirectory;
    // A directory that stands where something else was shows nothing of the layers below.
    entry.opaque = was_directory ? present->opaque : layer_;
    if (was_directory) {
      return builder_->Add(std::move(entry));
    }
  }
  return builder_->Add(std::move(entry));
}

absl::Status UnpackView::Put(Entry entry) {
  std::string clean = CleanPath(entry.path);
  if (layer_ && BelongsToAufs(clean)) {
    return absl::OkStatus();
  }
  if (layer_ && BaseName(clean).starts_with(kMark)) {
    return Mark(clean);
  }
  ASSIGN_OR_RETURN(entry.path, Locate(clean));
  return Replace(std::move(entry));
}

absl::Status UnpackView::Mark(std::string_view path) {
  if (BaseName(path) == kOpaqueMark) {
    return MarkOpaque(ParentPath(path));
  }
  std::string_view name = BaseName(path).substr(kMark.size());
  if (name.empty() || name == "." || name == "..") {
    return InvalidArgument(fmt::format("'{}' marks the removal of nothing", ToUtf8(path)));
  }
  std::string_view parent = ParentPath(path);
  return PutWhiteout(parent.empty() ? std::string(name) : fmt::format("{}/{}", parent, name));
}

absl::Status UnpackView::MarkOpaque(std::string_view directory) {
  // As the parent of something in it, so that links are followed.
  ASSIGN_OR_RETURN(std::string inside, Locate(fmt::format("{}/x", directory)));
  std::string path(ParentPath(inside));
  RETURN_IF_ERROR(EnsureDirectory(path));
  Entry marked = *builder_->Find(path);
  marked.opaque = true;
  return builder_->Add(std::move(marked));
}

// A whiteout hides what is below the layer, never what is in it.
absl::Status UnpackView::PutWhiteout(std::string_view path) {
  ASSIGN_OR_RETURN(std::string located, Locate(path));
  RETURN_IF_ERROR(EnsureParents(located));
  const Entry* present = builder_->Find(located);
  if (present == nullptr) {
    Entry whiteout;
    whiteout.path = std::move(located);
    whiteout.type = EntryType::kWhiteout;
    return builder_->Add(std::move(whiteout));
  }
  if (present->type != EntryType::kDirectory) {
    return absl::OkStatus();
  }
  Entry marked = *present;
  marked.opaque = true;
  return builder_->Add(std::move(marked));
}

absl::Status UnpackView::PutHardLink(std::string_view path, std::string_view target) {
  if (layer_ && BelongsToAufs(CleanPath(path))) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::string located, Locate(path));
  ASSIGN_OR_RETURN(std::string located_target, Locate(target));
  std::optional<Entry> found = Lookup(located_target);
  if (!found || found->type == EntryType::kDirectory) {
    return InvalidArgument(fmt::format("'{}' is a hard link of '{}', which is {}", ToUtf8(path),
                                       ToUtf8(target), found ? "a directory" : "missing"));
  }
  if (builder_->Find(located_target) == nullptr || found->type != EntryType::kFile) {
    // Of a layer below, or without content: a file of its own that is the same.
    found->path = std::move(located);
    found->hard_link.clear();
    return found->path == located_target ? absl::OkStatus() : Replace(*std::move(found));
  }
  return LinkTo(std::move(located), *found);
}

absl::Status UnpackView::LinkTo(std::string path, const Entry& target) {
  std::string leader = target.hard_link.empty() ? target.path : target.hard_link;
  if (const Entry* present = builder_->Find(path);
      present != nullptr && (present->path == leader || present->hard_link == leader)) {
    return absl::OkStatus();
  }
  if (IsAtOrBelow(leader, path) || IsAtOrBelow(target.path, path)) {
    return InvalidArgument(
        fmt::format("'{}' is a hard link of '{}' below itself", ToUtf8(path), ToUtf8(target.path)));
  }
  Entry link = *builder_->Find(leader);
  link.path = std::move(path);
  link.hard_link = std::move(leader);
  return Replace(std::move(link));
}

}  // namespace zlayer
