#include "registry/layer/layer_rows.h"

#include <fmt/format.h>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/meta/boot.h"

namespace zlayer {
namespace {

// Tree numbers are reserved this many at a time: a reservation is a synced commit.
constexpr uint64_t kReserved = 64;
constexpr int kArrivedFormat = 0;

absl::Status NoSuchLayer(const Digest& layer) {
  return NotFound(fmt::format("there is no layer {}", layer.ToString()));
}

// Layers that a record was made on are for the caller to keep: no index finds those.
constexpr std::string_view kIsNamed =
    "SELECT EXISTS (SELECT 1 FROM image_layers WHERE layer = ?1) "
    "OR EXISTS (SELECT 1 FROM records WHERE layer = ?1) "
    "OR EXISTS (SELECT 1 FROM contexts WHERE layer = ?1) "
    "OR EXISTS (SELECT 1 FROM fetched WHERE layer = ?1)";

absl::StatusOr<std::optional<uint64_t>> TreeOf(Connection& connection, const Digest& layer) {
  ASSIGN_OR_RETURN(Statement select, connection.Prepare("SELECT tree FROM layers WHERE id = ?"));
  select.BindDigest(1, layer);
  ASSIGN_OR_RETURN(bool found, select.Step());
  if (!found) {
    return NoSuchLayer(layer);
  }
  std::optional<uint64_t> tree;
  if (!select.IsNull(0)) {
    tree = static_cast<uint64_t>(select.Int(0));
  }
  return tree;
}

// A row that comes to stand on more files has to be synced again: it gets the boot's id.
absl::Status GiveTree(Connection& connection, const Digest& layer, uint64_t tree) {
  ASSIGN_OR_RETURN(
      Statement update,
      connection.Prepare("UPDATE layers SET tree = ?, boot = ? WHERE id = ? AND tree IS NULL"));
  return update.Bind(1, static_cast<int64_t>(tree))
      .BindText(2, BootId())
      .BindDigest(3, layer)
      .Run();
}

}  // namespace

absl::StatusOr<std::optional<LayerRow>> LayerRows::Find(const Digest& layer) {
  std::optional<LayerRow> row;
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement select,
                     connection.Prepare("SELECT tree, diff_id, tar_size, tar_format FROM layers "
                                        "WHERE id = ?"));
    select.BindDigest(1, layer);
    ASSIGN_OR_RETURN(bool found, select.Step());
    if (!found) {
      return absl::OkStatus();
    }
    row.emplace();
    if (!select.IsNull(0)) {
      row->tree = static_cast<uint64_t>(select.Int(0));
    }
    bool current = select.Int(3) == kArrivedFormat || select.Int(3) == kTarFormat;
    if (!select.IsNull(1) && current) {
      ASSIGN_OR_RETURN(row->diff_id, select.DigestAt(1));
      row->tar_size = static_cast<uint64_t>(select.Int(2));
      row->arrived = select.Int(3) == kArrivedFormat;
    }
    return absl::OkStatus();
  }));
  return row;
}

absl::StatusOr<std::optional<uint64_t>> LayerRows::Add(const NewLayer& layer) {
  std::optional<uint64_t> tree;
  RETURN_IF_ERROR(database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement insert,
                     connection.Prepare(
                         "INSERT INTO layers (id, content_bytes, created, boot) VALUES (?, ?, ?, ?)"
                         " ON CONFLICT (id) DO NOTHING"));
    RETURN_IF_ERROR(insert.BindDigest(1, layer.id)
                        .Bind(2, static_cast<int64_t>(layer.content_bytes))
                        .Bind(3, layer.created_ns)
                        .BindText(4, BootId())
                        .Run());
    if (layer.tree) {
      RETURN_IF_ERROR(GiveTree(connection, layer.id, *layer.tree));
    }
    ASSIGN_OR_RETURN(tree, TreeOf(connection, layer.id));
    return absl::OkStatus();
  }));
  return tree;
}

absl::StatusOr<uint64_t> LayerRows::SetTree(const Digest& layer, uint64_t tree) {
  uint64_t kept = tree;
  RETURN_IF_ERROR(database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(GiveTree(connection, layer, tree));
    ASSIGN_OR_RETURN(std::optional<uint64_t> now, TreeOf(connection, layer));
    kept = now.value_or(tree);
    return absl::OkStatus();
  }));
  return kept;
}

absl::Status LayerRows::SetTar(const Digest& layer, const Digest& diff_id, uint64_t size,
                               bool arrived) {
  return database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(TreeOf(connection, layer).status());
    ASSIGN_OR_RETURN(
        Statement update,
        connection.Prepare("UPDATE layers SET diff_id = ?1, tar_size = ?2, tar_format = ?3 "
                           "WHERE id = ?4 AND (diff_id IS NULL OR tar_format NOT IN (?5, ?6))"));
    return update.BindDigest(1, diff_id)
        .Bind(2, static_cast<int64_t>(size))
        .Bind(3, arrived ? kArrivedFormat : kTarFormat)
        .BindDigest(4, layer)
        .Bind(5, kArrivedFormat)
        .Bind(6, kTarFormat)
        .Run();
  });
}

