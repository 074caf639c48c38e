#include "registry/record_store.h"

#include <fmt/format.h>

#include "base/errors.h"
#include "base/status_macros.h"

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

class DatabaseRecordStore : public RecordStore {
 public:
  explicit DatabaseRecordStore(Database* database) : database_(database) {}

  absl::StatusOr<CacheRecord> Find(const Digest& key) override {
    CacheRecord record;
    record.key = key;
    RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(
          Statement find,
          connection.Prepare("SELECT layer, chain, build, created FROM records WHERE key = ?"));
      ASSIGN_OR_RETURN(bool found, find.BindDigest(1, key).Step());
      if (!found) {
        return NotFound(fmt::format("there is no cache record with the key {}", key.Hex()));
      }
      ASSIGN_OR_RETURN(record.layer, find.DigestAt(0));
      ASSIGN_OR_RETURN(record.chain, Parted(find.Text(1)));
      record.build = find.Text(2);
      record.created_ns = find.Int(3);
      return absl::OkStatus();
    }));
    return record;
  }

  absl::Status Put(std::string_view name_space, const CacheRecord& record) override {
    const std::string chain = Joined(record.chain);
    return database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(
          Statement put,
          connection.Prepare("INSERT OR REPLACE INTO records (key, namespace, layer, chain, build, "
                             "created, used) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)"));
      put.BindDigest(1, record.key).BindText(2, name_space).BindDigest(3, record.layer);
      put.BindBlob(4, chain).BindText(5, record.build).Bind(6, record.created_ns);
      return put.Run();
    });
  }

 private:
  Database* const database_;
};

}  // namespace

std::unique_ptr<RecordStore> OpenRecordStore(Database* database) {
  return std::make_unique<DatabaseRecordStore>(database);
}

}  // namespace zlayer
