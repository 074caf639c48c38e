#include "registry/gc/cache_entries.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/image/image_rows.h"

namespace zlayer {
namespace {

// Records that are looked at for one page.
constexpr size_t kLookedAt = 20'000;

constexpr std::string_view kFetched =
    "SELECT namespace, source, layer, used, content, content_bytes FROM fetched "
    "JOIN layers ON layers.id = layer";
constexpr std::string_view kRecords =
    "SELECT key, namespace, layer, records.created, used, description, content_bytes, chain "
    "FROM records JOIN layers ON layers.id = layer";
constexpr std::string_view kRecordsByUse =
    "SELECT key, namespace, layer, records.created, used, description, content_bytes, chain "
    "FROM records INDEXED BY records_by_use JOIN layers ON layers.id = layer "
    "WHERE (used, key) > (?, ?) ORDER BY used, key LIMIT ?";

using Visit = std::function<absl::Status(const CacheRow&)>;

absl::StatusOr<CacheRow> RecordAt(const Statement& row) {
  CacheRow record;
  record.type = CacheType::kRecord;
  ASSIGN_OR_RETURN(record.key, row.DigestAt(0));
  record.id = record.key.Hex();
  record.name_space = row.Text(1);
  ASSIGN_OR_RETURN(record.layer, row.DigestAt(2));
  record.created_ns = row.Int(3);
  record.used_ns = row.Int(4);
  record.description = row.Text(5);
  record.layer_bytes = static_cast<uint64_t>(row.Int(6));
  record.chain = row.Text(7);
  return record;
}

absl::StatusOr<CacheRow> FetchedAt(const Statement& row) {
  CacheRow fetched;
  fetched.type = CacheType::kFetched;
  fetched.name_space = row.Text(0);
  ASSIGN_OR_RETURN(fetched.key, row.DigestAt(1));
  fetched.id = fetched.key.Hex();
  ASSIGN_OR_RETURN(fetched.layer, row.DigestAt(2));
  fetched.used_ns = row.Int(3);
  fetched.description = row.IsNull(4) ? "git repository" : "URL";
  fetched.layer_bytes = static_cast<uint64_t>(row.Int(5));
  return fetched;
}

absl::Status VisitRows(Store& store, Statement& rows,
                       absl::StatusOr<CacheRow> (*read)(const Statement&), const Visit& visit) {
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(CacheRow row, read(rows));
    row.in_use = store.layers().InUse(row.layer);
    RETURN_IF_ERROR(visit(row));
  }
}

absl::Status ForEachMount(Store& store, const Visit& visit) {
  ASSIGN_OR_RETURN(const std::vector<StoredCacheMount> mounts, store.cache_mounts().List());
  for (const StoredCacheMount& mount : mounts) {
    CacheRow row;
    row.type = CacheType::kCacheMount;
    row.number = mount.number;
    row.name_space = mount.name_space;
    row.id = mount.id;
    row.created_ns = mount.created_ns;
    row.used_ns = mount.used_ns;
    row.in_use = mount.in_use;
    RETURN_IF_ERROR(visit(row));
  }
  return absl::OkStatus();
}

absl::Status ForEachFetched(Store& store, const Visit& visit) {
  return store.database().Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement rows, connection.Prepare(kFetched));
    return VisitRows(store, rows, FetchedAt, visit);
  });
}

// What the store has of the image.
absl::Status AddParts(Store& store, Connection& connection, CacheRow* row, std::string* chain) {
  ASSIGN_OR_RETURN(
      Statement parts,
      connection.Prepare("SELECT l.layer, l.digest, l.size, layers.content_bytes, EXISTS ("
                         "SELECT 1 FROM image_layers o JOIN tags t ON t.manifest = o.manifest "
                         "WHERE o.digest = l.digest AND t.reference <> '') "
                         "FROM image_layers l LEFT JOIN layers ON layers.id = l.layer "
                         "WHERE l.manifest = ? ORDER BY l.position"));
  parts.BindDigest(1, row->key);
  while (true) {
    ASSIGN_OR_RETURN(const bool more, parts.Step());
    if (!more) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const Digest blob, parts.DigestAt(1));
    if (parts.Int(4) == 0 && store.blobs().Has(blob)) {
      row->blobs.push_back({blob, static_cast<uint64_t>(parts.Int(2))});
    }
    if (!parts.IsNull(0)) {
      chain->append(row->layer.IsNone() ? "" : row->layer.Bytes());
      ASSIGN_OR_RETURN(row->layer, parts.DigestAt(0));
      row->layer_bytes = static_cast<uint64_t>(parts.Int(3));
    }
  }
}

