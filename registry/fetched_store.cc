#include "registry/fetched_store.h"

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "registry/last_used.h"

namespace zlayer {
namespace {

class DatabaseFetchedStore : public FetchedStore {
 public:
  DatabaseFetchedStore(Database* database, const Clock* clock)
      : database_(database), clock_(clock) {}

  absl::StatusOr<std::optional<FetchedSource>> Find(std::string_view name_space,
                                                    const Digest& source) override {
    return FindBy(
        "SELECT layer, content, etag, last_modified, source FROM fetched "
        "WHERE namespace = ? AND source = ?",
        name_space, source);
  }

  absl::StatusOr<std::optional<FetchedSource>> FindContent(std::string_view name_space,
                                                           const Digest& content) override {
    return FindBy(
        "SELECT layer, content, etag, last_modified, source FROM fetched "
        "WHERE namespace = ? AND content = ? ORDER BY used DESC",
        name_space, content);
  }

  absl::Status FlushUses() override {
    return uses_.Flush([this](const LastUsed<Source>::Times& times) {
      return database_->WriteUnsynced([&times](Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(Statement use,
                         connection.Prepare("UPDATE fetched SET used = ?3 "
                                            "WHERE namespace = ?1 AND source = ?2 AND used < ?3"));
        for (const auto& [source, used] : times) {
          RETURN_IF_ERROR(
              use.BindText(1, source.first).BindDigest(2, source.second).Bind(3, used).Run());
        }
        return absl::OkStatus();
      });
    });
  }

  absl::Status Put(std::string_view name_space, const Digest& source,
                   const FetchedSource& fetched) override {
    const int64_t now = clock_->NowNs();
    return database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(
          Statement put,
          connection.Prepare("INSERT OR REPLACE INTO fetched (namespace, source, layer, "
                             "content, etag, last_modified, used) "
                             "VALUES (?, ?, ?, ?, ?, ?, ?)"));
      put.BindText(1, name_space).BindDigest(2, source).BindDigest(3, fetched.layer);
      if (fetched.content.IsNone()) {
        put.BindNull(4);
      } else {
        put.BindDigest(4, fetched.content);
      }
      put.BindText(5, fetched.etag).BindText(6, fetched.last_modified).Bind(7, now);
      return put.Run();
    });
  }

 private:
  using Source = std::pair<std::string, Digest>;  // with its namespace

  absl::StatusOr<std::optional<FetchedSource>> FindBy(std::string_view sql,
                                                      std::string_view name_space,
                                                      const Digest& key) {
    std::optional<FetchedSource> result;
    Source source(name_space, Digest());
    RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Statement find, connection.Prepare(sql));
      ASSIGN_OR_RETURN(bool found, find.BindText(1, name_space).BindDigest(2, key).Step());
      if (!found) {
        return absl::OkStatus();
      }
      FetchedSource& fetched = result.emplace();
      ASSIGN_OR_RETURN(fetched.layer, find.DigestAt(0));
      if (!find.IsNull(1)) {
        ASSIGN_OR_RETURN(fetched.content, find.DigestAt(1));
      }
      fetched.etag = find.Text(2);
      fetched.last_modified = find.Text(3);
      ASSIGN_OR_RETURN(source.second, find.DigestAt(4));
      return absl::OkStatus();
    }));
    if (result.has_value()) {
      uses_.Touch(source, clock_->NowNs());
    }
    return result;
  }

  Database* const database_;
  const Clock* const clock_;
  LastUsed<Source> uses_;
};

}  // namespace

std::unique_ptr<FetchedStore> OpenFetchedStore(Database* database, const Clock* clock) {
  return std::make_unique<DatabaseFetchedStore>(database, clock);
}

}  // namespace zlayer
