#include "registry/usage/holders.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/image/image_rows.h"
#include "registry/image/reference.h"
#include "registry/layer/index.h"

namespace zlayer {
namespace {

// Looked up in one transaction.
constexpr size_t kContents = 4096;
constexpr int64_t kArrivedFormat = 0;

// Images of a layer, or of a blob (its manifest, its configuration, a layer's descriptor).
constexpr std::string_view kNamesOfLayer =
    "SELECT DISTINCT reference, tags.manifest FROM image_layers JOIN tags "
    "ON tags.manifest = image_layers.manifest WHERE layer = ?1 ORDER BY reference DESC LIMIT ?2";
constexpr std::string_view kNamesOfBlob =
    "SELECT DISTINCT reference, manifest FROM tags WHERE manifest IN ("
    "SELECT manifest FROM images WHERE manifest = ?1 UNION "
    "SELECT manifest FROM images WHERE config = ?1 UNION "
    "SELECT manifest FROM image_layers WHERE digest = ?1) ORDER BY reference DESC LIMIT ?2";

template <typename Visit>
absl::Status ForEachRow(Connection& connection, std::string_view sql, Visit visit) {
  ASSIGN_OR_RETURN(Statement rows, connection.Prepare(sql));
  while (true) {
    ASSIGN_OR_RETURN(bool more, rows.Step());
    if (!more) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(visit(rows));
  }
}

absl::Status AddImageNames(Connection& connection, std::string_view sql, const Digest& key,
                           std::set<std::string>* names) {
  ASSIGN_OR_RETURN(Statement rows, connection.Prepare(sql));
  rows.BindDigest(1, key).Bind(2, static_cast<int64_t>(Holders::kMaxNames));
  while (true) {
    ASSIGN_OR_RETURN(bool more, rows.Step());
    if (!more) {
      return absl::OkStatus();
    }
    const std::string name(rows.Text(0));
    absl::StatusOr<Reference> reference = Reference::Parse(name);
    ASSIGN_OR_RETURN(Digest manifest, rows.DigestAt(1));
    names->insert(name.empty()     ? manifest.ToString()
                  : reference.ok() ? reference->Familiar()
                                   : name);
  }
}

std::vector<std::string> FirstNames(const std::set<std::string>& names) {
  std::vector<std::string> first(names.begin(), names.end());
  first.resize(std::min(first.size(), Holders::kMaxNames));
  return first;
}

}  // namespace

absl::StatusOr<Holders> Holders::Read(const std::string& root, Database* database, Indexes indexes,
                                      std::stop_token stop) {
  Holders holders(database);
  RETURN_IF_ERROR(
      database->Read([&](Connection& connection) { return holders.ReadRows(connection); }));
  RETURN_IF_ERROR(holders.MarkPacks(root, indexes, std::move(stop)));
  holders.MarkBlobsOfPacks();
  return holders;
}

absl::Status Holders::ReadRows(Connection& connection) {
  RETURN_IF_ERROR(ReadLayers(connection));
  RETURN_IF_ERROR(ReadImages(connection));
  RETURN_IF_ERROR(ReadCache(connection));
  RETURN_IF_ERROR(ForEachRow(connection, "SELECT layer FROM contexts",
                             [this](const Statement& row) -> absl::Status {
                               ASSIGN_OR_RETURN(Digest layer, row.DigestAt(0));
                               Mark(layer, Holder::kContext, /*named=*/true);
                               return absl::OkStatus();
                             }));
  RETURN_IF_ERROR(ForEachRow(connection, "SELECT digest FROM uploaded_blobs",
                             [this](const Statement& row) -> absl::Status {
                               ASSIGN_OR_RETURN(Digest blob, row.DigestAt(0));
                               MarkBlob(blob, Holder::kContext);
                               return absl::OkStatus();
                             }));
  return ReadPacks(connection);
}

absl::Status Holders::ReadLayers(Connection& connection) {
  return ForEachRow(connection, "SELECT id, tree, diff_id, tar_format, content_bytes FROM layers",
                    [this](const Statement& row) -> absl::Status {
                      ASSIGN_OR_RETURN(Digest id, row.DigestAt(0));
                      Layer& layer = layers_[id];
                      layer.has_tree = !row.IsNull(1);
                      layer.content_bytes = static_cast<uint64_t>(row.Int(4));
                      if (layer.has_tree) {
                        trees_.emplace(static_cast<uint64_t>(row.Int(1)), id);
                      }
                      if (!row.IsNull(2) && row.Int(3) == kArrivedFormat) {
                        ASSIGN_OR_RETURN(layer.arrived_tar, row.DigestAt(2));
                      }
                      return absl::OkStatus();
                    });
}

absl::Status Holders::ReadImages(Connection& connection) {
  ASSIGN_OR_RETURN(const std::vector<NamelessImage> found, FindCachedImages(connection));
  std::set<Digest> cached;
  for (const NamelessImage& image : found) {
    cached.insert(image.manifest);
  }
  std::unordered_map<Digest, Holder> images;
  RETURN_IF_ERROR(ForEachRow(
      connection,
      "SELECT manifest, config, EXISTS (SELECT 1 FROM tags WHERE tags.manifest = images.manifest "
      "AND reference <> '') FROM images",
      [&](const Statement& row) -> absl::Status {
        ASSIGN_OR_RETURN(Digest manifest, row.DigestAt(0));
        ASSIGN_OR_RETURN(Digest config, row.DigestAt(1));
        const Holder holder = row.Int(2) != 0 ? Holder::kImage : Holder::kNamelessImage;
        images.emplace(manifest, holder);
        MarkBlob(manifest, holder);
        MarkBlob(config, holder);
        return absl::OkStatus();
      }));
  return ForEachRow(connection, "SELECT manifest, layer, digest FROM image_layers",
                    [&](const Statement& row) -> absl::Status {
                      ASSIGN_OR_RETURN(Digest manifest, row.DigestAt(0));
                      ASSIGN_OR_RETURN(Digest blob, row.DigestAt(2));
                      const Holder holder = images[manifest];
                      MarkBlob(blob, holder);
                      if (!row.IsNull(1)) {
                        ASSIGN_OR_RETURN(Digest layer, row.DigestAt(1));
                        Mark(layer, holder, !cached.contains(manifest));
                      }
                      return absl::OkStatus();
                    });
}

absl::Status Holders::ReadCache(Connection& connection) {
  auto mark = [this](const Digest& layer) {
    if (auto found = layers_.find(layer); found != layers_.end()) {
      found->second.cached = true;
      Mark(layer, Holder::kCache, /*named=*/false);
    }
  };
  RETURN_IF_ERROR(ForEachRow(connection, "SELECT layer FROM fetched",
                             [&](const Statement& row) -> absl::Status {
                               ASSIGN_OR_RETURN(Digest layer, row.DigestAt(0));
                               mark(layer);
                               return absl::OkStatus();
                             }));
  return ForEachRow(
      connection, "SELECT layer, chain FROM records", [&](const Statement& row) -> absl::Status {
        ASSIGN_OR_RETURN(Digest layer, row.DigestAt(0));
        mark(layer);
        for (std::string_view chain = row.Text(1); chain.size() >= Digest::kSize;
             chain.remove_prefix(Digest::kSize)) {
          ASSIGN_OR_RETURN(Digest below, Digest::FromBytes(chain.substr(0, Digest::kSize)));
          mark(below);
        }
        return absl::OkStatus();
      });
}

absl::Status Holders::ReadPacks(Connection& connection) {
  return ForEachRow(connection, "SELECT id, blob, size FROM packs",
                    [this](const Statement& row) -> absl::Status {
                      Pack& pack = packs_[row.Int(0)];
                      pack.size = static_cast<uint64_t>(std::max<int64_t>(row.Int(2), 0));
                      pack.is_blob = !row.IsNull(1);
                      if (pack.is_blob) {
                        ASSIGN_OR_RETURN(Digest blob, row.DigestAt(1));
                        packs_of_blobs_.emplace(blob, row.Int(0));
                      }
                      return absl::OkStatus();
                    });
}

void Holders::Mark(const Digest& layer, Holder holder, bool named) {
  if (auto found = layers_.find(layer); found != layers_.end()) {
    found->second.holder = std::min(found->second.holder, holder);
    found->second.named = found->second.named || named;
  }
}

void Holders::MarkBlob(const Digest& blob, Holder holder) {
  auto [found, added] = blobs_.emplace(blob, holder);
  found->second = std::min(found->second, holder);
}

// Layers that nothing holds hold nothing.
absl::Status Holders::MarkPacks(const std::string& root, Indexes indexes, std::stop_token stop) {
  for (const auto& [id, layer] : layers_) {
    if (layer.holder == Holder::kNothing && indexes == Indexes::kOfHeld) {
      continue;
    }
    if (!layer.arrived_tar.IsNone()) {
      MarkBlob(layer.arrived_tar, layer.holder);
    }
    RETURN_IF_ERROR(MarkPacksOf(fmt::format("{}/indexes/{}", root, id.Hex()), id, stop));
  }
  return absl::OkStatus();
}

absl::Status Holders::MarkPacksOf(const std::string& index, const Digest& layer,
                                  const std::stop_token& stop) {
  absl::StatusOr<std::shared_ptr<const LayerIndex>> opened = LayerIndex::Open(index, layer);
  // A layer that went meanwhile, or a damaged index, which is for those to report who use it.
  if (absl::IsNotFound(opened.status()) || absl::IsDataLoss(opened.status())) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(opened.status());
  std::vector<Digest> contents;
  for (size_t i = 0; i < (*opened)->size(); ++i) {
    if ((*opened)->TypeAt(i) == EntryType::kFile) {
      contents.push_back((*opened)->At(i).content);
    }
    if (contents.size() == kContents || i + 1 == (*opened)->size()) {
      if (stop.stop_requested()) {
        return Cancelled("measuring the disk was stopped");
      }
      RETURN_IF_ERROR(MarkContents(layer, contents));
      contents.clear();
    }
  }
  return absl::OkStatus();
}

absl::Status Holders::MarkContents(const Digest& layer, const std::vector<Digest>& contents) {
  Layer& marked = layers_[layer];
  const Holder holder = marked.holder;
  return database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement find,
                     connection.Prepare("SELECT pack FROM contents WHERE digest = ?"));
    for (const Digest& content : contents) {
      ASSIGN_OR_RETURN(bool found, find.BindDigest(1, content).Step());
      if (!found) {
        continue;
      }
      const int64_t number = find.Int(0);
      if (std::find(marked.packs.rbegin(), marked.packs.rend(), number) == marked.packs.rend()) {
        marked.packs.push_back(number);
      }
      Pack& pack = packs_[number];
      pack.holder = std::min(pack.holder, holder);
      if (pack.layers.size() < kMaxNames &&
          std::find(pack.layers.begin(), pack.layers.end(), layer) == pack.layers.end()) {
        pack.layers.push_back(layer);
      }
    }
    return absl::OkStatus();
  });
}

