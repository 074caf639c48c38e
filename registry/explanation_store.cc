#include "registry/explanation_store.h"

#include <cstdint>
#include <set>
#include <tuple>

#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr int64_t kMaxAgeNs = int64_t{30} * 24 * 3600 * 1'000'000'000;

class DatabaseExplanationStore : public ExplanationStore {
 public:
  DatabaseExplanationStore(Database* database, const Clock* clock)
      : database_(database), clock_(clock) {}

  absl::StatusOr<std::vector<std::string>> Find(
      std::string_view name_space, const std::vector<std::string>& histories) override {
    std::set<Row> rows;
    RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
      for (const std::string& history : histories) {
        RETURN_IF_ERROR(Read(connection, name_space, history, &rows));
      }
      return absl::OkStatus();
    }));
    std::vector<std::string> steps;
    for (const Row& row : rows) {
      steps.push_back(row.steps);
    }
    return steps;
  }

  absl::Status Put(std::string_view name_space, const std::vector<std::string>& histories,
                   std::string_view build, std::string_view steps) override {
    const int64_t now = clock_->NowNs();
    return database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
      for (const std::string& history : histories) {
        ASSIGN_OR_RETURN(Statement put,
                         connection.Prepare("INSERT OR REPLACE INTO explanations (namespace, "
                                            "target, build, steps, created) VALUES (?, ?, ?, ?, "
                                            "?)"));
        put.BindText(1, name_space).BindText(2, history).BindText(3, build);
        RETURN_IF_ERROR(put.BindBlob(4, steps).Bind(5, now).Run());
        ASSIGN_OR_RETURN(
            Statement trim,
            connection.Prepare("DELETE FROM explanations WHERE namespace = ?1 AND target = ?2 AND "
                               "build NOT IN (SELECT build FROM explanations WHERE namespace = ?1 "
                               "AND target = ?2 ORDER BY created DESC, build DESC LIMIT ?3)"));
        RETURN_IF_ERROR(
            trim.BindText(1, name_space).BindText(2, history).Bind(3, kBuildsOfAHistory).Run());
      }
      ASSIGN_OR_RETURN(Statement expire,
                       connection.Prepare("DELETE FROM explanations WHERE created < ?"));
      return expire.Bind(1, now - kMaxAgeNs).Run();
    });
  }

 private:
  struct Row {
    int64_t created;
    std::string build;
    std::string steps;
    // The newest first.
    bool operator<(const Row& other) const {
      return std::tie(other.created, other.build) < std::tie(created, build);
    }
  };

  static absl::Status Read(Connection& connection, std::string_view name_space,
                           std::string_view history, std::set<Row>* rows) {
    ASSIGN_OR_RETURN(Statement find,
                     connection.Prepare("SELECT created, build, steps FROM explanations WHERE "
                                        "namespace = ? AND target = ?"));
    find.BindText(1, name_space).BindText(2, history);
    while (true) {
      ASSIGN_OR_RETURN(const bool more, find.Step());
      if (!more) {
        return absl::OkStatus();
      }
      rows->insert({.created = find.Int(0),
                    .build = std::string(find.Text(1)),
                    .steps = std::string(find.Text(2))});
    }
  }

  Database* const database_;
  const Clock* const clock_;
};

}  // namespace

std::unique_ptr<ExplanationStore> OpenExplanationStore(Database* database, const Clock* clock) {
  return std::make_unique<DatabaseExplanationStore>(database, clock);
}

}  // namespace zlayer
