#include "registry/gc/sweep.h"

#include <errno.h>
#include <fmt/format.h>
#include <stdio.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/usage/disk_walker.h"
#include "registry/usage/holders.h"

namespace zlayer {
namespace {

// Rows in one transaction.
constexpr size_t kBatch = 200;

class Sweeper {
 public:
  Sweeper(Store& store, const SweepOptions& options, int64_t now_ns, std::stop_token stop)
      : store_(store),
        options_(options),
        now_ns_(now_ns),
        stop_(stop),
        walker_(stop),
        work_(store.uses().BeginCollection()),
        trash_(fmt::format("{}/gc-{}", store.tmp(), RandomHex())) {}

  // What a stop left there goes with tmp/ at the next start.
  ~Sweeper() {
    if (!stop_.stop_requested()) {
      RemoveTree(trash_).IgnoreError();
    }
  }

  absl::StatusOr<SweepResult> Run();

 private:
  absl::Status Read();
  absl::Status AddEntry(const CacheRow& row);
  void CountPlanned(const std::vector<uint32_t>& entries);
  absl::Status RemoveEntries(const std::vector<uint32_t>& entries);
  absl::Status RemoveMounts(const std::vector<CacheRow>& mounts);
  absl::Status RemoveImages(const std::vector<CacheRow>& images);
  absl::Status RemoveRows(const std::vector<CacheRow>& rows);
  absl::Status RemoveLayers();
  absl::Status RemovePacks();
  absl::Status RemoveStray();
  absl::Status RemoveBlobs();
  absl::StatusOr<std::vector<Digest>> StrayIndexes();
  absl::Status MoveStrayTrees();
  absl::Status EmptyTrash();
  absl::Status ListIn(const std::string& directory,
                      const std::function<absl::Status(const std::string&)>& visit);
  absl::StatusOr<uint64_t> SizeOf(const std::string& directory, const std::string& name);
  absl::Status CheckStop() const {
    return stop_.stop_requested() ? Cancelled("the garbage collection was stopped")
                                  : absl::OkStatus();
  }

  Store& store_;
  const SweepOptions& options_;
  const int64_t now_ns_;
  const std::stop_token stop_;
  DiskWalker walker_;
  const Uses::Work work_;  // before anything is read
  const std::string trash_;
  SweepResult result_;