void Holders::MarkBlobsOfPacks() {
  for (const auto& [blob, pack] : packs_of_blobs_) {
    MarkBlob(blob, packs_[pack].holder);
  }
}

const Holders::Layer* Holders::FindLayer(const Digest& layer) const {
  auto found = layers_.find(layer);
  return found == layers_.end() ? nullptr : &found->second;
}

std::optional<Digest> Holders::LayerOfTree(uint64_t number) const {
  auto found = trees_.find(number);
  return found == trees_.end() ? std::nullopt : std::optional(found->second);
}

Holder Holders::OfPack(int64_t pack) const {
  auto found = packs_.find(pack);
  return found == packs_.end() ? Holder::kNothing : found->second.holder;
}

Holder Holders::OfBlob(const Digest& blob) const {
  auto found = blobs_.find(blob);
  return found == blobs_.end() ? Holder::kNothing : found->second;
}

absl::Status Holders::AddNames(const Digest& layer, std::set<std::string>* names) const {
  if (const Layer* found = FindLayer(layer); found != nullptr && found->cached) {
    names->insert("cache");
  }
  return database_->Read([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(AddImageNames(connection, kNamesOfLayer, layer, names));
    ASSIGN_OR_RETURN(Statement contexts,
                     connection.Prepare("SELECT id FROM contexts WHERE layer = ? LIMIT 10"));
    contexts.BindDigest(1, layer);
    while (true) {
      ASSIGN_OR_RETURN(bool more, contexts.Step());
      if (!more) {
        return absl::OkStatus();
      }
      names->insert(std::string(contexts.Text(0)));
    }
  });
}

absl::StatusOr<std::vector<std::string>> Holders::NamesOfLayer(const Digest& layer) const {
  std::set<std::string> names;
  RETURN_IF_ERROR(AddNames(layer, &names));
  return FirstNames(names);
}

absl::StatusOr<std::vector<std::string>> Holders::NamesOfPack(int64_t pack) const {
  std::set<std::string> names;
  if (auto found = packs_.find(pack); found != packs_.end()) {
    for (const Digest& layer : found->second.layers) {
      RETURN_IF_ERROR(AddNames(layer, &names));
    }
  }
  return FirstNames(names);
}

absl::StatusOr<std::vector<std::string>> Holders::NamesOfBlob(const Digest& blob) const {
  std::set<std::string> names;
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) {
    return AddImageNames(connection, kNamesOfBlob, blob, &names);
  }));
  if (auto found = packs_of_blobs_.find(blob); found != packs_of_blobs_.end()) {
    ASSIGN_OR_RETURN(std::vector<std::string> more, NamesOfPack(found->second));
    names.insert(more.begin(), more.end());
  }
  return FirstNames(names);
}

}  // namespace zlayer
