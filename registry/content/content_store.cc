#include "registry/content/content_store.h"

#include <absl/cleanup/cleanup.h>
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "base/clock.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/blob/blob_store.h"
#include "registry/content/pack_files.h"
#include "registry/content/pack_writer.h"
#include "registry/meta/boot.h"
#include "registry/meta/database.h"

namespace zlayer {
namespace {

constexpr size_t kOpenPacks = 64;
constexpr size_t kFreshPacks = 16;
constexpr int64_t kFreshNs = 60'000'000'000;
// So many contents become known in one transaction (some 30 ms): others write in between.
constexpr size_t kEntriesPerWrite = 10'000;

// A row of packs: a pack's own file, or a blob.
struct PackPlace {
  int64_t pack = 0;
  std::optional<Digest> blob;
};

absl::StatusOr<std::optional<Digest>> BlobAt(const Statement& row, int column) {
  if (row.IsNull(column)) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(Digest blob, row.DigestAt(column));
  return std::optional<Digest>(blob);
}

// Contents that lie in other packs already, by pack.
using Elsewhere = std::map<int64_t, std::vector<PackEntry>>;

// What another pack has stays there, unless that pack is being removed.
absl::Status InsertContents(Connection& connection, int64_t pack,
                            std::span<const PackEntry> entries, Elsewhere* elsewhere) {
  ASSIGN_OR_RETURN(
      Statement insert,
      connection.Prepare(
          "INSERT INTO contents (digest, pack, offset, size) VALUES (?, ?, ?, ?) "
          "ON CONFLICT (digest) DO UPDATE SET pack = excluded.pack, offset = excluded.offset "
          "WHERE (SELECT size FROM packs WHERE packs.id = contents.pack) < 0"));
  ASSIGN_OR_RETURN(Statement find,
                   connection.Prepare("SELECT pack FROM contents WHERE digest = ?"));
  insert.Bind(2, pack);
  for (const PackEntry& entry : entries) {
    insert.BindDigest(1, entry.digest);
    insert.Bind(3, static_cast<int64_t>(entry.offset));
    RETURN_IF_ERROR(insert.Bind(4, static_cast<int64_t>(entry.size)).Run());
    if (connection.changes() == 0) {
      RETURN_IF_ERROR(find.BindDigest(1, entry.digest).Step().status());
      (*elsewhere)[find.Int(0)].push_back(entry);
    }
  }
  elsewhere->erase(pack);
  return absl::OkStatus();
}

absl::Status InsertPack(Connection& connection, const PackPlace& place, uint64_t size) {
  ASSIGN_OR_RETURN(Statement insert, connection.Prepare("INSERT INTO packs (id, blob, size, boot) "
                                                        "VALUES (?, ?, ?, ?)"));
  insert.Bind(1, place.pack).Bind(3, static_cast<int64_t>(size)).BindText(4, BootId());
  if (place.blob.has_value()) {
    insert.BindDigest(2, *place.blob);
  }
  return insert.Run();
}

// Into the order of the table, so that neighbours are inserted one after the other.
void Sort(std::vector<PackEntry>& entries) {
  std::sort(entries.begin(), entries.end(),
            [](const PackEntry& a, const PackEntry& b) { return a.digest < b.digest; });
}

// A pack's file is given its name first, then its row: a file without a row is a leftover, removed
// when the store is opened. Numbers come from memory, above all that the table ever had (SQLite
// remembers that for AUTOINCREMENT), so a number is used twice only where the first use left no
// row.
class PackContentStore : public ContentStore {
 public:
  PackContentStore(std::string directory, Database* database, BlobStore* blobs, const Uses* uses)
      : directory_(std::move(directory)), database_(database), blobs_(blobs), used_(uses) {}

  absl::Status Recover();

  absl::StatusOr<ContentFile> Open(const Digest& digest) override;
  absl::StatusOr<std::vector<std::optional<uint64_t>>> Sizes(
      const std::vector<Digest>& digests) override;
  absl::StatusOr<std::unique_ptr<PackWriter>> NewPack() override;
  absl::Status AddBlobRanges(const Digest& blob, const std::vector<BlobRange>& ranges) override;
  absl::StatusOr<bool> RemovePack(int64_t pack, Uses::Stamp since,
                                  const std::string& trash) override;

