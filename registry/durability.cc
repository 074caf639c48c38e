#include "registry/durability.h"

#include <errno.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/digest.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "registry/meta/boot.h"

namespace zlayer {
namespace {

// A row that is not marked. `version` tells whether it came to stand on more files since: a layer
// may get its tree later.
struct UnmarkedRow {
  Digest key;
  int64_t version = 0;
};

// A table whose rows stand on files.
struct Table {
  std::string_view select;  // keys and versions of the rows that are not marked
  std::string_view mark;    // marks the row with a key and a version
};
constexpr Table kTables[] = {
    {"SELECT id, coalesce(tree, 0) FROM layers WHERE boot <> ''",
     "UPDATE layers SET boot = '' WHERE id = ? AND coalesce(tree, 0) = ?"},
    {"SELECT manifest, 0 FROM images WHERE boot <> ''",
     "UPDATE images SET boot = '' WHERE manifest = ? AND 0 = ?"},
    {"SELECT digest, 0 FROM uploaded_blobs WHERE boot <> ''",
     "UPDATE uploaded_blobs SET boot = '' WHERE digest = ? AND 0 = ?"},
};

// Numbers of packs only grow, so the last one says all.
struct Unmarked {
  int64_t last_pack = 0;
  std::vector<UnmarkedRow> rows[std::size(kTables)];

