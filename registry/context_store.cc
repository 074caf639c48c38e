#include "registry/context_store.h"

#include <fmt/format.h>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr int64_t kLifetimeNs = int64_t{3600} * 1'000'000'000;

absl::Status Unknown(std::string_view id) {
  return NotFound(fmt::format("there is no build context {}, or it has expired: upload it again",
                              ToUtf8(id.substr(0, 100))));
}

class DatabaseContextStore : public ContextStore {
 public:
  DatabaseContextStore(Database* database, const Clock* clock)
      : database_(database), clock_(clock) {}

  absl::StatusOr<StoredContext> Put(std::string_view name_space, const Digest& layer,
                                    bool from_tar) override {
    StoredContext context{RandomHex(), layer, from_tar};
    const int64_t expires = clock_->NowNs() + kLifetimeNs;
    RETURN_IF_ERROR(database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(
          Statement put,
          connection.Prepare("INSERT INTO contexts (id, namespace, layer, from_tar, expires) "
                             "VALUES (?, ?, ?, ?, ?)"));
      put.BindText(1, context.id).BindText(2, name_space).BindDigest(3, layer);
      return put.Bind(4, from_tar ? 1 : 0).Bind(5, expires).Run();
    }));
    return context;
  }

  absl::StatusOr<StoredContext> Get(std::string_view name_space, std::string_view id) override {
    std::optional<StoredContext> context;
    const int64_t now = clock_->NowNs();
    RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(context, FindContext(connection, name_space, id, now));
      return absl::OkStatus();
    }));
    if (!context.has_value()) {
      return Unknown(id);
    }
    return *std::move(context);
  }

  absl::Status Keep(std::string_view name_space, std::string_view id) override {
    const int64_t now = clock_->NowNs();
    return database_->Write([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(
          Statement keep,
          connection.Prepare("UPDATE contexts SET expires = 0 WHERE id = ? AND namespace = ? AND "
                             "(expires = 0 OR expires > ?)"));
      RETURN_IF_ERROR(keep.BindText(1, id).BindText(2, name_space).Bind(3, now).Run());
      return connection.changes() == 0 ? Unknown(id) : absl::OkStatus();
    });
  }

  absl::StatusOr<std::vector<std::string>> Kept() override {
    std::vector<std::string> ids;
    RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Statement kept,
                       connection.Prepare("SELECT id FROM contexts WHERE expires = 0"));
      while (true) {
        ASSIGN_OR_RETURN(bool found, kept.Step());
        if (!found) {
          return absl::OkStatus();
        }
        ids.emplace_back(kept.Text(0));
      }
    }));
    return ids;
  }

  absl::Status Remove(std::string_view id) override {
    return database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Statement remove, connection.Prepare("DELETE FROM contexts WHERE id = ?"));
      return remove.BindText(1, id).Run();
    });
  }

 private:
  Database* const database_;
  const Clock* const clock_;
};

}  // namespace

std::unique_ptr<ContextStore> OpenContextStore(Database* database, const Clock* clock) {
  return std::make_unique<DatabaseContextStore>(database, clock);
}

absl::StatusOr<std::optional<StoredContext>> FindContext(Connection& connection,
                                                         std::string_view name_space,
                                                         std::string_view id, int64_t now_ns) {
  ASSIGN_OR_RETURN(Statement get,
                   connection.Prepare("SELECT layer, from_tar FROM contexts WHERE id = ? AND "
                                      "namespace = ? AND (expires = 0 OR expires > ?)"));
  ASSIGN_OR_RETURN(bool found, get.BindText(1, id).BindText(2, name_space).Bind(3, now_ns).Step());
  if (!found) {
    return std::nullopt;
  }
  StoredContext context;
  context.id = id;
  ASSIGN_OR_RETURN(context.layer, get.DigestAt(0));
  context.from_tar = get.Int(1) != 0;
  return context;
}

absl::Status RemoveExpiredContexts(Database* database, int64_t now_ns) {
  bool any = false;
  RETURN_IF_ERROR(database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement find, connection.Prepare("SELECT 1 FROM contexts "
                                                        "WHERE expires <> 0 AND expires <= ?"));
    ASSIGN_OR_RETURN(any, find.Bind(1, now_ns).Step());
    return absl::OkStatus();
  }));
  if (!any) {
    return absl::OkStatus();
  }
  return database->WriteUnsynced([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement remove, connection.Prepare("DELETE FROM contexts "
                                                          "WHERE expires <> 0 AND expires <= ?"));
    return remove.Bind(1, now_ns).Run();
  });
}

}  // namespace zlayer
