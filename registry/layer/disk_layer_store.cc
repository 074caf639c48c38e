#include <absl/cleanup/cleanup.h>
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>

#include <map>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/beneath.h"
#include "registry/layer/layer_rows.h"
#include "registry/layer/layer_store.h"
#include "registry/layer/layer_tar.h"
#include "registry/layer/single_flight.h"

namespace zlayer {
namespace {

// A file of a tree. The tree's metadata means nothing, but its size must be right.
absl::StatusOr<ContentFile> OpenInTree(int tree, const Entry& file) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenBeneath(tree, file.path, O_RDONLY | O_NONBLOCK));
  struct stat info;
  if (fstat(fd.get(), &info) != 0) {
    return ErrnoError(fmt::format("reading '{}' of a layer's tree", ToUtf8(file.path)));
  }
  if (!S_ISREG(info.st_mode) || static_cast<uint64_t>(info.st_size) != file.size) {
    return DataLoss(fmt::format("'{}' in a layer's tree is not the file of {} bytes that it was",
                                ToUtf8(file.path), file.size));
  }
  return ContentFile{std::make_shared<const UniqueFd>(std::move(fd)), 0, file.size};
}

class DiskLayerStore final : public LayerStore {
 public:
  DiskLayerStore(const std::string& root, Database* database, ContentStore* contents,
                 const Clock* clock, const Uses* uses)
      : indexes_directory_(root + "/indexes"),
        trees_directory_(root + "/trees"),
        scratch_directory_(root + "/tmp"),
        contents_(contents),
        clock_(clock),
        rows_(database),
        used_(uses) {}

  absl::Status MakeRoot() const {
    RETURN_IF_ERROR(MakeDirectories(indexes_directory_));
    RETURN_IF_ERROR(MakeDirectories(trees_directory_));
    return MakeDirectories(scratch_directory_);
  }

  absl::StatusOr<LayerRef> Add(std::string_view serialized_index, const std::string& tree) override;
  absl::StatusOr<LayerRef> AddTree(const std::string& tree, std::stop_token stop) override;
  absl::StatusOr<LayerRef> Get(const Digest& id) override;
  absl::StatusOr<uint64_t> EnsureTree(const LayerRef& layer, std::stop_token stop) override;
  const std::string& trees_directory() const override { return trees_directory_; }
  absl::StatusOr<TarIdentity> EnsureTarIdentity(const Digest& layer, TarEpoch epoch,
                                                std::stop_token stop) override;
  absl::StatusOr<std::optional<uint64_t>> TarSize(const Digest& layer,
                                                  const Digest& diff_id) override;
  absl::Status SetTarIdentity(const Digest& layer, const TarIdentity& tar) override {
    return rows_.SetTar(layer, tar.diff_id, tar.size, true);
  }
  absl::Status WriteTar(const LayerRef& layer, const WantedTar& wanted,
                        const std::function<absl::Status(std::string_view)>& sink,
                        std::stop_token stop) override;
  absl::StatusOr<ContentFile> OpenContent(const LayerIndex& layer, const Entry& file) override;
  bool InUse(const Digest& layer) override {
    return used_.InUse(layer) || FindOpen(layer) != nullptr;
  }
  absl::StatusOr<std::vector<Digest>> Remove(const std::vector<Digest>& layers, Uses::Stamp since,
                                             const std::string& trash) override;

 private:
  std::string IndexFile(const Digest& id) const { return indexes_directory_ + "/" + id.Hex(); }
  std::string TreeDirectory(uint64_t number) const {
    return fmt::format("{}/{}", trees_directory_, number);
  }
  absl::StatusOr<LayerRow> FindRow(const Digest& id);
  absl::Status WriteIndex(const Digest& id, std::string_view bytes) const;
  absl::StatusOr<uint64_t> TakeOver(const std::string& tree);
  LayerRef FindOpen(const Digest& id);
  absl::StatusOr<LayerRef> Open(const Digest& id);
  absl::StatusOr<uint64_t> MakeTree(const LayerIndex& layer, std::stop_token stop);
  absl::StatusOr<std::optional<TarIdentity>> FindTar(const Digest& layer, TarEpoch epoch);
  absl::StatusOr<TarIdentity> MakeTarIdentity(const Digest& id, TarEpoch epoch,
                                              std::stop_token stop);
  absl::Status Touch(const Digest& id);
  absl::StatusOr<ContentOpener> Opener(const LayerIndex& layer);
  absl::Status MoveFiles(const LayerRows::Removed& removed, const std::string& trash) const;

