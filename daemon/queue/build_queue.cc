#include "daemon/queue/build_queue.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/queue/build_queue_sql.h"
#include "daemon/queue/stored_request.h"
#include "daemon/queue/submission_rows.h"

namespace zlayer {
namespace {

using google::protobuf::util::TimeUtil;

v1::BuildState StateAfter(const v1::BuildEvent& terminal) {
  if (terminal.has_build_complete()) {
    return v1::SUCCEEDED;
  }
  return terminal.has_build_canceled() ? v1::CANCELED : v1::FAILED;
}

absl::Status Unknown(std::string_view id) {
  return NotFound(fmt::format("build \"{}\" is not known", id));
}

template <typename Proto>
absl::Status Parse(std::string_view id, std::string_view bytes, Proto* proto) {
  return proto->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))
             ? absl::OkStatus()
             : DataLoss(fmt::format("the queue's row of build {} is damaged", id));
}

constexpr std::string_view kSelectStatus =
    "SELECT id, namespace, priority, state, attempt, created, started, ended, summary, outcome "
    "FROM builds ";

// Of a row of kSelectStatus.
absl::StatusOr<v1::BuildStatus> StatusAt(const Statement& row) {
  v1::BuildStatus status;
  RETURN_IF_ERROR(Parse(row.Text(0), row.Text(8), &status));
  status.set_id(std::string(row.Text(0)));
  status.set_namespace_(std::string(row.Text(1)));
  status.set_priority(static_cast<int32_t>(row.Int(2)));
  status.set_state(static_cast<v1::BuildState>(row.Int(3)));
  status.set_attempt(static_cast<uint32_t>(row.Int(4)));
  *status.mutable_created() = TimeUtil::NanosecondsToTimestamp(row.Int(5));
  if (!row.IsNull(6)) {
    *status.mutable_started() = TimeUtil::NanosecondsToTimestamp(row.Int(6));
  }
  if (!row.IsNull(7)) {
    *status.mutable_ended() = TimeUtil::NanosecondsToTimestamp(row.Int(7));
  }
  if (!row.IsNull(9)) {
    v1::BuildEvent outcome;
    RETURN_IF_ERROR(Parse(status.id(), row.Text(9), &outcome));
    if (outcome.has_build_complete()) {
      *status.mutable_result() = outcome.build_complete();
    } else if (outcome.has_build_failed()) {
      *status.mutable_failure() = outcome.build_failed();
    }
  }
  return status;
}

absl::StatusOr<v1::BuildStatus> SelectStatus(Connection& db, std::string_view id) {
  ASSIGN_OR_RETURN(Statement select, db.Prepare(std::string(kSelectStatus) + "WHERE id = ?1"));
  select.BindText(1, id);
  ASSIGN_OR_RETURN(bool found, select.Step());
  if (!found) {
    return Unknown(id);
  }
  return StatusAt(select);
}

// Why an update of a build that should be in one of certain states changed no row.
absl::Status NotInState(Connection& db, std::string_view id, std::string_view what) {
  RETURN_IF_ERROR(SelectStatus(db, id).status());
  return FailedPrecondition(fmt::format("build {} {}", id, what));
}

class SqliteBuildQueue : public BuildQueue {
 public:
  SqliteBuildQueue(Database* database, const Clock* clock) : database_(*database), clock_(*clock) {}

  absl::StatusOr<Submission> Submit(const v1::SubmitBuildRequest& request) override {
    const StoredRequest stored = ToStored(request);
    const int64_t now = clock_.NowNs();
    Submission submission;
    RETURN_IF_ERROR(database_.Write([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(std::optional<std::string> existing, FindSubmission(db, stored, now));
      if (existing.has_value()) {
        submission.id = *std::move(existing);
        submission.existing = true;
        return absl::OkStatus();
      }
      ASSIGN_OR_RETURN(submission.id, InsertSubmission(db, stored, now));
      submission.created_ns = now;
      return absl::OkStatus();
    }));
    return submission;
  }