absl::Status ForEachNameless(Store& store, const Visit& visit) {
  return store.database().Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<NamelessImage> images, FindCachedImages(connection));
    for (const NamelessImage& image : images) {
      CacheRow row;
      row.type = CacheType::kImage;
      row.key = image.manifest;
      row.id = image.manifest.Hex();
      row.name_space = image.name_space;
      row.used_ns = image.since_ns;
      row.description = "image without a name";
      std::string chain;
      RETURN_IF_ERROR(AddParts(store, connection, &row, &chain));
      row.chain = chain;
      row.in_use = !row.layer.IsNone() && store.layers().InUse(row.layer);
      RETURN_IF_ERROR(visit(row));
    }
    return absl::OkStatus();
  });
}

bool IsBehind(const CachePosition& a, const CachePosition& b) {
  return std::tie(a.used_ns, a.type, a.key) > std::tie(b.used_ns, b.type, b.key);
}

bool HasType(const CacheFilter& filter, CacheType type) {
  return filter.types.empty() ||
         std::find(filter.types.begin(), filter.types.end(), type) != filter.types.end();
}

// Collects the page's candidates of one kind.
class PageRows {
 public:
  PageRows(const CacheFilter& filter, const std::optional<CachePosition>& after, int64_t now_ns)
      : filter_(filter), after_(after), now_ns_(now_ns) {}

  void Add(const CacheRow& row) {
    if ((!after_.has_value() || IsBehind(PositionOf(row), *after_)) &&
        Matches(filter_, row, now_ns_)) {
      rows_.push_back(row);
      rows_.back().chain = {};
    }
  }
  size_t size() const { return rows_.size(); }

  // Sorted, at most `limit`, and none behind `end`.
  CachePage Finish(size_t limit, const std::optional<CachePosition>& end) {
    std::sort(rows_.begin(), rows_.end(), [](const CacheRow& a, const CacheRow& b) {
      return IsBehind(PositionOf(b), PositionOf(a));
    });
    CachePage page;
    page.next = end;
    for (CacheRow& row : rows_) {
      if (end.has_value() && IsBehind(PositionOf(row), *end)) {
        break;
      }
      if (page.rows.size() == limit) {
        page.next = PositionOf(page.rows.back());
        break;
      }
      page.rows.push_back(std::move(row));
    }
    return page;
  }

 private:
  const CacheFilter& filter_;
  const std::optional<CachePosition>& after_;
  const int64_t now_ns_;
  std::vector<CacheRow> rows_;
};

// Records from `after` on. Returns how far they were looked at, unless that is to their end.
absl::StatusOr<std::optional<CachePosition>> AddRecords(Store& store,
                                                        const std::optional<CachePosition>& after,
                                                        size_t limit, PageRows* page) {
  const size_t before = page->size();
  size_t seen = 0;
  std::optional<CachePosition> last;
  RETURN_IF_ERROR(store.database().Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement rows, connection.Prepare(kRecordsByUse));
    rows.Bind(1, after.has_value() ? after->used_ns : INT64_MIN);
    rows.BindBlob(2, after.has_value() && after->type == CacheType::kRecord ? after->key : "");
    rows.Bind(3, static_cast<int64_t>(kLookedAt));
    while (page->size() - before <= limit) {
      ASSIGN_OR_RETURN(const bool more, rows.Step());
      if (!more) {
        return absl::OkStatus();
      }
      ASSIGN_OR_RETURN(CacheRow row, RecordAt(rows));
      row.in_use = store.layers().InUse(row.layer);
      page->Add(row);
      last = PositionOf(row);
      ++seen;
    }
    return absl::OkStatus();
  }));
  const bool to_the_end = seen < kLookedAt && page->size() - before <= limit;
  return to_the_end ? std::nullopt : last;
}

}  // namespace

