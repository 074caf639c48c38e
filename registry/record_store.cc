#include "registry/record_store.h"

#include <fmt/format.h>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/last_used.h"

namespace zlayer {
namespace {

std::string Joined(const std::vector<Digest>& chain) {
  std::string bytes;
  bytes.reserve(chain.size() * Digest::kSize);
  for (const Digest& layer : chain) {
    bytes += layer.Bytes();
  }
  return bytes;
}

absl::StatusOr<std::vector<Digest>> Parted(std::string_view bytes) {
  std::vector<Digest> chain;
  for (; !bytes.empty(); bytes.remove_prefix(Digest::kSize)) {
    if (bytes.size() < Digest::kSize) {
      return DataLoss("metadata database: a cache record's chain is cut off");
    }
    ASSIGN_OR_RETURN(Digest layer, Digest::FromBytes(bytes.substr(0, Digest::kSize)));
    chain.push_back(layer);
  }
  return chain;
}

constexpr std::string_view kColumns = "key, layer, chain, build, created, content_key, description";

absl::StatusOr<CacheRecord> RecordAt(const Statement& row) {
  CacheRecord record;
  ASSIGN_OR_RETURN(record.key, row.DigestAt(0));
  ASSIGN_OR_RETURN(record.layer, row.DigestAt(1));
  ASSIGN_OR_RETURN(record.chain, Parted(row.Text(2)));
  record.build = row.Text(3);
  record.created_ns = row.Int(4);
  if (!row.IsNull(5)) {
    ASSIGN_OR_RETURN(record.content_key, row.DigestAt(5));
  }
  record.description = row.Text(6);
  return record;
}

class DatabaseRecordStore : public RecordStore {
 public:
  DatabaseRecordStore(Database* database, const Clock* clock)
      : database_(database), clock_(clock) {}

  absl::StatusOr<CacheRecord> Find(const Digest& key) override {
    ASSIGN_OR_RETURN(std::vector<CacheRecord> found, Select("key = ?", key));
    if (found.empty()) {
      return NotFound(fmt::format("there is no cache record with the key {}", key.Hex()));
    }
    return std::move(found.front());
  }

  absl::StatusOr<std::vector<CacheRecord>> FindByContent(const Digest& content_key) override {
    return Select("content_key = ? ORDER BY created DESC LIMIT 8", content_key);
  }

  void Touch(const Digest& key) override { uses_.Touch(key, clock_->NowNs()); }

  absl::Status FlushUses() override {
    return uses_.Flush([this](const LastUsed<Digest>::Times& times) {
      return database_->WriteUnsynced([&times](Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(Statement use, connection.Prepare("UPDATE records SET used = ?2 "
                                                           "WHERE key = ?1 AND used < ?2"));
        for (const auto& [key, used] : times) {
          RETURN_IF_ERROR(use.BindDigest(1, key).Bind(2, used).Run());
        }
        return absl::OkStatus();
      });
    });
  }

  absl::Status Put(std::string_view name_space, const CacheRecord& record) override {
    const std::string chain = Joined(record.chain);
    return database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(
          Statement put,
          connection.Prepare("INSERT OR REPLACE INTO records (key, namespace, layer, chain, build, "
                             "created, used, content_key, description) "
                             "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)"));
      put.BindDigest(1, record.key).BindText(2, name_space).BindDigest(3, record.layer);
      put.BindBlob(4, chain).BindText(5, record.build).Bind(6, record.created_ns);
      if (!record.content_key.IsNone()) {
        put.BindDigest(7, record.content_key);
      }
      put.BindText(8, record.description);
      return put.Run();
    });
  }

 private:
  absl::StatusOr<std::vector<CacheRecord>> Select(std::string_view condition, const Digest& key) {
    std::vector<CacheRecord> records;
    RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(
          Statement find,
          connection.Prepare(fmt::format("SELECT {} FROM records WHERE {}", kColumns, condition)));
      find.BindDigest(1, key);
      while (true) {
        ASSIGN_OR_RETURN(const bool found, find.Step());
        if (!found) {
          return absl::OkStatus();
        }
        ASSIGN_OR_RETURN(CacheRecord record, RecordAt(find));
        records.push_back(std::move(record));
      }
    }));
    return records;
  }

  Database* const database_;
  const Clock* const clock_;
  LastUsed<Digest> uses_;
};

}  // namespace

std::unique_ptr<RecordStore> OpenRecordStore(Database* database, const Clock* clock) {
  return std::make_unique<DatabaseRecordStore>(database, clock);
}

}  // namespace zlayer
