#include "backends/native/file/layer_draft.h"

#include <fmt/format.h>

#include <utility>

#include "backends/graph/file_mode.h"
#include "base/errors.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "proto/error_detail.h"
#include "registry/layer/archive.h"
#include "registry/layer/resolve.h"

namespace zlayer {
namespace {

constexpr uint32_t kDirectoryMode = 0755;
constexpr uint32_t kInlineMode = 0644;

// The mode that `--chmod`, which the graph's validation has checked, makes of `mode`.
uint32_t ModeOf(const CopyOptions& options, uint32_t mode, bool is_directory) {
  return options.mode.empty() ? mode : ChangeMode(options.mode, mode, is_directory).value_or(mode);
}

absl::Status NotADirectory(std::string_view path) {
  return FailedPrecondition(
      fmt::format("cannot copy a directory to /{}, which is there and not a directory", path));
}

// Whether an archive has an entry of its own for a path.
bool Holds(const LayerIndex& unpacked, std::string_view path) {
  const size_t at = unpacked.Find(path);
  return at != unpacked.size() && !unpacked.At(at).implied_parent;
}

// Whether what was copied first of a group of hard links is still there.
bool IsSameFile(const Entry& copied, const Entry& link) {
  return copied.type == EntryType::kFile && copied.content == link.content &&
         copied.mode == link.mode && copied.uid == link.uid && copied.gid == link.gid &&
         copied.mtime_ns == link.mtime_ns && copied.xattrs == link.xattrs;
}

// What users call a path of a source.
std::string NameIn(const CopySource& source, std::string_view path) {
  return source.input == nullptr ? fmt::format("/{}", path) : ShownPath(*source.input, path);
}

}  // namespace

std::optional<Entry> LayerDraft::Lookup(std::string_view path) const {
  if (const Entry* own = index_.Find(path); own != nullptr) {
    return *own;
  }
  std::optional<RootfsEntry> below = parent_->view.Lookup(path);
  return below.has_value() ? std::optional<Entry>(std::move(below->entry)) : std::nullopt;
}

absl::Status LayerDraft::MakeParents(std::string_view directory, uint32_t mode,
                                     const Owner& owner) {
  if (directory.empty()) {
    return absl::OkStatus();
  }
  if (const Entry* own = index_.Find(directory); own != nullptr) {
    return own->type == EntryType::kDirectory ? absl::OkStatus() : NotADirectory(directory);
  }
  RETURN_IF_ERROR(MakeParents(ParentPath(directory), mode, owner));
  Entry entry{.path = std::string(directory),
              .type = EntryType::kDirectory,
              .mode = mode,
              .uid = owner.uid,
              .gid = owner.gid,
              .mtime_ns = now_ns_};
  if (std::optional<RootfsEntry> there = parent_->view.Lookup(directory); there.has_value()) {
    if (there->entry.type != EntryType::kDirectory) {
      return NotADirectory(directory);
    }
    entry = std::move(there->entry);
    entry.opaque = false;
    entry.implied_parent = true;
  }
  return index_.Add(std::move(entry));
}

absl::Status LayerDraft::MakeDirectory(std::string_view path, uint32_t mode, const Owner& owner) {
  ASSIGN_OR_RETURN(const std::string resolved, parent_->view.Resolve(path));
  const std::optional<RootfsEntry> there = parent_->view.Lookup(resolved);
  if (!there.has_value()) {
    return MakeParents(resolved, mode == 0 ? kDirectoryMode : mode, owner);
  }
  if (there->entry.type != EntryType::kDirectory) {
    return FailedPrecondition(
        fmt::format("/{} cannot be made a directory: a file of that name is there", resolved));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<LayerDraft::Match>> LayerDraft::FindSources(
    const std::vector<CopySource>& sources) const {
  std::vector<Match> matches;
  for (const CopySource& source : sources) {
    if (source.inline_file != nullptr) {
      matches.push_back({&source, {.path = "", .name = std::string(BaseName(source.pattern))}, ""});
      continue;
    }
    ParentsSource parts{.root = source.pattern, .include = ""};
    if (source.parents) {
      ASSIGN_OR_RETURN(parts, SplitParentsSource(source.pattern));
      if (!HasGlob(source.pattern)) {
        RETURN_IF_ERROR(MatchSource(source.from->view, source.pattern).status());
      }
    }
    ASSIGN_OR_RETURN(const std::vector<SourceMatch> found,
                     MatchSource(source.from->view, parts.root));
    for (const SourceMatch& match : found) {
      matches.push_back({&source, match, parts.include});
    }
  }
  return matches;
}

absl::Status LayerDraft::Copy(const std::vector<CopySource>& sources, const CopyOptions& options,
                              const Unpacker& unpack) {
  ASSIGN_OR_RETURN(const std::string destination, parent_->view.Resolve(options.destination));
  ASSIGN_OR_RETURN(const std::vector<Match> matches, FindSources(sources));
  if (matches.empty()) {
    return absl::OkStatus();  // wildcards that match nothing
  }
  const std::optional<RootfsEntry> existing = parent_->view.Lookup(destination);
  const bool into_directory =
      options.destination.ends_with('/') || matches.size() > 1 ||
      (existing.has_value() && existing->entry.type == EntryType::kDirectory);
  RETURN_IF_ERROR(MakeParents(into_directory ? destination : ParentPath(destination),
                              kDirectoryMode, options.owner.value_or(Owner())));
  for (const Match& match : matches) {
    RETURN_IF_ERROR(CopyMatch(match, destination, options, unpack));
  }
  return absl::OkStatus();
}

absl::Status LayerDraft::CopyMatch(const Match& match, const std::string& destination,
                                   const CopyOptions& options, const Unpacker& unpack) {
  const std::optional<Entry> there =
      destination.empty() ? Entry{.type = EntryType::kDirectory} : Lookup(destination);
  const bool is_directory = there.has_value() && there->type == EntryType::kDirectory;
  const std::string file_target =
      is_directory ? PathIn(destination, match.found.name) : destination;
  if (match.source->inline_file != nullptr) {
    return CopyInline(*match.source, file_target, options);
  }
  const std::optional<RootfsEntry> entry = match.source->from->view.Lookup(match.found.path);
  if (!entry.has_value()) {
    return NotFound(fmt::format("\"{}\" does not exist", match.source->pattern));
  }
  if (match.source->unpack && entry->entry.type == EntryType::kFile) {
    ASSIGN_OR_RETURN(const bool unpacked,
                     Unpack(*match.source, *entry, destination, options, unpack));
    if (unpacked) {
      return absl::OkStatus();
    }
  }
  const bool is_tree = entry->entry.type == EntryType::kDirectory;
  copied_.push_back({.source = match.source,
                     .from = match.found.path,
                     .to = is_tree ? destination : file_target,
                     .is_tree = is_tree});
  return is_tree ? CopyTree(match, destination, options)
                 : AddCopied(*match.source, *entry, file_target, options);
}

std::string LayerDraft::NameOf(std::string_view path) const {
  std::string gone;
  // Of what was copied to the same place the last is there.
  for (auto copied = copied_.rbegin(); copied != copied_.rend(); ++copied) {
    const CopySource& source = *copied->source;
    if (!copied->is_tree) {
      if (copied->to == path) {
        return NameIn(source, copied->from);
      }
      const bool is_beside = !path.empty() && ParentPath(path) == ParentPath(copied->to);
      if (is_beside && gone.empty()) {
        gone = NameIn(source, PathIn(ParentPath(copied->from), BaseName(path)));
      }
    } else if (path != copied->to && IsAtOrBelow(path, copied->to)) {
      const std::string_view below = PathBelow(path, copied->to);
      const LayerRef& unpacked = copied->unpacked;
      const std::string from = PathIn(copied->from, below);
      gone = unpacked != nullptr ? fmt::format("{} of {}", below, NameIn(source, copied->from))
                                 : NameIn(source, from);
      if (unpacked != nullptr ? Holds(*unpacked, below)
                              : source.from->view.Lookup(from).has_value()) {
        return gone;
      }
    }
  }
  return gone.empty() || index_.Find(path) != nullptr ? fmt::format("/{}", path) : gone;
}

absl::Status LayerDraft::CopyInline(const CopySource& source, const std::string& target,
                                    const CopyOptions& options) {
  const Owner owner = options.owner.value_or(Owner());
  Entry entry{.path = target,
              .type = EntryType::kFile,
              .mode = ModeOf(options, kInlineMode, /*is_directory=*/false),
              .uid = owner.uid,
              .gid = owner.gid,
              .mtime_ns = now_ns_,
              .size = source.inline_file->size(),
              .content = Digest::Of(*source.inline_file)};
  contents_.try_emplace(entry.content,
                        Content{.from = nullptr, .inline_file = source.inline_file, .file = {}});
  return index_.Add(std::move(entry));
}

absl::Status LayerDraft::CopyTree(const Match& match, const std::string& target,
                                  const CopyOptions& options) {
  const CopySource& source = *match.source;
  const SourceFilter filter(match.include, &options.exclude);
  // Directories on the way to here that the filter does not take: made once something in them is.
  std::vector<RootfsEntry> left_out;
  return source.from->view.Walk(match.found.path, [&](const RootfsEntry& from) -> absl::Status {
    const std::string_view relative = PathBelow(from.entry.path, match.found.path);
    if (relative.empty()) {
      const std::optional<Entry> there =
          target.empty() ? Entry{.type = EntryType::kDirectory} : Lookup(target);
      return !there.has_value() || there->type == EntryType::kDirectory
                 ? MakeParents(target, kDirectoryMode, options.owner.value_or(Owner()))
                 : NotADirectory(target);
    }
    while (!left_out.empty() && !IsAtOrBelow(from.entry.path, left_out.back().entry.path)) {
      left_out.pop_back();
    }
    if (!filter.Takes(relative)) {
      if (from.entry.type == EntryType::kDirectory) {
        left_out.push_back(from);
      }
      return absl::OkStatus();
    }
    for (const RootfsEntry& parent : left_out) {
      const std::string_view below = PathBelow(parent.entry.path, match.found.path);
      RETURN_IF_ERROR(AddParent(source, parent, PathIn(target, below), options));
    }
    left_out.clear();
    return AddCopied(source, from, PathIn(target, relative), options);
  });
}

// As BuildKit: a directory that is there takes the source's mode and nothing else.
absl::Status LayerDraft::AddParent(const CopySource& source, const RootfsEntry& from,
                                   const std::string& target, const CopyOptions& options) {
  std::optional<Entry> there = Lookup(target);
  if (!there.has_value() || there->type != EntryType::kDirectory) {
    return AddCopied(source, from, target, options);
  }
  const bool from_below = index_.Find(target) == nullptr;
  there->opaque = false;
  there->implied_parent = there->mode == from.entry.mode && (from_below || there->implied_parent);
  there->mode = from.entry.mode;
  return index_.Add(*std::move(there));
}

absl::Status LayerDraft::AddCopied(const CopySource& source, const RootfsEntry& from,
                                   const std::string& target, const CopyOptions& options) {
  Entry entry = from.entry;
  const bool is_directory = entry.type == EntryType::kDirectory;
  if (const std::optional<Entry> there = Lookup(target); there.has_value()) {
    if (is_directory && there->type != EntryType::kDirectory) {
      return NotADirectory(target);
    }
    if (!is_directory && there->type == EntryType::kDirectory) {
      return FailedPrecondition(
          fmt::format("cannot copy the file /{} to /{}, which is a directory", entry.path, target));
    }
  }
  entry.path = target;
  entry.opaque = false;
  entry.implied_parent = false;
  entry.pax.clear();
  if (options.owner.has_value()) {
    entry.uid = options.owner->uid;
    entry.gid = options.owner->gid;
  } else if (source.reset_owner) {
    entry.uid = 0;
    entry.gid = 0;
  }
  if (entry.type != EntryType::kSymlink) {
    entry.mode = ModeOf(options, entry.mode, is_directory);
  }
  if (entry.type == EntryType::kFile) {
    const std::string& leader =
        from.entry.hard_link.empty() ? from.entry.path : from.entry.hard_link;
    const auto [at, first] =
        leaders_.try_emplace({source.from, fmt::format("{}:{}", from.layer, leader)}, target);
    const Entry* copied_leader = first ? nullptr : index_.Find(at->second);
    entry.hard_link =
        copied_leader != nullptr && at->second != target && IsSameFile(*copied_leader, entry)
            ? at->second
            : "";
    contents_.try_emplace(entry.content,
                          Content{.from = source.from, .inline_file = nullptr, .file = from});
  }
  return index_.Add(std::move(entry));
}

absl::StatusOr<bool> LayerDraft::Unpack(const CopySource& source, const RootfsEntry& file,
                                        const std::string& destination, const CopyOptions& options,
                                        const Unpacker& unpack) {
  ArchiveFile archive{
      .name = NameIn(source, file.entry.path), .file = {}, .content = file.entry.content};
  ASSIGN_OR_RETURN(archive.file, source.from->Open(file));
  if (!IsArchive(archive.file)) {
    return false;
  }
  absl::StatusOr<LayerRef> unpacked = unpack(archive);
  if (!unpacked.ok() && !absl::IsCancelled(unpacked.status())) {
    v1::ErrorDetail detail;
    detail.set_reason("TAR_EXTRACT_FAILED");
    detail.set_subject(file.entry.path);
    return WithDetail(Annotate(unpacked.status(), fmt::format("unpacking {}", archive.name)),
                      detail);
  }
  RETURN_IF_ERROR(unpacked.status());
  RETURN_IF_ERROR(MakeParents(destination, kDirectoryMode, options.owner.value_or(Owner())));
  for (size_t i = 0; i < (*unpacked)->size(); ++i) {
    RETURN_IF_ERROR(AddUnpacked(destination, options.owner, (*unpacked)->At(i)));
  }
  copied_.push_back({.source = &source,
                     .from = file.entry.path,
                     .to = destination,
                     .is_tree = true,
                     .unpacked = *std::move(unpacked)});
  return true;
}

// As tar does: what is in the way is replaced, but a directory stays one; links that the image has
// on the way to the destination are followed.
absl::Status LayerDraft::AddUnpacked(const std::string& destination,
                                     const std::optional<Owner>& owner, Entry entry) {
  if (entry.path.empty() || entry.implied_parent) {
    return absl::OkStatus();  // the destination, and what MakeParents makes where it is missing
  }
  const auto target_of = [&](std::string_view path) -> absl::StatusOr<std::string> {
    std::string target = PathIn(destination, path);
    // A directory of the draft has only directories above it: no links to follow.
    const Entry* parent = index_.Find(ParentPath(target));
    if (parent != nullptr && parent->type == EntryType::kDirectory) {
      return target;
    }
    return ResolvePath(target, /*follow_last=*/false,
                       [this](std::string_view name) { return Lookup(name); });
  };
  ASSIGN_OR_RETURN(const std::string target, target_of(entry.path));
  if (!entry.hard_link.empty()) {
    ASSIGN_OR_RETURN(entry.hard_link, target_of(entry.hard_link));
  }
  entry.path = target;
  if (owner.has_value()) {
    entry.uid = owner->uid;
    entry.gid = owner->gid;
  }
  RETURN_IF_ERROR(MakeParents(ParentPath(target), kDirectoryMode, Owner()));
  if (entry.type != EntryType::kDirectory) {
    index_.RemoveSubtree(target);
  }
  return index_.Add(std::move(entry));
}

absl::StatusOr<std::string> LayerDraft::Finish(ContentStore* contents, std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::unique_ptr<PackWriter> pack, contents->NewPack());
  std::vector<Digest> digests;
  digests.reserve(contents_.size());
  for (const auto& item : contents_) {
    digests.push_back(item.first);
  }
  ASSIGN_OR_RETURN(const std::vector<bool> stored, contents->Has(digests));
  size_t i = 0;
  for (const auto& [digest, content] : contents_) {
    if (stored[i++]) {
      continue;
    }
    if (stop.stop_requested()) {
      return Cancelled("the build was canceled");
    }
    if (content.from == nullptr) {
      RETURN_IF_ERROR(pack->Append(*content.inline_file));
      RETURN_IF_ERROR(pack->End().status());
      continue;
    }
    ASSIGN_OR_RETURN(const ContentFile file, content.from->Open(content.file));
    RETURN_IF_ERROR(Annotate(pack->Copy(file, digest).status(),
                             fmt::format("copying /{}", content.file.entry.path)));
  }
  RETURN_IF_ERROR(pack->Commit());
  return index_.Serialize();
}

}  // namespace zlayer