  absl::StatusOr<std::optional<std::string>> FindSubmitted(
      const v1::SubmitBuildRequest& request) override {
    std::optional<std::string> existing;
    if (request.idempotency_key().empty()) {
      return existing;
    }
    const StoredRequest stored = ToStored(request);
    const int64_t now = clock_.NowNs();
    RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(existing, FindSubmission(db, stored, now));
      return absl::OkStatus();
    }));
    return existing;
  }

  absl::StatusOr<std::optional<QueuedBuild>> Take(std::string_view id) override {
    const int64_t now = clock_.NowNs();
    std::optional<QueuedBuild> taken;
    RETURN_IF_ERROR(database_.Write([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(taken, SelectQueued(db, id));
      if (!taken.has_value()) {
        return absl::OkStatus();
      }
      ASSIGN_OR_RETURN(Statement update,
                       db.Prepare("UPDATE builds SET state = ?1, started = ?2 WHERE id = ?3"));
      return update.Bind(1, v1::RUNNING).Bind(2, now).BindText(3, id).Run();
    }));
    return taken;
  }

  absl::Status Finish(const v1::BuildEvent& terminal) override {
    const std::string outcome = terminal.SerializeAsString();
    RETURN_IF_ERROR(database_.Write([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(Statement update,
                       db.Prepare("UPDATE builds SET state = ?1, ended = ?2, outcome = ?3 "
                                  "WHERE id = ?4 AND state IN (?5, ?6)"));
      update.Bind(1, StateAfter(terminal))
          .Bind(2, TimeUtil::TimestampToNanoseconds(terminal.time()))
          .BindBlob(3, outcome)
          .BindText(4, terminal.build_id())
          .Bind(5, v1::QUEUED)
          .Bind(6, v1::RUNNING);
      RETURN_IF_ERROR(update.Run());
      return db.changes() > 0 ? absl::OkStatus()
                              : NotInState(db, terminal.build_id(), "has ended already");
    }));
    MutexLock lock(&mutex_);
    if (ended_) {
      ended_(terminal.build_id());
    }
    return absl::OkStatus();
  }

  void SetEndListener(std::function<void(const std::string& id)> ended) override {
    MutexLock lock(&mutex_);
    ended_ = std::move(ended);
  }

  absl::Status Requeue(std::string_view id, uint32_t attempt) override {
    return database_.Write([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(Statement update,
                       db.Prepare("UPDATE builds SET state = ?1, attempt = ?2, started = NULL "
                                  "WHERE id = ?3 AND state = ?4"));
      update.Bind(1, v1::QUEUED).Bind(2, attempt).BindText(3, id).Bind(4, v1::RUNNING);
      RETURN_IF_ERROR(update.Run());
      return db.changes() > 0 ? absl::OkStatus() : NotInState(db, id, "does not run");
    });
  }

  absl::StatusOr<v1::BuildStatus> RequestCancel(std::string_view id) override {
    v1::BuildStatus status;
    RETURN_IF_ERROR(database_.Write([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(Statement update, db.Prepare("UPDATE builds SET cancel_requested = 1 "
                                                    "WHERE id = ?1 AND state IN (?2, ?3)"));
      RETURN_IF_ERROR(update.BindText(1, id).Bind(2, v1::QUEUED).Bind(3, v1::RUNNING).Run());
      ASSIGN_OR_RETURN(status, SelectStatus(db, id));
      return absl::OkStatus();
    }));
    return status;
  }

  absl::StatusOr<std::vector<BuildRow>> InState(v1::BuildState state) override {
    std::vector<BuildRow> builds;
    RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(Statement select, db.Prepare(kSelectInState));
      select.Bind(1, state);
      while (true) {
        ASSIGN_OR_RETURN(bool found, select.Step());
        if (!found) {
          return absl::OkStatus();
        }
        BuildRow build;
        build.created_ns = select.Int(0);
        build.id = std::string(select.Text(1));
        build.name_space = std::string(select.Text(2));
        build.priority = static_cast<int32_t>(select.Int(3));
        build.attempt = static_cast<uint32_t>(select.Int(4));
        build.lost_secrets = select.Int(5) != 0;
        build.to_cancel = select.Int(6) != 0;
        builds.push_back(std::move(build));
      }
    }));
    return builds;
  }

  absl::StatusOr<std::vector<std::string>> NamespacesByLastStart() override {
    return SelectTexts(kSelectLastStarts, [](Statement&) {});
  }

  absl::StatusOr<std::set<std::string>> ContextsInUse() override {
    std::set<std::string> contexts;
    RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(Statement select, db.Prepare(kSelectContexts));
      while (true) {
        ASSIGN_OR_RETURN(bool found, select.Step());
        if (!found) {
          return absl::OkStatus();
        }
        for (std::string_view id : Split(select.Text(0), ',')) {
          contexts.emplace(id);
        }
      }
    }));
    return contexts;
  }

  absl::StatusOr<v1::BuildStatus> Get(std::string_view id) override {
    v1::BuildStatus status;
    RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(status, SelectStatus(db, id));
      return absl::OkStatus();
    }));
    return status;
  }

  absl::StatusOr<BuildPage> List(const BuildListing& listing) override {
    BuildPage page;
    RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(std::vector<BuildPosition> found, FindListed(db, listing));
      size_t bytes = 0;
      for (size_t i = 0; i < found.size(); ++i) {
        if (i == listing.limit) {
          page.last = found[i - 1];
          break;
        }
        ASSIGN_OR_RETURN(v1::BuildStatus status, SelectStatus(db, found[i].id));
        bytes += status.ByteSizeLong();
        if (i > 0 && bytes > listing.max_bytes) {
          page.last = found[i - 1];
          break;
        }
        page.builds.push_back(std::move(status));
      }
      return absl::OkStatus();
    }));
    return page;
  }

  absl::Status Delete(std::string_view id) override {
    return database_.Write([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(Statement remove,
                       db.Prepare("DELETE FROM builds WHERE id = ?1 AND state NOT IN (?2, ?3)"));
      RETURN_IF_ERROR(remove.BindText(1, id).Bind(2, v1::QUEUED).Bind(3, v1::RUNNING).Run());
      return db.changes() > 0 ? absl::OkStatus()
                              : NotInState(db, id, "has not ended; cancel it first");
    });
  }

  absl::StatusOr<QueueCounts> Counts() override {
    QueueCounts counts;
    RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(counts.queued, CountState(db, v1::QUEUED));
      ASSIGN_OR_RETURN(counts.running, CountState(db, v1::RUNNING));
      return absl::OkStatus();
    }));
    return counts;
  }

  absl::StatusOr<std::vector<std::string>> Expired(int64_t ended_before_ns,
                                                   uint64_t keep) override {
    const auto all_but = static_cast<int64_t>(std::min<uint64_t>(keep, INT64_MAX));
    return SelectTexts(kSelectExpired, [&](Statement& select) {
      select.Bind(1, ended_before_ns).Bind(2, all_but);
    });
  }

  absl::Status RemoveEnded(const std::vector<std::string>& ids) override {
    return database_.Write([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(Statement remove,
                       db.Prepare("DELETE FROM builds WHERE id = ?1 AND ended IS NOT NULL"));
      for (const std::string& id : ids) {
        RETURN_IF_ERROR(remove.BindText(1, id).Run());
      }
      return absl::OkStatus();
    });
  }

  absl::StatusOr<std::set<std::string>> Known(const std::vector<std::string>& ids) override {
    std::set<std::string> known;
    RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(Statement select, db.Prepare("SELECT state FROM builds WHERE id = ?1"));
      for (const std::string& id : ids) {
        ASSIGN_OR_RETURN(bool found, select.BindText(1, id).Step());
        if (found) {
          known.insert(id);
        }
      }
      return absl::OkStatus();
    }));
    return known;
  }

 private:
  static absl::StatusOr<uint64_t> CountState(Connection& db, v1::BuildState state) {
    ASSIGN_OR_RETURN(Statement select, db.Prepare(kCountState));
    select.Bind(1, state);
    RETURN_IF_ERROR(select.Step().status());
    return static_cast<uint64_t>(select.Int(0));
  }

  // One more than the limit where there are more.
  static absl::StatusOr<std::vector<BuildPosition>> FindListed(Connection& db,
                                                               const BuildListing& listing) {
    const BuildFilter& filter = listing.filter;
    const BuildPosition start =
        listing.after.value_or(BuildPosition{filter.created_before, std::string()});
    ASSIGN_OR_RETURN(Statement select, db.Prepare(ListSql(filter)));
    select.BindText(1, filter.name_space).Bind(2, start.created).BindText(3, start.id);
    select.Bind(4, filter.created_from).Bind(5, int64_t{listing.limit} + 1);
    if (!filter.tag.empty()) {
      select.BindText(6, filter.tag);
    }
    std::vector<BuildPosition> found;
    while (true) {
      ASSIGN_OR_RETURN(bool more, select.Step());
      if (!more) {
        return found;
      }
      found.push_back({select.Int(0), std::string(select.Text(1))});
    }
  }

  static absl::StatusOr<std::optional<QueuedBuild>> SelectQueued(Connection& db,
                                                                 std::string_view id) {
    ASSIGN_OR_RETURN(Statement select,
                     db.Prepare("SELECT attempt, needs_secrets, created, request FROM builds "
                                "WHERE id = ?1 AND state = ?2 AND NOT cancel_requested"));
    select.BindText(1, id).Bind(2, v1::QUEUED);
    ASSIGN_OR_RETURN(bool found, select.Step());
    if (!found) {
      return std::nullopt;
    }
    QueuedBuild build;
    build.id = std::string(id);
    build.attempt = static_cast<uint32_t>(select.Int(0));
    build.lost_secrets = select.Int(1) != 0;
    build.created_ns = select.Int(2);
    RETURN_IF_ERROR(Parse(id, select.Text(3), &build.request));
    return build;
  }

  // The first column of all rows.
  template <typename Bind>
  absl::StatusOr<std::vector<std::string>> SelectTexts(std::string_view sql, Bind bind) {
    std::vector<std::string> texts;
    RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(Statement select, db.Prepare(sql));
      bind(select);
      while (true) {
        ASSIGN_OR_RETURN(bool found, select.Step());
        if (!found) {
          return absl::OkStatus();
        }
        texts.emplace_back(select.Text(0));
      }
    }));
    return texts;
  }

  Database& database_;
  const Clock& clock_;

  Mutex mutex_;  // held while it is called
  std::function<void(const std::string& id)> ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<BuildQueue> OpenBuildQueue(Database* database, const Clock* clock) {
  return std::make_unique<SqliteBuildQueue>(database, clock);
}

}  // namespace zlayer