  std::optional<Holders> holders_;
  Ledger ledger_;
  std::vector<Digest> layers_;  // by their numbers in the ledger
  std::vector<int64_t> packs_;
  std::unordered_map<Digest, uint32_t> layer_numbers_;
  std::unordered_map<Digest, uint32_t> blob_numbers_;
  std::vector<uint64_t> blob_bytes_;  // by their numbers in the ledger
  std::vector<CacheRow> entries_;
  std::vector<uint64_t> own_bytes_;  // of the entries
  std::set<Digest> left_blobs_;      // of images that were removed
};

absl::StatusOr<SweepResult> Sweeper::Run() {
  RETURN_IF_ERROR(MakeDirectories(trash_));
  if (options_.nameless_ns > 0 && !options_.dry_run) {
    ASSIGN_OR_RETURN(result_.removed["image"].objects,
                     store_.images().RemoveNameless(now_ns_ - options_.nameless_ns, work_.since()));
  }
  RETURN_IF_ERROR(Read());
  std::vector<LedgerPolicy> policies;
  for (const GcPolicy& policy : options_.policies) {
    policies.push_back(policy.limits);
  }
  const std::vector<uint32_t> entries = ledger_.Prune(policies, now_ns_, options_.free_bytes);
  result_.cache_bytes = ledger_.cache_bytes();
  if (options_.dry_run) {
    CountPlanned(entries);
    return std::move(result_);
  }
  RETURN_IF_ERROR(RemoveEntries(entries));
  RETURN_IF_ERROR(RemoveLayers());
  RETURN_IF_ERROR(RemovePacks());
  RETURN_IF_ERROR(RemoveStray());
  RETURN_IF_ERROR(RemoveBlobs());
  RETURN_IF_ERROR(EmptyTrash());
  return std::move(result_);
}

absl::Status Sweeper::Read() {
  RETURN_IF_ERROR(store_.records().FlushUses());
  RETURN_IF_ERROR(store_.fetched().FlushUses());
  ASSIGN_OR_RETURN(holders_,
                   Holders::Read(store_.root(), &store_.database(), Holders::Indexes::kAll, stop_));
  std::unordered_map<int64_t, uint32_t> pack_numbers;
  for (const auto& [id, pack] : holders_->packs()) {
    pack_numbers.emplace(id, ledger_.AddPack(pack.is_blob ? 0 : pack.size));
    packs_.push_back(id);
  }
  for (const auto& [id, layer] : holders_->layers()) {
    std::vector<uint32_t> packs;
    for (int64_t pack : layer.packs) {
      packs.push_back(pack_numbers.at(pack));
    }
    layer_numbers_.emplace(
        id, ledger_.AddLayer(layer.has_tree ? layer.content_bytes : 0, layer.named, packs));
    layers_.push_back(id);
  }
  return ForEachCacheRow(store_, [this](const CacheRow& row) { return AddEntry(row); });
}

absl::Status Sweeper::AddEntry(const CacheRow& row) {
  RETURN_IF_ERROR(CheckStop());
  Ledger::Entry entry{.used_ns = row.used_ns, .in_use = row.in_use};
  for (size_t i = 0; i < options_.policies.size(); ++i) {
    entry.policies |= Matches(options_.policies[i].filter, row, now_ns_) ? 1u << i : 0;
  }
  // A layer that is not known is younger than the collection.
  if (auto layer = layer_numbers_.find(row.layer); layer != layer_numbers_.end()) {
    entry.layer = layer->second;
  }
  for (std::string_view chain = row.chain; chain.size() >= Digest::kSize;
       chain.remove_prefix(Digest::kSize)) {
    ASSIGN_OR_RETURN(const Digest below, Digest::FromBytes(chain.substr(0, Digest::kSize)));
    if (auto layer = layer_numbers_.find(below); layer != layer_numbers_.end()) {
      entry.chain.push_back(layer->second);
    }
  }
  for (const CacheBlob& blob : row.blobs) {
    const auto [number, is_new] = blob_numbers_.try_emplace(blob.digest, 0);
    if (is_new) {
      number->second = ledger_.AddBlob(blob.size);
      blob_bytes_.push_back(blob.size);
    }
    entry.blobs.push_back(number->second);
  }
  if (row.type == CacheType::kCacheMount) {
    ASSIGN_OR_RETURN(entry.own_bytes, SizeOf("/cache-mounts", fmt::format("{}", row.number)));
  }
  // Of what is only needed for people nothing is kept.
  CacheRow& kept = entries_.emplace_back();
  kept.type = row.type;
  kept.key = row.key;
  kept.number = row.number;
  kept.used_ns = row.used_ns;
  own_bytes_.push_back(entry.own_bytes);
  ledger_.AddEntry(std::move(entry));
  if (row.type == CacheType::kFetched) {
    kept.name_space = row.name_space;
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Sweeper::SizeOf(const std::string& directory, const std::string& name) {
  ASSIGN_OR_RETURN(const DiskWalker::Directory opened, walker_.Open(store_.root() + directory));
  return walker_.Measure(opened.fd, name);
}

void Sweeper::CountPlanned(const std::vector<uint32_t>& entries) {
  for (uint32_t entry : entries) {
    SweepResult::Removed& removed = result_.removed[std::string(NameOf(entries_[entry].type))];
    ++removed.objects;
    removed.bytes += own_bytes_[entry];
  }
  for (uint32_t number : ledger_.UnheldLayers()) {
    const Holders::Layer& layer = *holders_->FindLayer(layers_[number]);
    SweepResult::Removed& removed = result_.removed["layer"];
    ++removed.objects;
    removed.bytes += layer.has_tree ? layer.content_bytes : 0;
  }
  for (uint32_t number : ledger_.UnheldPacks()) {
    SweepResult::Removed& removed = result_.removed["pack"];
    ++removed.objects;
    const Holders::Pack& pack = holders_->packs().at(packs_[number]);
    removed.bytes += pack.is_blob ? 0 : pack.size;  // the blob goes by itself
  }
  for (uint32_t number : ledger_.UnheldBlobs()) {
    SweepResult::Removed& removed = result_.removed["blob"];
    ++removed.objects;
    removed.bytes += blob_bytes_[number];
  }
}

absl::Status Sweeper::RemoveEntries(const std::vector<uint32_t>& entries) {
  std::vector<CacheRow> mounts;
  std::vector<CacheRow> images;
  std::vector<CacheRow> rows;
  for (uint32_t entry : entries) {
    const CacheRow& row = entries_[entry];
    (row.type == CacheType::kCacheMount ? mounts
     : row.type == CacheType::kImage    ? images
                                        : rows)
        .push_back(row);
  }
  RETURN_IF_ERROR(RemoveMounts(mounts));
  RETURN_IF_ERROR(RemoveImages(images));
  return RemoveRows(rows);
}

absl::Status Sweeper::RemoveImages(const std::vector<CacheRow>& images) {
  for (const CacheRow& image : images) {
    RETURN_IF_ERROR(CheckStop());
    ASSIGN_OR_RETURN(const std::vector<Digest> blobs,
                     store_.images().RemoveIfNameless(image.key, image.used_ns + 1, work_.since()));
    result_.removed["image"].objects += blobs.empty() ? 0 : 1;
    left_blobs_.insert(blobs.begin(), blobs.end());
  }
  return absl::OkStatus();
}

absl::Status Sweeper::RemoveMounts(const std::vector<CacheRow>& mounts) {
  for (const CacheRow& mount : mounts) {
    RETURN_IF_ERROR(CheckStop());
    ASSIGN_OR_RETURN(const bool removed,
                     store_.cache_mounts().Remove(mount.number, mount.used_ns, trash_));
    result_.removed["cache-mount"].objects += removed ? 1 : 0;
  }
  return absl::OkStatus();
}

absl::Status Sweeper::RemoveRows(const std::vector<CacheRow>& rows) {
  for (size_t i = 0; i < rows.size();) {
    RETURN_IF_ERROR(CheckStop());
    std::vector<CacheRow> batch;
    for (const CacheType type = rows[i].type;
         i < rows.size() && rows[i].type == type && batch.size() < kBatch; ++i) {
      batch.push_back(rows[i]);
    }
    ASSIGN_OR_RETURN(const size_t removed, RemoveCacheRows(store_.database(), batch));
    result_.removed[std::string(NameOf(batch[0].type))].objects += removed;
  }
  return absl::OkStatus();
}

absl::Status Sweeper::RemoveLayers() {
  const std::vector<uint32_t> unheld = ledger_.UnheldLayers();
  for (size_t i = 0; i < unheld.size(); i += kBatch) {
    RETURN_IF_ERROR(CheckStop());
    std::vector<Digest> batch;
    for (size_t j = i; j < std::min(unheld.size(), i + kBatch); ++j) {
      batch.push_back(layers_[unheld[j]]);
    }
    ASSIGN_OR_RETURN(const std::vector<Digest> removed,
                     store_.layers().Remove(batch, work_.since(), trash_));
    result_.removed["layer"].objects += removed.size();
    const std::set<Digest> gone(removed.begin(), removed.end());
    for (const Digest& layer : batch) {
      if (!gone.contains(layer)) {
        ledger_.KeepLayer(layer_numbers_.at(layer));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Sweeper::RemovePacks() {
  for (uint32_t pack : ledger_.UnheldPacks()) {
    RETURN_IF_ERROR(CheckStop());
    ASSIGN_OR_RETURN(const bool removed,
                     store_.contents().RemovePack(packs_[pack], work_.since(), trash_));
    result_.removed["pack"].objects += removed ? 1 : 0;
  }
  return absl::OkStatus();
}

absl::Status Sweeper::ListIn(const std::string& directory,
                             const std::function<absl::Status(const std::string&)>& visit) {
  ASSIGN_OR_RETURN(const DiskWalker::Directory opened, walker_.Open(store_.root() + directory));
  return walker_.List(opened.fd, visit);
}

// What a crash left without rows.
absl::Status Sweeper::RemoveStray() {
  RETURN_IF_ERROR(CheckStop());
  ASSIGN_OR_RETURN(const std::vector<Digest> indexes, StrayIndexes());
  for (size_t i = 0; i < indexes.size(); i += kBatch) {
    const auto begin = indexes.begin() + static_cast<ptrdiff_t>(i);
    const std::vector<Digest> batch(
        begin, begin + static_cast<ptrdiff_t>(std::min(kBatch, indexes.size() - i)));
    RETURN_IF_ERROR(store_.layers().Remove(batch, work_.since(), trash_).status());
  }
  RETURN_IF_ERROR(MoveStrayTrees());
  return store_.cache_mounts().RemoveStray(trash_);
}

absl::StatusOr<std::vector<Digest>> Sweeper::StrayIndexes() {
  std::vector<Digest> stray;
  RETURN_IF_ERROR(ListIn("/indexes", [&](const std::string& name) {
    const absl::StatusOr<Digest> layer = Digest::FromHex(name);
    if (layer.ok() && holders_->FindLayer(*layer) == nullptr) {
      stray.push_back(*layer);
    }
    return absl::OkStatus();
  }));
  return stray;
}

absl::Status Sweeper::MoveStrayTrees() {
  return ListIn("/trees", [&](const std::string& name) -> absl::Status {
    const std::optional<uint64_t> number = ParseUint(name);
    if (!number.has_value() || *number > static_cast<uint64_t>(options_.old_trees) ||
        holders_->LayerOfTree(*number).has_value()) {
      return absl::OkStatus();
    }
    const std::string from = fmt::format("{}/trees/{}", store_.root(), name);
    const std::string to = fmt::format("{}/tree-{}", trash_, name);
    return rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT ? absl::OkStatus()
                                                                    : ErrnoError(from);
  });
}

// All that are no image's: rows are asked again, and leases, for each.
absl::Status Sweeper::RemoveBlobs() {
  RETURN_IF_ERROR(store_.repositories().DropStaleRows());
  std::vector<Digest> blobs;
  RETURN_IF_ERROR(ListIn("/blobs/sha256", [&](const std::string& name) -> absl::Status {
    const absl::StatusOr<Digest> blob = Digest::FromHex(name);
    if (blob.ok() &&
        (holders_->OfBlob(*blob) > Holder::kNamelessImage || left_blobs_.contains(*blob))) {
      blobs.push_back(*blob);
    }
    return absl::OkStatus();
  }));
  for (const Digest& blob : blobs) {
    RETURN_IF_ERROR(CheckStop());
    ASSIGN_OR_RETURN(const uint64_t bytes, SizeOf("/blobs/sha256", blob.Hex()));
    RETURN_IF_ERROR(store_.images().DropUnusedBlobs({blob}));
    if (!store_.blobs().Has(blob)) {
      ++result_.removed["blob"].objects;
      result_.removed["blob"].bytes += bytes;
      result_.freed_bytes += bytes;
    }
  }
  return absl::OkStatus();
}

// Measures and unlinks what was moved there.
absl::Status Sweeper::EmptyTrash() {
  std::vector<std::string> names;
  ASSIGN_OR_RETURN(const DiskWalker::Directory trash, walker_.Open(trash_));
  RETURN_IF_ERROR(walker_.List(trash.fd, [&names](const std::string& name) {
    names.push_back(name);
    return absl::OkStatus();
  }));
  for (const std::string& name : names) {
    RETURN_IF_ERROR(CheckStop());
    ASSIGN_OR_RETURN(const uint64_t bytes, walker_.Measure(trash.fd, name));
    RETURN_IF_ERROR(RemoveTree(trash_ + "/" + name));
    const std::string kind = name.starts_with("pack-")          ? "pack"
                             : name.starts_with("cache-mount-") ? "cache-mount"
                                                                : "layer";
    result_.removed[kind].bytes += bytes;
    result_.freed_bytes += bytes;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SweepResult> Sweep(Store& store, const SweepOptions& options, int64_t now_ns,
                                  std::stop_token stop) {
  return Sweeper(store, options, now_ns, std::move(stop)).Run();
}

}  // namespace zlayer
