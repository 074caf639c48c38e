#include "daemon/queue/build_queue.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/queue/build_queue_sql.h"
#include "daemon/queue/stored_request.h"

namespace zlayer {
namespace {

using google::protobuf::util::TimeUtil;

// Times in ids are milliseconds since 2024-01-01: eight digits of base 36 last until 2113.
constexpr int64_t kIdEpochNs = 1'704'067'200'000'000'000;
constexpr size_t kIdTimeDigits = 8;
constexpr size_t kIdRandomDigits = 6;

std::string Base36(uint64_t value, size_t digits) {
  std::string text(digits, '0');
  for (size_t i = digits; i > 0; --i, value /= 36) {
    text[i - 1] = "0123456789abcdefghijklmnopqrstuvwxyz"[value % 36];
  }
  return text;
}

// Sorts by time; the random digits keep builds of one millisecond apart.
std::string NewId(int64_t now_ns) {
  uint64_t random = 0;
  std::string hex = RandomHex();
  std::from_chars(hex.data(), hex.data() + 15, random, 16);
  int64_t ms = now_ns > kIdEpochNs ? (now_ns - kIdEpochNs) / 1'000'000 : 0;
  return Base36(static_cast<uint64_t>(ms), kIdTimeDigits) + Base36(random, kIdRandomDigits);
}

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
    "SELECT id, namespace, priority, state, attempt, created, started, ended, request, outcome "
    "FROM builds ";

// None, but in a database that version 1 of the schema left.
constexpr std::string_view kSelectWithoutContexts =
    "SELECT id, request FROM builds WHERE state IN (1, 2) AND contexts IS NULL";

// Of a row of kSelectStatus.
absl::StatusOr<v1::BuildStatus> StatusAt(const Statement& row) {
  v1::BuildStatus status;
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
  v1::SubmitBuildRequest request;
  RETURN_IF_ERROR(Parse(status.id(), row.Text(8), &request));
  status.set_title(TitleOf(request.spec()));
  *status.mutable_tags() = request.spec().tags();
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
      if (!stored.request.idempotency_key().empty()) {
        ASSIGN_OR_RETURN(submission, FindByKey(db, stored));
        if (submission.existing) {
          return absl::OkStatus();
        }
      }
      submission.id = NewId(now);
      submission.created_ns = now;
      return Insert(db, submission.id, now, stored);
    }));
    return submission;
  }

  absl::StatusOr<std::optional<std::string>> FindSubmitted(
      const v1::SubmitBuildRequest& request) override {
    const StoredRequest stored = ToStored(request);
    Submission submission;
    if (!stored.request.idempotency_key().empty()) {
      RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
        ASSIGN_OR_RETURN(submission, FindByKey(db, stored));
        return absl::OkStatus();
      }));
    }
    return submission.existing ? std::optional<std::string>(submission.id) : std::nullopt;
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
    return database_.Write([&](Connection& db) -> absl::Status {
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
    });
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
          break;
        }
        for (std::string_view id : Split(select.Text(0), ',')) {
          contexts.emplace(id);
        }
      }
      return AddContextsOfVersion1(db, &contexts);
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

  absl::StatusOr<std::vector<v1::BuildStatus>> List(std::string_view name_space,
                                                    uint32_t limit) override {
    std::vector<v1::BuildStatus> builds;
    RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(Statement select, db.Prepare(std::string(kSelectStatus) +
                                                    "WHERE ?1 = '' OR namespace = ?1 "
                                                    "ORDER BY created DESC, id DESC LIMIT ?2"));
      select.BindText(1, name_space).Bind(2, limit);
      while (true) {
        ASSIGN_OR_RETURN(bool found, select.Step());
        if (!found) {
          return absl::OkStatus();
        }
        ASSIGN_OR_RETURN(v1::BuildStatus status, StatusAt(select));
        builds.push_back(std::move(status));
      }
    }));
    return builds;
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

  // The submission that has the key already; an empty one where none has.
  static absl::StatusOr<Submission> FindByKey(Connection& db, const StoredRequest& stored) {
    ASSIGN_OR_RETURN(Statement select, db.Prepare("SELECT id, request_digest FROM builds "
                                                  "WHERE namespace = ?1 AND idempotency_key = ?2"));
    select.BindText(1, stored.request.namespace_()).BindText(2, stored.request.idempotency_key());
    ASSIGN_OR_RETURN(bool found, select.Step());
    Submission submission;
    if (!found) {
      return submission;
    }
    ASSIGN_OR_RETURN(Digest digest, select.DigestAt(1));
    submission.id = std::string(select.Text(0));
    submission.existing = true;
    if (digest != stored.digest) {
      return AlreadyExists(fmt::format(
          "the idempotency key \"{}\" belongs to build {}, whose request is another one",
          stored.request.idempotency_key(), submission.id));
    }
    return submission;
  }

  static absl::Status Insert(Connection& db, std::string_view id, int64_t now,
                             const StoredRequest& stored) {
    ASSIGN_OR_RETURN(
        Statement insert,
        db.Prepare("INSERT INTO builds (id, namespace, priority, state, attempt, created, request, "
                   "needs_secrets, idempotency_key, request_digest, contexts) "
                   "VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9, ?10)"));
    const std::string request = stored.request.SerializeAsString();
    insert.BindText(1, id)
        .BindText(2, stored.request.namespace_())
        .Bind(3, stored.request.priority())
        .Bind(4, v1::QUEUED)
        .Bind(5, now)
        .BindBlob(6, request)
        .Bind(7, stored.needs_secrets ? 1 : 0)
        .BindDigest(9, stored.digest)
        .BindText(10, Join(UploadedContexts(stored.request), ","));
    if (stored.request.idempotency_key().empty()) {
      insert.BindNull(8);
    } else {
      insert.BindText(8, stored.request.idempotency_key());
    }
    return insert.Run();
  }

  static absl::StatusOr<std::optional<QueuedBuild>> SelectQueued(Connection& db,
                                                                 std::string_view id) {
    ASSIGN_OR_RETURN(Statement select,
                     db.Prepare("SELECT attempt, needs_secrets, request FROM builds "
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
    RETURN_IF_ERROR(Parse(id, select.Text(2), &build.request));
    return build;
  }

  // Of rows that were written before the column was there.
  static absl::Status AddContextsOfVersion1(Connection& db, std::set<std::string>* contexts) {
    ASSIGN_OR_RETURN(Statement select, db.Prepare(kSelectWithoutContexts));
    while (true) {
      ASSIGN_OR_RETURN(bool found, select.Step());
      if (!found) {
        return absl::OkStatus();
      }
      v1::SubmitBuildRequest request;
      RETURN_IF_ERROR(Parse(select.Text(0), select.Text(1), &request));
      for (const std::string& id : UploadedContexts(request)) {
        contexts->insert(id);
      }
    }
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
};

}  // namespace

std::unique_ptr<BuildQueue> OpenBuildQueue(Database* database, const Clock* clock) {
  return std::make_unique<SqliteBuildQueue>(database, clock);
}

}  // namespace zlayer
