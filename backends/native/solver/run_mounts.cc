#include "backends/native/solver/run_mounts.h"

#include <errno.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "backends/graph/sources.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/ensure_trees.h"
#include "registry/layer/tree.h"

namespace zlayer {
namespace {

constexpr std::string_view kSelectedFile = "file";
constexpr uint32_t kCacheMode = 0755;
// Every container has mounts there.
constexpr std::string_view kOwnMounts[] = {"proc", "dev", "sys"};

bool IsImage(const v1::Mount& mount) {
  return mount.from().has_stage() || mount.from().has_image();
}

// No secret and no agent can be given yet, so one that is not required is not there.
bool IsMade(const v1::Mount& mount) {
  return mount.type() != v1::Mount::SECRET && mount.type() != v1::Mount::SSH;
}

CacheSharing SharingOf(const v1::Mount& mount) {
  switch (mount.sharing()) {
    case v1::Mount::PRIVATE:
      return CacheSharing::kPrivate;
    case v1::Mount::LOCKED:
      return CacheSharing::kLocked;
    default:
      return CacheSharing::kShared;
  }
}

// Mode and owner of a cache mount's directory, where the mount says them or nothing else does.
absl::Status SetOwnerAndMode(const v1::Mount& mount, bool seeded, const std::string& directory) {
  const bool given = mount.has_mode() || mount.uid() != 0 || mount.gid() != 0;
  if (seeded && !given) {
    return absl::OkStatus();
  }
  if (chown(directory.c_str(), mount.uid(), mount.gid()) != 0 ||
      ((mount.has_mode() || !seeded) &&
       chmod(directory.c_str(), mount.has_mode() ? mount.mode() : kCacheMode) != 0)) {
    return ErrnoError(directory);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> SelectTree(const Rootfs& view, std::string_view path,
                                       bool reset_owner) {
  LayerIndexBuilder builder;
  std::map<std::pair<size_t, std::string>, std::string> leaders;
  RETURN_IF_ERROR(view.Walk(path, [&](const RootfsEntry& from) -> absl::Status {
    Entry entry = from.entry;
    entry.path = PathBelow(from.entry.path, path);
    if (entry.path.empty() && entry.type != EntryType::kDirectory) {
      entry.path = kSelectedFile;
    }
    entry.opaque = false;
    entry.implied_parent = false;
    entry.pax.clear();
    if (reset_owner) {
      entry.uid = 0;
      entry.gid = 0;
    }
    if (entry.type == EntryType::kFile) {
      const std::string& leader = entry.hard_link.empty() ? from.entry.path : entry.hard_link;
      const auto [first, is_first] = leaders.try_emplace({from.layer, leader}, entry.path);
      entry.hard_link = is_first ? "" : first->second;
    }
    return builder.Add(std::move(entry));
  }));
  return builder.Serialize();
}

absl::StatusOr<RunMounts> RunMounts::Open(const v1::Run& run, const Rootfs& root,
                                          const OpenInput& open) {
  RunMounts mounts;
  for (const v1::Mount& mount : run.mounts()) {
    if (!IsMade(mount)) {
      continue;
    }
    Opened opened{.mount = &mount};
    ASSIGN_OR_RETURN(opened.target, root.Resolve(mount.target()));
    if (opened.target.empty()) {
      return InvalidArgument(
          fmt::format("nothing can be mounted on \"{}\", the root directory", mount.target()));
    }
    if (mount.has_from()) {
      RETURN_IF_ERROR(Annotate(OpenSource(open, &opened),
                               fmt::format("the source of the mount on {}", mount.target())));
    }
    mounts.opened_.push_back(std::move(opened));
  }
  std::stable_sort(
      mounts.opened_.begin(), mounts.opened_.end(),
      [](const Opened& a, const Opened& b) { return ComparePaths(a.target, b.target) < 0; });
  for (auto opened = mounts.opened_.begin(); opened != mounts.opened_.end(); ++opened) {
    const auto is_below = [&](std::string_view target) {
      return IsAtOrBelow(opened->target, target);
    };
    opened->in_another = std::any_of(std::begin(kOwnMounts), std::end(kOwnMounts), is_below) ||
                         std::any_of(mounts.opened_.begin(), opened,
                                     [&](const Opened& other) { return is_below(other.target); });
    const std::optional<RootfsEntry> covered = root.Lookup(opened->target);
    if (covered.has_value() && covered->entry.type == EntryType::kDirectory) {
      opened->mode = covered->entry.mode;
    }
  }
  return mounts;
}

absl::Status RunMounts::OpenSource(const OpenInput& open, Opened* opened) {
  ASSIGN_OR_RETURN(opened->from, open(*opened->mount));
  const Rootfs& view = opened->from.view;
  ASSIGN_OR_RETURN(opened->source, ResolveMountSource(view, opened->mount->source()));
  opened->is_directory = view.Lookup(opened->source)->entry.type == EntryType::kDirectory;
  if (!opened->is_directory && opened->mount->type() == v1::Mount::CACHE) {
    return FailedPrecondition(
        fmt::format("\"/{}\" is not a directory, with which a cache mount begins", opened->source));
  }
  ASSIGN_OR_RETURN(opened->selected, SelectTree(view, opened->source, !IsImage(*opened->mount)));
  ASSIGN_OR_RETURN(opened->selected_index, LayerIndex::FromBytes(opened->selected));
  return absl::OkStatus();
}

std::vector<MountKey> RunMounts::Keys() const {
  std::vector<MountKey> keys;
  for (const Opened& opened : opened_) {
    keys.push_back({.mount = opened.mount,
                    .content = opened.selected_index == nullptr
                                   ? Digest()
                                   : opened.selected_index->ContentDigest()});
  }
  return keys;
}

FilesOrigin RunMounts::OriginOf(const Opened& opened) {
  FilesOrigin origin{.layers = {},
                     .path = opened.from.view.PathInLayers(opened.source),
                     .reset_owner = !IsImage(*opened.mount)};
  for (const LayerRef& layer : opened.from.view.layers()) {
    origin.layers.push_back(layer->id());
  }
  return origin;
}

PathNames RunMounts::NamesIn(const Opened& opened) {
  return [&from = opened.mount->from(), source = opened.source,
          is_directory = opened.is_directory](std::string_view path) {
    const bool is_source = !is_directory || path.empty();
    return ShownPath(from, is_source ? source : PathIn(source, path));
  };
}

std::vector<StepPart> RunMounts::Parts() const {
  std::vector<StepPart> parts;
  for (const Opened& opened : opened_) {
    const v1::Mount& mount = *opened.mount;
    const std::string name = fmt::format("the mount on {}", ToUtf8(mount.target()));
    parts.push_back({.name = name,
                     .value = fmt::format("{} {} {} {} {} {} {}", static_cast<int>(mount.type()),
                                          mount.id(), mount.read_only(), mount.size_bytes(),
                                          mount.has_mode() ? int64_t{mount.mode()} : -1,
                                          mount.uid(), mount.gid()),
                     .files = nullptr});
    if (opened.selected_index != nullptr) {
      parts.push_back({.name = name,
                       .value = "",
                       .files = opened.selected_index,
                       .origin = OriginOf(opened),
                       .names = NamesIn(opened)});
    }
  }
  return parts;
}

std::vector<std::string> RunMounts::MountPoints() const {
  std::vector<std::string> points;
  for (const Opened& opened : opened_) {
    if (!opened.in_another) {
      points.push_back(opened.is_directory ? opened.target + "/" : opened.target);
    }
  }
  return points;
}

absl::StatusOr<std::vector<ContainerMount>> RunMounts::Prepare(LayerStore* layers,
                                                               const AddLayer& add_layer,
                                                               const std::stop_token& stop) const {
  std::vector<ContainerMount> mounts;
  for (const Opened& opened : opened_) {
    ContainerMount mount;
    if (opened.mount->type() == v1::Mount::BIND) {
      ASSIGN_OR_RETURN(mount, Bind(opened, layers, add_layer, stop));
    } else if (opened.mount->type() == v1::Mount::TMPFS) {
      mount.kind = ContainerMount::Kind::kTmpfs;
      mount.size_bytes = opened.mount->size_bytes();
      mount.mode = opened.mode;
    }
    mount.target = "/" + opened.target;
    mount.read_only = opened.mount->read_only();
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

bool RunMounts::has_caches() const {
  return std::any_of(opened_.begin(), opened_.end(),
                     [](const Opened& opened) { return opened.mount->type() == v1::Mount::CACHE; });
}

// A stage's or image's layers are mounted as they are; of what else there is, which has no tree,
// only what is selected gets one.
absl::StatusOr<ContainerMount> RunMounts::Bind(const Opened& opened, LayerStore* layers,
                                               const AddLayer& add_layer,
                                               const std::stop_token& stop) const {
  ContainerMount mount{.kind = ContainerMount::Kind::kTrees};
  if (IsImage(*opened.mount)) {
    mount.source = opened.from.view.PathInLayers(opened.source);
    ASSIGN_OR_RETURN(mount.lower, EnsureTrees(*layers, opened.from.view.layers(), stop));
    return mount;
  }
  ASSIGN_OR_RETURN(const LayerRef layer, add_layer(*opened.selected_index, opened.selected));
  ASSIGN_OR_RETURN(const uint64_t tree, layers->EnsureTree(layer, stop));
  mount.lower.push_back(tree);
  mount.source = opened.is_directory ? "" : kSelectedFile;
  return mount;
}

absl::Status RunMounts::TakeCaches(CacheMountStore* store, CacheMountUser user,
                                   const std::stop_token& stop,
                                   std::vector<ContainerMount>* mounts) {
  std::vector<CacheMountRequest> requests;
  std::vector<size_t> positions;  // of their mounts
  for (size_t i = 0; i < opened_.size(); ++i) {
    const v1::Mount& mount = *opened_[i].mount;
    if (mount.type() != v1::Mount::CACHE) {
      continue;
    }
    const std::string seed = fmt::format(
        "{} {} {} {}",
        opened_[i].selected_index == nullptr ? ""
                                             : opened_[i].selected_index->ContentDigest().Hex(),
        mount.has_mode() ? static_cast<int64_t>(mount.mode()) : -1, mount.uid(), mount.gid());
    requests.push_back({.id = mount.id(), .seed = Digest::Of(seed), .sharing = SharingOf(mount)});
    positions.push_back(i);
  }
  user.fill = [&](size_t request, const std::string& directory) -> absl::Status {
    const Opened& opened = opened_[positions[request]];
    const bool seeded = opened.selected_index != nullptr;
    if (seeded) {
      const auto read = [&](const Entry& file) -> absl::StatusOr<ContentFile> {
        const std::optional<RootfsEntry> entry = opened.from.view.Lookup(
            opened.source.empty() ? file.path : fmt::format("{}/{}", opened.source, file.path));
        if (!entry.has_value()) {
          return Internal(fmt::format("/{} vanished from a mount's source", file.path));
        }
        return opened.from.Open(*entry);
      };
      RETURN_IF_ERROR(WriteTree(*opened.selected_index, read, directory, stop));
    }
    return SetOwnerAndMode(*opened.mount, seeded, directory);
  };
  ASSIGN_OR_RETURN(caches_, store->Take(user, requests, stop));
  for (size_t i = 0; i < positions.size(); ++i) {
    (*mounts)[positions[i]].kind = ContainerMount::Kind::kDirectory;
    (*mounts)[positions[i]].source = caches_[i]->path();
  }
  return absl::OkStatus();
}

}  // namespace zlayer