  const std::string indexes_directory_;
  const std::string trees_directory_;
  const std::string scratch_directory_;
  ContentStore* const contents_;
  const Clock* const clock_;
  LayerRows rows_;
  // Touched before their rows are looked at.
  UsedThings<Digest> used_;
  SingleFlight<uint64_t> trees_;
  SingleFlight<TarIdentity, std::pair<Digest, TarEpoch>> tars_;

  Mutex mutex_;
  std::map<Digest, std::weak_ptr<const LayerIndex>> opened_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<LayerRow> DiskLayerStore::FindRow(const Digest& id) {
  ASSIGN_OR_RETURN(std::optional<LayerRow> row, rows_.Find(id));
  if (!row) {
    return NotFound(fmt::format("there is no layer {}", id.ToString()));
  }
  return *row;
}

// A file without a row may be what a power failure left of one.
absl::Status DiskLayerStore::WriteIndex(const Digest& id, std::string_view bytes) const {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenUnnamedFile(indexes_directory_));
  RETURN_IF_ERROR(WriteFully(fd.get(), bytes));
  absl::Status linked = LinkUnnamedFile(fd.get(), IndexFile(id));
  if (!absl::IsAlreadyExists(linked)) {
    return linked;
  }
  absl::StatusOr<LayerRef> present = LayerIndex::Open(IndexFile(id));
  return present.ok() && (*present)->id() == id ? absl::OkStatus()
                                                : WriteFileAtomically(IndexFile(id), bytes);
}

absl::StatusOr<uint64_t> DiskLayerStore::TakeOver(const std::string& tree) {
  ASSIGN_OR_RETURN(uint64_t number, rows_.NewTreeNumber());
  if (rename(tree.c_str(), TreeDirectory(number).c_str()) != 0) {
    return ErrnoError(fmt::format("moving {} to {}", tree, TreeDirectory(number)));
  }
  return number;
}

absl::StatusOr<LayerRef> DiskLayerStore::Add(std::string_view serialized_index,
                                             const std::string& tree) {
  ASSIGN_OR_RETURN(LayerRef given, LayerIndex::FromBytes(std::string(serialized_index)));
  used_.Touch(given->id());
  ASSIGN_OR_RETURN(std::optional<LayerRow> row, rows_.Find(given->id()));
  if (row && (tree.empty() || row->tree)) {
    RETURN_IF_ERROR(tree.empty() ? absl::OkStatus() : RemoveTree(tree));
    return Open(given->id());
  }
  if (!row) {
    RETURN_IF_ERROR(WriteIndex(given->id(), serialized_index));
  }
  LayerRows::NewLayer layer;
  layer.id = given->id();
  layer.content_bytes = given->content_bytes();
  layer.created_ns = clock_->NowNs();
  if (!tree.empty()) {
    ASSIGN_OR_RETURN(layer.tree, TakeOver(tree));
  }
  ASSIGN_OR_RETURN(std::optional<uint64_t> kept, rows_.Add(layer));
  if (layer.tree && kept != layer.tree) {
    RETURN_IF_ERROR(RemoveTree(TreeDirectory(*layer.tree)));
  }
  return Open(given->id());
}

absl::StatusOr<LayerRef> DiskLayerStore::AddTree(const std::string& tree, std::stop_token stop) {
  LayerIndexBuilder builder;
  RETURN_IF_ERROR(ListTree(tree, &builder, stop));
  ASSIGN_OR_RETURN(UniqueFd root, OpenFile(tree, O_PATH | O_DIRECTORY));
  ASSIGN_OR_RETURN(
      TarIdentity tar,
      DigestContents(
          &builder, [&root](const Entry& file) { return OpenInTree(root.get(), file); },
          std::move(stop)));
  ASSIGN_OR_RETURN(const std::string index, builder.Serialize());
  ASSIGN_OR_RETURN(LayerRef layer, Add(index, tree));
  RETURN_IF_ERROR(rows_.SetTar(layer->id(), tar.diff_id, tar.size, false));
  return layer;
}

// Null where nobody holds it.
LayerRef DiskLayerStore::FindOpen(const Digest& id) {
  MutexLock lock(&mutex_);
  auto found = opened_.find(id);
  return found == opened_.end() ? nullptr : found->second.lock();
}

absl::StatusOr<LayerRef> DiskLayerStore::Open(const Digest& id) {
  if (LayerRef open = FindOpen(id)) {
    return open;
  }
  ASSIGN_OR_RETURN(LayerRef layer, LayerIndex::Open(IndexFile(id), id));
  MutexLock lock(&mutex_);
  std::weak_ptr<const LayerIndex>& slot = opened_[id];
  if (LayerRef open = slot.lock()) {
    return open;
  }
  slot = layer;
  std::erase_if(opened_, [](const auto& item) { return item.second.expired(); });
  return layer;
}