 private:
  std::string PathOf(int64_t pack) const { return fmt::format("{}/{}", directory_, pack); }
  absl::Status ReadRows(std::unordered_set<int64_t>* packs);
  absl::Status RemovePacks(const std::unordered_set<int64_t>& packs);
  absl::Status RemoveRows(int64_t pack);
  absl::StatusOr<std::set<int64_t>> Usable(const std::set<int64_t>& packs);
  absl::StatusOr<std::vector<PackEntry>> NotUsable(const Elsewhere& elsewhere);
  absl::StatusOr<PackFiles::File> OpenPack(const PackPlace& place);
  absl::Status CommitPack(FinishedPack pack);
  absl::Status InsertAll(int64_t pack, std::span<const PackEntry> entries);
  void AddFresh(int64_t pack);
  bool IsFresh(int64_t pack);

  const std::string directory_;
  Database* const database_;
  BlobStore* const blobs_;
  PackFiles files_{kOpenPacks};
  // Touched after their rows were found, and then looked at again.
  UsedThings<int64_t> used_;
  std::atomic<int64_t> next_pack_ = 1;

  Mutex mutex_;
  // Packs that were just written, oldest first, with the time.
  std::deque<std::pair<int64_t, int64_t>> fresh_ ABSL_GUARDED_BY(mutex_);
};

absl::Status PackContentStore::ReadRows(std::unordered_set<int64_t>* packs) {
  return database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement last,
                     connection.Prepare("SELECT seq FROM sqlite_sequence WHERE name = 'packs'"));
    ASSIGN_OR_RETURN(bool any, last.Step());
    next_pack_ = any ? last.Int(0) + 1 : 1;
    ASSIGN_OR_RETURN(Statement rows, connection.Prepare("SELECT id FROM packs WHERE blob IS NULL "
                                                        "AND size >= 0"));
    while (true) {
      ASSIGN_OR_RETURN(bool more, rows.Step());
      if (!more) {
        return absl::OkStatus();
      }
      packs->insert(rows.Int(0));
    }
  });
}

// And those whose removal was interrupted.
absl::Status PackContentStore::RemovePacks(const std::unordered_set<int64_t>& packs) {
  return database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement interrupted, connection.Prepare("DELETE FROM packs WHERE size < 0"));
    RETURN_IF_ERROR(interrupted.Run());
    ASSIGN_OR_RETURN(Statement remove, connection.Prepare("DELETE FROM packs WHERE id = ?"));
    for (int64_t pack : packs) {
      RETURN_IF_ERROR(remove.Bind(1, pack).Run());
    }
    return absl::OkStatus();
  });
}

// Files without a row go; rows without a file go too, so that what they named is stored again.
absl::Status PackContentStore::Recover() {
  RETURN_IF_ERROR(MakeDirectories(directory_, 0700));
  std::unordered_set<int64_t> rows;
  RETURN_IF_ERROR(ReadRows(&rows));
  std::unordered_set<int64_t> missing = rows;
  std::error_code error;
  std::filesystem::directory_iterator files(directory_, error);
  for (; !error && files != std::filesystem::directory_iterator(); files.increment(error)) {
    std::string name = files->path().filename();
    std::optional<uint64_t> number = ParseUint(name);
    if (number.has_value() && rows.contains(static_cast<int64_t>(*number))) {
      missing.erase(static_cast<int64_t>(*number));
    } else {
      RETURN_IF_ERROR(RemoveTree(directory_ + "/" + name));
    }
  }
  if (error) {
    return ErrnoError(error.value(), "listing " + directory_);
  }
  return RemovePacks(missing);
}

absl::StatusOr<ContentFile> PackContentStore::Open(const Digest& digest) {
  ContentFile file;
  PackPlace place;
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement find,
                     connection.Prepare("SELECT pack, offset, contents.size, blob FROM contents "
                                        "JOIN packs ON packs.id = pack WHERE digest = ?"));
    ASSIGN_OR_RETURN(bool found, find.BindDigest(1, digest).Step());
    if (!found) {
      return NotFound(fmt::format("the store has no content {}", digest.ToString()));
    }
    place.pack = find.Int(0);
    file.offset = static_cast<uint64_t>(find.Int(1));
    file.size = static_cast<uint64_t>(find.Int(2));
    ASSIGN_OR_RETURN(place.blob, BlobAt(find, 3));
    return absl::OkStatus();
  }));
  absl::StatusOr<PackFiles::File> pack = OpenPack(place);
  if (absl::IsNotFound(pack.status())) {
    return DataLoss(fmt::format("the file with the content {} is gone: {}", digest.ToString(),
                                Message(pack.status())));
  }
  RETURN_IF_ERROR(pack.status());
  file.fd = *std::move(pack);
  file.verified = IsFresh(place.pack);
  return file;
}