absl::StatusOr<std::optional<TarIdentity>> LayerRows::FindClampedTar(const Digest& layer,
                                                                     int64_t epoch) {
  std::optional<TarIdentity> tar;
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement select,
                     connection.Prepare("SELECT diff_id, size FROM clamped_tars "
                                        "WHERE layer = ? AND epoch = ? AND format = ?"));
    ASSIGN_OR_RETURN(bool found,
                     select.BindDigest(1, layer).Bind(2, epoch).Bind(3, kTarFormat).Step());
    if (found) {
      tar.emplace();
      ASSIGN_OR_RETURN(tar->diff_id, select.DigestAt(0));
      tar->size = static_cast<uint64_t>(select.Int(1));
    }
    return absl::OkStatus();
  }));
  return tar;
}

absl::Status LayerRows::AddClampedTar(const Digest& layer, int64_t epoch, const TarIdentity& tar) {
  return database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(TreeOf(connection, layer).status());
    ASSIGN_OR_RETURN(Statement insert,
                     connection.Prepare("INSERT INTO clamped_tars (layer, epoch, format, diff_id, "
                                        "size) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"));
    return insert.BindDigest(1, layer)
        .Bind(2, epoch)
        .Bind(3, kTarFormat)
        .BindDigest(4, tar.diff_id)
        .Bind(5, static_cast<int64_t>(tar.size))
        .Run();
  });
}

absl::StatusOr<std::optional<LayerRows::ClampedTar>> LayerRows::FindEpoch(const Digest& layer,
                                                                          const Digest& diff_id) {
  std::optional<ClampedTar> tar;
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement select,
                     connection.Prepare("SELECT epoch, size FROM clamped_tars "
                                        "WHERE diff_id = ? AND layer = ? AND format = ?"));
    ASSIGN_OR_RETURN(bool found,
                     select.BindDigest(1, diff_id).BindDigest(2, layer).Bind(3, kTarFormat).Step());
    if (found) {
      tar = {select.Int(0), static_cast<uint64_t>(select.Int(1))};
    }
    return absl::OkStatus();
  }));
  return tar;
}

absl::StatusOr<std::vector<LayerRows::Removed>> LayerRows::RemoveUnnamed(
    const std::vector<Digest>& layers) {
  std::vector<Removed> removed;
  if (layers.empty()) {
    return removed;
  }
  RETURN_IF_ERROR(database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement is_named, connection.Prepare(kIsNamed));
    ASSIGN_OR_RETURN(Statement remove, connection.Prepare("DELETE FROM layers WHERE id = ?"));
    for (const Digest& layer : layers) {
      RETURN_IF_ERROR(is_named.BindDigest(1, layer).Step().status());
      if (is_named.Int(0) != 0) {
        continue;
      }
      absl::StatusOr<std::optional<uint64_t>> tree = TreeOf(connection, layer);
      if (tree.ok()) {
        RETURN_IF_ERROR(remove.BindDigest(1, layer).Run());
      } else if (!absl::IsNotFound(tree.status())) {
        return tree.status();
      }
      removed.push_back({layer, tree.ok() ? *tree : std::nullopt});
    }
    return absl::OkStatus();
  }));
  return removed;
}

absl::StatusOr<uint64_t> LayerRows::NewTreeNumber() {
  {
    MutexLock lock(&mutex_);
    if (next_number_ < end_number_) {
      return next_number_++;
    }
  }
  int64_t first = 0;
  RETURN_IF_ERROR(database_->Write([&first](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement begin,
                     connection.Prepare("INSERT INTO tree_numbers DEFAULT VALUES"));
    RETURN_IF_ERROR(begin.Run());
    first = connection.last_insert_rowid();
    ASSIGN_OR_RETURN(Statement end, connection.Prepare("INSERT INTO tree_numbers (id) VALUES (?)"));
    RETURN_IF_ERROR(end.Bind(1, first + static_cast<int64_t>(kReserved) - 1).Run());
    // The table's counter goes on from the last number, with or without rows.
    ASSIGN_OR_RETURN(Statement clear, connection.Prepare("DELETE FROM tree_numbers"));
    return clear.Run();
  }));
  MutexLock lock(&mutex_);
  next_number_ = static_cast<uint64_t>(first) + 1;
  end_number_ = static_cast<uint64_t>(first) + kReserved;
  return static_cast<uint64_t>(first);
}

}  // namespace zlayer