absl::Status DiskLayerStore::Touch(const Digest& id) {
  return used_.TryTouch(id) ? absl::OkStatus()
                            : NotFound(fmt::format("the layer {} is being removed", id.ToString()));
}

absl::StatusOr<LayerRef> DiskLayerStore::Get(const Digest& id) {
  RETURN_IF_ERROR(Touch(id));
  // Remove leaves what somebody holds its row.
  if (LayerRef open = FindOpen(id)) {
    return open;
  }
  RETURN_IF_ERROR(FindRow(id).status());
  return Open(id);
}

absl::StatusOr<uint64_t> DiskLayerStore::EnsureTree(const LayerRef& layer, std::stop_token stop) {
  ASSIGN_OR_RETURN(LayerRow row, FindRow(layer->id()));
  if (row.tree) {
    return *row.tree;
  }
  return trees_.Do(layer->id(), stop, [this, &layer, stop] { return MakeTree(*layer, stop); });
}

absl::StatusOr<uint64_t> DiskLayerStore::MakeTree(const LayerIndex& layer, std::stop_token stop) {
  ASSIGN_OR_RETURN(LayerRow row, FindRow(layer.id()));
  if (row.tree) {
    return *row.tree;
  }
  ASSIGN_OR_RETURN(ScopedDirectory scratch, ScopedDirectory::Make(scratch_directory_, "tree-"));
  RETURN_IF_ERROR(WriteTree(
      layer, [this, &layer](const Entry& file) { return OpenContent(layer, file); }, scratch.path(),
      std::move(stop)));
  ASSIGN_OR_RETURN(uint64_t number, TakeOver(scratch.path()));
  ASSIGN_OR_RETURN(uint64_t kept, rows_.SetTree(layer.id(), number));
  if (kept != number) {
    RETURN_IF_ERROR(RemoveTree(TreeDirectory(number)));
  }
  return kept;
}

// Nothing where it was not made yet.
absl::StatusOr<std::optional<TarIdentity>> DiskLayerStore::FindTar(const Digest& layer,
                                                                   TarEpoch epoch) {
  ASSIGN_OR_RETURN(LayerRow row, FindRow(layer));
  if (epoch) {
    return rows_.FindClampedTar(layer, *epoch);
  }
  return row.diff_id.IsNone() ? std::nullopt
                              : std::optional<TarIdentity>({row.diff_id, row.tar_size});
}

absl::StatusOr<TarIdentity> DiskLayerStore::EnsureTarIdentity(const Digest& layer, TarEpoch epoch,
                                                              std::stop_token stop) {
  RETURN_IF_ERROR(Touch(layer));
  ASSIGN_OR_RETURN(std::optional<TarIdentity> known, FindTar(layer, epoch));
  if (known) {
    return *known;
  }
  return tars_.Do({layer, epoch}, stop,
                  [this, &layer, epoch, stop] { return MakeTarIdentity(layer, epoch, stop); });
}

absl::StatusOr<TarIdentity> DiskLayerStore::MakeTarIdentity(const Digest& id, TarEpoch epoch,
                                                            std::stop_token stop) {
  ASSIGN_OR_RETURN(std::optional<TarIdentity> known, FindTar(id, epoch));
  if (known) {
    return *known;
  }
  ASSIGN_OR_RETURN(const LayerRef layer, Open(id));
  ASSIGN_OR_RETURN(ContentOpener open, Opener(*layer));
  ASSIGN_OR_RETURN(const TarIdentity made,
                   DigestLayerTar({*layer, std::move(open), epoch}, std::move(stop)));
  RETURN_IF_ERROR(epoch ? rows_.AddClampedTar(id, *epoch, made)
                        : rows_.SetTar(id, made.diff_id, made.size, false));
  // What arrived meanwhile stays.
  ASSIGN_OR_RETURN(known, FindTar(id, epoch));
  return known.value_or(made);
}

absl::StatusOr<std::optional<uint64_t>> DiskLayerStore::TarSize(const Digest& layer,
                                                                const Digest& diff_id) {
  ASSIGN_OR_RETURN(LayerRow row, FindRow(layer));
  if (row.diff_id == diff_id) {
    return row.tar_size;
  }
  ASSIGN_OR_RETURN(const auto clamped, rows_.FindEpoch(layer, diff_id));
  return clamped ? std::optional<uint64_t>(clamped->size) : std::nullopt;
}