absl::StatusOr<PackFiles::File> PackContentStore::OpenPack(const PackPlace& place) {
  if (PackFiles::File file = files_.Find(place.pack); file != nullptr) {
    return file;
  }
  PackFiles::File file;
  if (place.blob.has_value()) {
    ASSIGN_OR_RETURN(ContentFile blob, blobs_->Open(*place.blob));
    file = std::move(blob.fd);
  } else {
    ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(PathOf(place.pack), O_RDONLY));
    file = std::make_shared<const UniqueFd>(std::move(fd));
  }
  return files_.Add(place.pack, std::move(file));
}

absl::StatusOr<std::vector<std::optional<uint64_t>>> PackContentStore::Sizes(
    const std::vector<Digest>& digests) {
  constexpr int64_t kNone = 0;
  std::vector<std::pair<int64_t, uint64_t>> places;  // pack and size
  places.reserve(digests.size());
  std::set<int64_t> distinct;
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement find,
                     connection.Prepare("SELECT pack, size FROM contents WHERE digest = ?"));
    for (const Digest& digest : digests) {
      ASSIGN_OR_RETURN(bool found, find.BindDigest(1, digest).Step());
      if (!found) {
        places.emplace_back(kNone, 0);
        continue;
      }
      places.emplace_back(find.Int(0), static_cast<uint64_t>(find.Int(1)));
      distinct.insert(places.back().first);
    }
    return absl::OkStatus();
  }));
  ASSIGN_OR_RETURN(const std::set<int64_t> usable, Usable(distinct));
  std::vector<std::optional<uint64_t>> sizes;
  sizes.reserve(places.size());
  for (const auto& [pack, size] : places) {
    sizes.push_back(usable.contains(pack) ? std::optional(size) : std::nullopt);
  }
  return sizes;
}

// Those that stay for the work under way: touched, then seen to be there.
absl::StatusOr<std::set<int64_t>> PackContentStore::Usable(const std::set<int64_t>& packs) {
  std::set<int64_t> usable;
  if (packs.empty()) {
    return usable;
  }
  std::vector<int64_t> touched;
  for (int64_t pack : packs) {
    if (used_.TryTouch(pack)) {
      touched.push_back(pack);
    }
  }
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement find,
                     connection.Prepare("SELECT 1 FROM packs WHERE id = ? AND size >= 0"));
    for (int64_t pack : touched) {
      ASSIGN_OR_RETURN(bool found, find.Bind(1, pack).Step());
      if (found) {
        usable.insert(pack);
      }
    }
    return absl::OkStatus();
  }));
  return usable;
}

// Those whose packs went meanwhile.
absl::StatusOr<std::vector<PackEntry>> PackContentStore::NotUsable(const Elsewhere& elsewhere) {
  std::vector<PackEntry> entries;
  for (const auto& [pack, contents] : elsewhere) {
    used_.Touch(pack);
    ASSIGN_OR_RETURN(const std::set<int64_t> usable, Usable({pack}));
    if (usable.empty()) {
      entries.insert(entries.end(), contents.begin(), contents.end());
    }
  }
  return entries;
}

absl::StatusOr<std::unique_ptr<PackWriter>> PackContentStore::NewPack() {
  ASSIGN_OR_RETURN(UniqueFd file, OpenUnnamedFile(directory_));
  return NewPackWriter(std::move(file), this,
                       [this](FinishedPack pack) { return CommitPack(std::move(pack)); });
}

absl::Status PackContentStore::CommitPack(FinishedPack pack) {
  const PackPlace place{next_pack_++, std::nullopt};
  used_.Touch(place.pack);
  const std::string path = PathOf(place.pack);
  RETURN_IF_ERROR(LinkUnnamedFile(pack.file->get(), path));
  Sort(pack.entries);
  absl::Status status = database_->WriteUnsynced(
      [&](Connection& connection) { return InsertPack(connection, place, pack.size); });
  if (!status.ok()) {
    unlink(path.c_str());
    return status;
  }
  files_.Add(place.pack, pack.file);
  AddFresh(place.pack);
  return InsertAll(place.pack, pack.entries);
}

void PackContentStore::AddFresh(int64_t pack) {
  MutexLock lock(&mutex_);
  if (fresh_.size() == kFreshPacks) {
    fresh_.pop_front();
  }
  fresh_.emplace_back(pack, MonotonicNs());
}

bool PackContentStore::IsFresh(int64_t pack) {
  MutexLock lock(&mutex_);
  return std::any_of(fresh_.begin(), fresh_.end(), [&, now = MonotonicNs()](const auto& written) {
    return written.first == pack && now - written.second < kFreshNs;
  });
}