  bool Empty() const {
    return last_pack == 0 && std::all_of(std::begin(rows), std::end(rows),
                                         [](const auto& table) { return table.empty(); });
  }
};

absl::Status FindUnmarked(Connection& connection, Unmarked* unmarked) {
  ASSIGN_OR_RETURN(Statement packs,
                   connection.Prepare("SELECT id FROM packs WHERE boot <> '' ORDER BY id DESC"));
  ASSIGN_OR_RETURN(bool any, packs.Step());
  unmarked->last_pack = any ? packs.Int(0) : 0;
  for (size_t i = 0; i < std::size(kTables); ++i) {
    ASSIGN_OR_RETURN(Statement rows, connection.Prepare(kTables[i].select));
    while (true) {
      ASSIGN_OR_RETURN(bool more, rows.Step());
      if (!more) {
        break;
      }
      ASSIGN_OR_RETURN(Digest key, rows.DigestAt(0));
      unmarked->rows[i].push_back(UnmarkedRow{key, rows.Int(1)});
    }
  }
  return absl::OkStatus();
}

absl::Status Mark(Connection& connection, const Unmarked& unmarked) {
  ASSIGN_OR_RETURN(Statement packs, connection.Prepare("UPDATE packs SET boot = '' "
                                                       "WHERE boot <> '' AND id <= ?"));
  RETURN_IF_ERROR(packs.Bind(1, unmarked.last_pack).Run());
  for (size_t i = 0; i < std::size(kTables); ++i) {
    ASSIGN_OR_RETURN(Statement mark, connection.Prepare(kTables[i].mark));
    for (const UnmarkedRow& row : unmarked.rows[i]) {
      RETURN_IF_ERROR(mark.BindDigest(1, row.key).Bind(2, row.version).Run());
    }
  }
  return absl::OkStatus();
}

struct DroppedLayer {
  Digest id;
  std::optional<int64_t> tree;
};

constexpr std::string_view kSuspectLayers =
    "SELECT id, tree FROM layers WHERE boot <> '' AND boot <> ?";

absl::StatusOr<std::vector<DroppedLayer>> FindSuspectLayers(Connection& connection) {
  std::vector<DroppedLayer> layers;
  ASSIGN_OR_RETURN(Statement rows, connection.Prepare(kSuspectLayers));
  rows.BindText(1, BootId());
  while (true) {
    ASSIGN_OR_RETURN(bool more, rows.Step());
    if (!more) {
      return layers;
    }
    DroppedLayer layer;
    ASSIGN_OR_RETURN(layer.id, rows.DigestAt(0));
    if (!rows.IsNull(1)) {
      layer.tree = rows.Int(1);
    }
    layers.push_back(layer);
  }
}

absl::StatusOr<bool> AnySuspect(Connection& connection) {
  ASSIGN_OR_RETURN(
      Statement any,
      connection.Prepare("SELECT EXISTS (SELECT 1 FROM packs WHERE boot <> '' AND boot <> ?1) "
                         "OR EXISTS (SELECT 1 FROM layers WHERE boot <> '' AND boot <> ?1) "
                         "OR EXISTS (SELECT 1 FROM images WHERE boot <> '' AND boot <> ?1) "
                         "OR EXISTS (SELECT 1 FROM uploaded_blobs WHERE boot <> '' AND "
                         "boot <> ?1)"));
  RETURN_IF_ERROR(any.BindText(1, BootId()).Step().status());
  return any.Int(0) != 0;
}

absl::StatusOr<std::unordered_set<Digest>> AllLayers(Connection& connection) {
  std::unordered_set<Digest> layers;
  ASSIGN_OR_RETURN(Statement rows, connection.Prepare("SELECT id FROM layers"));
  while (true) {
    ASSIGN_OR_RETURN(bool more, rows.Step());
    if (!more) {
      return layers;
    }
    ASSIGN_OR_RETURN(Digest layer, rows.DigestAt(0));
    layers.insert(layer);
  }
}

// Whether all of the chain, ids joined, is there.
bool IsWhole(std::string_view chain, const std::unordered_set<Digest>& layers) {
  for (; !chain.empty(); chain.remove_prefix(Digest::kSize)) {
    absl::StatusOr<Digest> layer = Digest::FromBytes(chain.substr(0, Digest::kSize));
    if (!layer.ok() || !layers.contains(*layer)) {
      return false;
    }
  }
  return true;
}

// Records that were made on a layer that is gone. Those that made one went with it.
absl::Status DropRecordsWithoutChain(Connection& connection) {
  ASSIGN_OR_RETURN(const std::unordered_set<Digest> layers, AllLayers(connection));
  std::vector<Digest> broken;
  ASSIGN_OR_RETURN(Statement rows, connection.Prepare("SELECT key, chain FROM records"));
  while (true) {
    ASSIGN_OR_RETURN(bool more, rows.Step());
    if (!more) {
      break;
    }
    if (!IsWhole(rows.Text(1), layers)) {
      ASSIGN_OR_RETURN(Digest key, rows.DigestAt(0));
      broken.push_back(key);
    }
  }
  ASSIGN_OR_RETURN(Statement remove, connection.Prepare("DELETE FROM records WHERE key = ?"));
  for (const Digest& key : broken) {
    RETURN_IF_ERROR(remove.BindDigest(1, key).Run());
  }
  return absl::OkStatus();
}

// Foreign keys take the rest along: names with their image, contents with their pack, records and
// contexts with their layer. What came from a registry has its layers read again.
absl::Status DropRows(Connection& connection) {
  for (std::string_view sql :
       {"UPDATE image_layers SET layer = NULL WHERE layer IN (SELECT id FROM layers WHERE boot <> "
        "'' "
        "AND boot <> ?1) AND manifest IN (SELECT manifest FROM repository_manifests)",
        "DELETE FROM uploaded_blobs WHERE boot <> '' AND boot <> ?1",
        "DELETE FROM images WHERE (boot <> '' AND boot <> ?1) OR manifest IN (SELECT manifest FROM "
        "image_layers JOIN layers ON id = layer WHERE layers.boot <> '' AND layers.boot <> ?1)",
        "DELETE FROM layers WHERE boot <> '' AND boot <> ?1",
        "DELETE FROM packs WHERE boot <> '' AND boot <> ?1"}) {
    ASSIGN_OR_RETURN(Statement remove, connection.Prepare(sql));
    RETURN_IF_ERROR(remove.BindText(1, BootId()).Run());
  }
  return DropRecordsWithoutChain(connection);
}

absl::Status DropFiles(const std::string& root, const DroppedLayer& layer) {
  const std::string index = fmt::format("{}/indexes/{}", root, layer.id.Hex());
  if (unlink(index.c_str()) != 0 && errno != ENOENT) {
    return ErrnoError("removing " + index);
  }
  if (layer.tree.has_value()) {
    const std::string tree = fmt::format("{}/trees/{}", root, *layer.tree);
    const std::string trash = fmt::format("{}/tmp/tree-{}", root, RandomHex());
    if (rename(tree.c_str(), trash.c_str()) != 0 && errno != ENOENT) {
      return ErrnoError("removing " + tree);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MarkSynced(Database* database, const std::function<absl::Status()>& sync) {
  Unmarked unmarked;
  RETURN_IF_ERROR(
      database->Read([&](Connection& connection) { return FindUnmarked(connection, &unmarked); }));
  if (unmarked.Empty()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(sync());
  return database->WriteUnsynced(
      [&](Connection& connection) { return Mark(connection, unmarked); });
}

absl::Status DropUnsynced(const std::string& root, Database* database) {
  bool any = false;
  RETURN_IF_ERROR(database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(any, AnySuspect(connection));
    return absl::OkStatus();
  }));
  if (!any) {
    return absl::OkStatus();
  }
  std::vector<DroppedLayer> layers;
  RETURN_IF_ERROR(database->Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(layers, FindSuspectLayers(connection));
    return DropRows(connection);
  }));
  for (const DroppedLayer& layer : layers) {
    RETURN_IF_ERROR(DropFiles(root, layer));
  }
  return absl::OkStatus();
}

}  // namespace zlayer