absl::Status DiskLayerStore::WriteTar(const LayerRef& layer, const WantedTar& wanted,
                                      const std::function<absl::Status(std::string_view)>& sink,
                                      std::stop_token stop) {
  ASSIGN_OR_RETURN(LayerRow row, FindRow(layer->id()));
  TarEpoch epoch;
  if (row.diff_id != wanted.diff_id) {
    ASSIGN_OR_RETURN(const auto clamped, rows_.FindEpoch(layer->id(), wanted.diff_id));
    if (!clamped) {
      return DataLoss(fmt::format("the store cannot make the tar {} of the layer {} again",
                                  wanted.diff_id.ToString(), layer->id().ToString()));
    }
    epoch = clamped->epoch;
  } else if (row.arrived) {
    return FailedPrecondition(fmt::format("layer {} arrived as the tar {}; its bytes are that blob",
                                          layer->id().ToString(), wanted.diff_id.ToString()));
  }
  ASSIGN_OR_RETURN(ContentOpener open, Opener(*layer));
  return WriteLayerTar({*layer, std::move(open), epoch, wanted.from}, sink, std::move(stop));
}

// A tree is one open call away; the content store asks the database for each file. For as long as
// `layer` lives.
absl::StatusOr<ContentOpener> DiskLayerStore::Opener(const LayerIndex& layer) {
  ASSIGN_OR_RETURN(LayerRow row, FindRow(layer.id()));
  auto tree = std::make_shared<UniqueFd>();
  if (row.tree) {
    ASSIGN_OR_RETURN(*tree, OpenFile(TreeDirectory(*row.tree), O_PATH | O_DIRECTORY));
  }
  return [this, &layer, tree](const Entry& file) -> absl::StatusOr<ContentFile> {
    if (tree->valid()) {
      absl::StatusOr<ContentFile> found = OpenInTree(tree->get(), file);
      if (found.ok()) {
        return found;
      }
    }
    return OpenContent(layer, file);
  };
}

absl::StatusOr<ContentFile> DiskLayerStore::OpenContent(const LayerIndex& layer,
                                                        const Entry& file) {
  absl::StatusOr<ContentFile> stored = contents_->Open(file.content);
  if (!absl::IsNotFound(stored.status())) {
    return stored;
  }
  ASSIGN_OR_RETURN(LayerRow row, FindRow(layer.id()));
  absl::Status missing = NotFound(fmt::format("the content of '{}' in layer {} is not stored",
                                              ToUtf8(file.path), layer.id().ToString()));
  if (!row.tree) {
    return missing;
  }
  ASSIGN_OR_RETURN(UniqueFd tree, OpenFile(TreeDirectory(*row.tree), O_PATH | O_DIRECTORY));
  absl::StatusOr<ContentFile> found = OpenInTree(tree.get(), file);
  return absl::IsNotFound(found.status()) ? missing : found;
}

absl::StatusOr<std::vector<Digest>> DiskLayerStore::Remove(const std::vector<Digest>& layers,
                                                           Uses::Stamp since,
                                                           const std::string& trash) {
  std::vector<Digest> unused;
  for (const Digest& layer : layers) {
    if (FindOpen(layer) == nullptr && used_.StartRemoving(layer, since)) {
      unused.push_back(layer);
    }
  }
  const absl::Cleanup end = [&] {
    for (const Digest& layer : unused) {
      used_.EndRemoving(layer);
    }
  };
  ASSIGN_OR_RETURN(const std::vector<LayerRows::Removed> removed, rows_.RemoveUnnamed(unused));
  std::vector<Digest> gone;
  for (const LayerRows::Removed& layer : removed) {
    RETURN_IF_ERROR(MoveFiles(layer, trash));
    gone.push_back(layer.id);
  }
  return gone;
}

absl::Status DiskLayerStore::MoveFiles(const LayerRows::Removed& removed,
                                       const std::string& trash) const {
  const auto move = [](const std::string& from, const std::string& to) {
    return rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT
               ? absl::OkStatus()
               : ErrnoError(fmt::format("moving {} to {}", from, to));
  };
  RETURN_IF_ERROR(move(IndexFile(removed.id), fmt::format("{}/index-{}", trash, removed.id.Hex())));
  return removed.tree
             ? move(TreeDirectory(*removed.tree), fmt::format("{}/tree-{}", trash, *removed.tree))
             : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LayerStore>> OpenDiskLayerStore(const std::string& root,
                                                               Database* database,
                                                               ContentStore* contents,
                                                               const Clock* clock,
                                                               const Uses* uses) {
  auto store = std::make_unique<DiskLayerStore>(root, database, contents, clock, uses);
  RETURN_IF_ERROR(store->MakeRoot());
  return std::unique_ptr<LayerStore>(std::move(store));
}

}  // namespace zlayer