std::string_view NameOf(CacheType type) {
  switch (type) {
    case CacheType::kCacheMount:
      return "cache-mount";
    case CacheType::kFetched:
      return "fetched";
    case CacheType::kImage:
      return "image";
    case CacheType::kRecord:
      break;
  }
  return "record";
}

uint64_t BytesOf(const CacheRow& row) {
  uint64_t bytes = row.layer_bytes;
  for (const CacheBlob& blob : row.blobs) {
    bytes += blob.size;
  }
  return bytes;
}

std::optional<CacheType> ParseCacheType(std::string_view name) {
  for (const CacheType type :
       {CacheType::kCacheMount, CacheType::kFetched, CacheType::kImage, CacheType::kRecord}) {
    if (NameOf(type) == name) {
      return type;
    }
  }
  return std::nullopt;
}

bool Matches(const CacheFilter& filter, const CacheRow& row, int64_t now_ns) {
  return (filter.name_space.empty() || row.name_space == filter.name_space) &&
         HasType(filter, row.type) && row.id.starts_with(filter.id) &&
         (filter.unused_ns <= 0 || row.used_ns <= now_ns - filter.unused_ns) &&
         std::all_of(filter.words.begin(), filter.words.end(), [&row](const std::string& word) {
           return row.description.find(word) != std::string::npos;
         });
}

absl::Status ForEachCacheRow(Store& store, const Visit& visit) {
  RETURN_IF_ERROR(ForEachMount(store, visit));
  RETURN_IF_ERROR(ForEachFetched(store, visit));
  RETURN_IF_ERROR(ForEachNameless(store, visit));
  return store.database().Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement rows, connection.Prepare(kRecords));
    return VisitRows(store, rows, RecordAt, visit);
  });
}

absl::StatusOr<size_t> RemoveCacheRows(Database& database, const std::vector<CacheRow>& rows) {
  size_t removed = 0;
  RETURN_IF_ERROR(database.WriteUnsynced([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement record,
                     connection.Prepare("DELETE FROM records WHERE key = ? AND used <= ?"));
    ASSIGN_OR_RETURN(Statement fetched,
                     connection.Prepare("DELETE FROM fetched WHERE source = ? AND used <= ? "
                                        "AND namespace = ?"));
    for (const CacheRow& row : rows) {
      Statement& remove = row.type == CacheType::kRecord ? record : fetched;
      remove.BindDigest(1, row.key).Bind(2, row.used_ns);
      if (row.type == CacheType::kFetched) {
        remove.BindText(3, row.name_space);
      }
      RETURN_IF_ERROR(remove.Run());
      removed += static_cast<size_t>(connection.changes());
    }
    return absl::OkStatus();
  }));
  return removed;
}

CachePosition PositionOf(const CacheRow& row) {
  switch (row.type) {
    case CacheType::kCacheMount:
      return {row.used_ns, row.type, fmt::format("{:020}", row.number)};
    case CacheType::kFetched:
      return {row.used_ns, row.type, std::string(row.key.Bytes()) + row.name_space};
    case CacheType::kImage:
    case CacheType::kRecord:
      break;
  }
  return {row.used_ns, row.type, std::string(row.key.Bytes())};
}

absl::StatusOr<CachePage> ListCacheRows(Store& store, const CacheFilter& filter,
                                        const std::optional<CachePosition>& after, size_t limit,
                                        int64_t now_ns) {
  PageRows page(filter, after, now_ns);
  const auto add = [&page](const CacheRow& row) {
    page.Add(row);
    return absl::OkStatus();
  };
  if (HasType(filter, CacheType::kCacheMount)) {
    RETURN_IF_ERROR(ForEachMount(store, add));
  }
  if (HasType(filter, CacheType::kFetched)) {
    RETURN_IF_ERROR(ForEachFetched(store, add));
  }
  if (HasType(filter, CacheType::kImage)) {
    RETURN_IF_ERROR(ForEachNameless(store, add));
  }
  std::optional<CachePosition> end;
  if (HasType(filter, CacheType::kRecord)) {
    ASSIGN_OR_RETURN(end, AddRecords(store, after, limit, &page));
  }
  return page.Finish(limit, end);
}

}  // namespace zlayer