absl::Status PackContentStore::InsertAll(int64_t pack, std::span<const PackEntry> entries) {
  while (!entries.empty()) {
    std::span<const PackEntry> chunk = entries.first(std::min(entries.size(), kEntriesPerWrite));
    Elsewhere elsewhere;
    RETURN_IF_ERROR(database_->WriteUnsynced([&](Connection& connection) {
      return InsertContents(connection, pack, chunk, &elsewhere);
    }));
    ASSIGN_OR_RETURN(const std::vector<PackEntry> again, NotUsable(elsewhere));
    RETURN_IF_ERROR(InsertAll(pack, again));
    entries = entries.subspan(chunk.size());
  }
  return absl::OkStatus();
}

absl::Status PackContentStore::AddBlobRanges(const Digest& blob,
                                             const std::vector<BlobRange>& ranges) {
  ASSIGN_OR_RETURN(ContentFile file, blobs_->Open(blob));
  std::vector<PackEntry> entries;
  entries.reserve(ranges.size());
  for (const BlobRange& range : ranges) {
    if (range.offset > file.size || range.size > file.size - range.offset) {
      return InvalidArgument(fmt::format("{} bytes at {} are not within the blob {} of {} bytes",
                                         range.size, range.offset, blob.ToString(), file.size));
    }
    entries.push_back(PackEntry{range.content, range.offset, range.size});
  }
  if (entries.empty()) {
    return absl::OkStatus();
  }
  Sort(entries);
  PackPlace place{next_pack_++, blob};
  RETURN_IF_ERROR(database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement find, connection.Prepare("SELECT id FROM packs WHERE blob = ?"));
    ASSIGN_OR_RETURN(bool found, find.BindDigest(1, blob).Step());
    if (found) {
      place.pack = find.Int(0);
      return absl::OkStatus();
    }
    return InsertPack(connection, place, file.size);
  }));
  used_.Touch(place.pack);
  ASSIGN_OR_RETURN(const std::set<int64_t> usable, Usable({place.pack}));
  if (usable.empty()) {
    RETURN_IF_ERROR(RemovePacks({place.pack}));
    return AddBlobRanges(blob, ranges);
  }
  return InsertAll(place.pack, entries);
}

absl::StatusOr<bool> PackContentStore::RemovePack(int64_t pack, Uses::Stamp since,
                                                  const std::string& trash) {
  if (!used_.StartRemoving(pack, since)) {
    return false;
  }
  const absl::Cleanup end = [this, pack] { used_.EndRemoving(pack); };
  RETURN_IF_ERROR(RemoveRows(pack));
  files_.Remove(pack);
  const std::string to = fmt::format("{}/pack-{}", trash, pack);
  if (rename(PathOf(pack).c_str(), to.c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(fmt::format("moving {} to {}", PathOf(pack), to));
  }
  return true;
}

// Not in one transaction, which others would wait for: a negative size says that the rest goes,
// too.
absl::Status PackContentStore::RemoveRows(int64_t pack) {
  const auto run = [&](std::string_view sql, int64_t* changes) {
    return database_->WriteUnsynced([&, sql](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Statement statement, connection.Prepare(sql));
      RETURN_IF_ERROR(statement.Bind(1, pack).Run());
      *changes = connection.changes();
      return absl::OkStatus();
    });
  };
  int64_t changes = 0;
  RETURN_IF_ERROR(run("UPDATE packs SET size = -1 WHERE id = ?1", &changes));
  do {
    RETURN_IF_ERROR(
        run("DELETE FROM contents WHERE digest IN "
            "(SELECT digest FROM contents WHERE pack = ?1 LIMIT 1000)",
            &changes));
  } while (changes > 0);
  return run("DELETE FROM packs WHERE id = ?1", &changes);
}

}  // namespace

absl::StatusOr<std::vector<bool>> ContentStore::Has(const std::vector<Digest>& digests) {
  ASSIGN_OR_RETURN(const std::vector<std::optional<uint64_t>> sizes, Sizes(digests));
  std::vector<bool> has;
  has.reserve(sizes.size());
  for (const std::optional<uint64_t>& size : sizes) {
    has.push_back(size.has_value());
  }
  return has;
}

absl::StatusOr<std::unique_ptr<ContentStore>> OpenPackContentStore(const std::string& root,
                                                                   Database* database,
                                                                   BlobStore* blobs,
                                                                   const Uses* uses) {
  auto store = std::make_unique<PackContentStore>(root + "/packs", database, blobs, uses);
  RETURN_IF_ERROR(store->Recover());
  return store;
}

}  // namespace zlayer
