#include "backends/native/net/git_layer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <memory>
#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/tree.h"

namespace zlayer {
namespace {

constexpr std::string_view kGit = ".git";
constexpr uint32_t kOwnerExecutes = 0100;

absl::StatusOr<std::string> FindSubdirectory(const GitLayerOptions& options) {
  std::string directory = options.tree;
  const std::string clean = CleanPath(options.subdirectory);
  for (std::string_view component : Split(clean, '/')) {
    if (component.empty()) {
      continue;
    }
    directory = fmt::format("{}/{}", directory, component);
    struct stat status;
    if (component == kGit || lstat(directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
      return NotFound(
          fmt::format("the repository has no directory {}", ToUtf8(options.subdirectory)));
    }
  }
  return directory;
}

bool IsOfGit(std::string_view path) {
  for (; !path.empty(); path = ParentPath(path)) {
    if (BaseName(path) == kGit) {
      return true;
    }
  }
  return false;
}

// What a scan found, as it shall be in the layer.
Entry Normalized(Entry entry, int64_t commit_time) {
  entry.uid = 0;
  entry.gid = 0;
  entry.xattrs.clear();
  entry.hard_link.clear();
  entry.mtime_ns = TimeInNs(commit_time, 0);
  if (entry.type == EntryType::kDirectory) {
    entry.mode = 0755;
  } else if (entry.type == EntryType::kFile && !IsOfGit(entry.path)) {
    entry.mode = (entry.mode & kOwnerExecutes) != 0 ? 0755 : 0644;
  }
  return entry;
}

absl::StatusOr<std::shared_ptr<const LayerIndex>> Scan(const std::string& directory,
                                                       std::stop_token stop) {
  LayerIndexBuilder builder;
  RETURN_IF_ERROR(ScanTree(directory, &builder, std::move(stop)));
  ASSIGN_OR_RETURN(std::string bytes, builder.Serialize());
  return LayerIndex::FromBytes(std::move(bytes));
}

absl::Status StoreFile(const std::string& directory, const Entry& entry, PackWriter* pack) {
  ASSIGN_OR_RETURN(UniqueFd fd,
                   OpenFile(fmt::format("{}/{}", directory, entry.path), O_RDONLY | O_NOFOLLOW));
  const ContentFile file{
      .fd = std::make_shared<const UniqueFd>(std::move(fd)), .offset = 0, .size = entry.size};
  return pack->Copy(file, entry.content).status();
}

}  // namespace

absl::StatusOr<LayerRef> AddGitLayer(Store* store, const GitLayerOptions& options,
                                     std::stop_token stop) {
  const bool keep_git = options.keep_git && CleanPath(options.subdirectory).empty();
  if (!keep_git) {
    RETURN_IF_ERROR(RemoveTree(fmt::format("{}/{}", options.tree, kGit)));
  }
  ASSIGN_OR_RETURN(const std::string directory, FindSubdirectory(options));
  ASSIGN_OR_RETURN(const std::shared_ptr<const LayerIndex> found, Scan(directory, stop));
  ASSIGN_OR_RETURN(const std::unique_ptr<PackWriter> pack, store->contents().NewPack());
  LayerIndexBuilder builder;
  for (size_t i = 0; i < found->size(); ++i) {
    if (stop.stop_requested()) {
      return Cancelled("the build was canceled");
    }
    Entry entry = Normalized(found->At(i), options.commit_time);
    if (!keep_git && IsOfGit(entry.path)) {
      continue;  // a submodule's, which names a path of ours
    }
    if (entry.type == EntryType::kFile) {
      RETURN_IF_ERROR(StoreFile(directory, entry, pack.get()));
    }
    RETURN_IF_ERROR(builder.Add(std::move(entry)));
  }
  RETURN_IF_ERROR(pack->Commit());
  ASSIGN_OR_RETURN(const std::string index, builder.Serialize());
  return store->layers().Add(index, "");
}

}  // namespace zlayer
