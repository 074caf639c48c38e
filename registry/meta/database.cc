#include "registry/meta/database.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "registry/meta/connection.h"
#include "registry/meta/schema.h"

namespace zlayer {
namespace {

constexpr int64_t kSchemaVersion = 6;
// Of what came since this version the schema, run again, adds tables and indexes that are missing.
constexpr int64_t kOldestVersion = 2;

// What else a version changed, to be run before and after the schema.
struct Upgrade {
  int64_t version;
  std::string_view before;
  std::string_view after;
};
constexpr Upgrade kUpgrades[] = {
    {4,
     "ALTER TABLE records ADD COLUMN content_key BLOB;"
     "ALTER TABLE records ADD COLUMN description TEXT NOT NULL DEFAULT '';",
     ""},
    // A layer may be null.
    {5,
     "ALTER TABLE images ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE images ADD COLUMN media_type TEXT NOT NULL DEFAULT '';"
     "ALTER TABLE images ADD COLUMN subject BLOB;"
     "ALTER TABLE images ADD COLUMN source TEXT NOT NULL DEFAULT '';"
     "DROP INDEX image_layers_by_layer;"
     "DROP INDEX image_layers_by_digest;"
     "ALTER TABLE image_layers RENAME TO image_layers_of_4;",
     "INSERT INTO image_layers SELECT manifest, position, layer, digest, size, media_type "
     "FROM image_layers_of_4;"
     "DROP TABLE image_layers_of_4;"},
};
// Readers beyond these are closed after use.
constexpr size_t kIdleReaders = 16;

// One call of Write or WriteUnsynced, on the caller's stack until `done`.
struct Job {
  Job(Database::Work w, bool s) : work(std::move(w)), synced(s) {}
  Database::Work work;
  const bool synced;
  absl::Status status;
  bool done = false;
};

class SqliteDatabase : public Database {
 public:
  SqliteDatabase(std::string file, std::unique_ptr<SqliteConnection> writer,
                 std::chrono::nanoseconds idle)
      : file_(std::move(file)), writer_(std::move(writer)), idle_(idle) {
    thread_ = std::jthread([this](std::stop_token stop) { RunWriter(std::move(stop)); });
  }

  absl::Status Write(Work work) override { return RunOnWriter(std::move(work), true); }
  absl::Status WriteUnsynced(Work work) override { return RunOnWriter(std::move(work), false); }

  absl::Status Read(Work work) override {
    ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> reader, TakeReader());
    RETURN_IF_ERROR(reader->Execute("BEGIN"));
    absl::Status status = work(*reader);
    absl::Status end = reader->Execute("COMMIT");
    if (end.ok()) {
      ReturnReader(std::move(reader));
    }
    return status.ok() ? end : status;
  }

 private:
  absl::Status RunOnWriter(Work work, bool synced) {
    Job job(std::move(work), synced);
    MutexLock lock(&mutex_);
    waiting_.push_back(&job);
    work_waits_.NotifyOne();
    // Ends without a stop token: the writer's thread answers every job that was accepted.
    job_done_.Wait(&mutex_, {}, [&job] { return job.done; });
    return std::move(job.status);
  }

  void RunWriter(std::stop_token stop) {
    while (true) {
      std::vector<Job*> group;
      {
        MutexLock lock(&mutex_);
        work_waits_.WaitFor(&mutex_, idle_, stop,
                            [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !waiting_.empty(); });
        if (waiting_.empty() && stop.stop_requested()) {
          return;
        }
        group.swap(waiting_);
      }
      if (group.empty()) {
        ReleaseMemory();
        continue;
      }
      for (std::span<Job* const> left = group; !left.empty();) {
        left = left.subspan(RunTransaction(left));
      }
      {
        MutexLock lock(&mutex_);
        for (Job* job : group) {
          job->done = true;
        }
      }
      job_done_.NotifyAll();
    }
  }

  // Returns how many of `jobs`, at least one, got their status: all, unless an error in one of them
  // made SQLite undo the transaction. Those behind that one are then still to be run.
  size_t RunTransaction(std::span<Job* const> jobs) {
    absl::Status status = SetSynced(
        std::any_of(jobs.begin(), jobs.end(), [](const Job* job) { return job->synced; }));
    if (status.ok()) {
      status = writer_->Execute("BEGIN IMMEDIATE");
    }
    size_t count = status.ok() ? 0 : jobs.size();
    while (status.ok() && count < jobs.size()) {
      status = RunJob(*jobs[count++]);
    }
    if (status.ok()) {
      status = writer_->Execute("COMMIT");
    }
    if (status.ok()) {
      return count;
    }
    if (writer_->InTransaction()) {
      writer_->Execute("ROLLBACK").IgnoreError();
    }
    for (Job* job : jobs.first(count)) {
      if (job->status.ok()) {
        job->status = status;
      }
    }
    return count;
  }

  // In WAL mode, NORMAL syncs before a checkpoint only, and FULL each commit with all before it.
  absl::Status SetSynced(bool synced) {
    if (synced_ != synced) {
      RETURN_IF_ERROR(writer_->ExecuteScript(synced ? "PRAGMA synchronous = FULL"
                                                    : "PRAGMA synchronous = NORMAL"));
      synced_ = synced;
    }
    return absl::OkStatus();
  }

  // An error of the job stays in the job. Returns an error where the transaction is of no use any
  // more, for the other jobs too.
  absl::Status RunJob(Job& job) {
    RETURN_IF_ERROR(writer_->Execute("SAVEPOINT job"));
    job.status = job.work(*writer_);
    if (!writer_->InTransaction()) {
      return job.status.ok() ? Internal("metadata database: the transaction was lost") : job.status;
    }
    if (!job.status.ok()) {
      RETURN_IF_ERROR(writer_->Execute("ROLLBACK TO job"));
    }
    return writer_->Execute("RELEASE job");
  }

  // All readers but the one that was used last are closed, and the writer's cache is emptied.
  void ReleaseMemory() {
    writer_->ReleaseMemory();
    std::vector<std::unique_ptr<SqliteConnection>> closed;
    MutexLock lock(&mutex_);
    if (!readers_.empty()) {
      closed.swap(readers_);
      readers_.push_back(std::move(closed.back()));
    }
  }

  absl::StatusOr<std::unique_ptr<SqliteConnection>> TakeReader() {
    {
      MutexLock lock(&mutex_);
      if (!readers_.empty()) {
        std::unique_ptr<SqliteConnection> reader = std::move(readers_.back());
        readers_.pop_back();
        return reader;
      }
    }
    return SqliteConnection::Open(file_, SqliteConnection::Mode::kReader);
  }

  // Closes `reader`, outside the lock, where enough are idle.
  void ReturnReader(std::unique_ptr<SqliteConnection> reader) {
    MutexLock lock(&mutex_);
    if (readers_.size() < kIdleReaders) {
      readers_.push_back(std::move(reader));
    }
  }

  const std::string file_;
  // Used by thread_ only.
  const std::unique_ptr<SqliteConnection> writer_;
  bool synced_ = true;  // as SqliteConnection begins
  const std::chrono::nanoseconds idle_;

  Mutex mutex_;
  CondVar work_waits_;
  CondVar job_done_;
  std::vector<Job*> waiting_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<SqliteConnection>> readers_ ABSL_GUARDED_BY(mutex_);

  std::jthread thread_;  // last: ends before what it uses
};

absl::Status MakeSchema(SqliteConnection& connection, int64_t from_version) {
  std::string before;
  std::string after;
  for (const Upgrade& upgrade : kUpgrades) {
    if (upgrade.version > from_version) {
      before += upgrade.before;
      after += upgrade.after;
    }
  }
  return connection.ExecuteScript(
      fmt::format("BEGIN IMMEDIATE; {} {} {} PRAGMA user_version = {}; COMMIT;", before, kSchema,
                  after, kSchemaVersion));
}

absl::Status CheckSchema(SqliteConnection& connection) {
  ASSIGN_OR_RETURN(int64_t version, connection.QueryInt("PRAGMA user_version"));
  if (version == 0) {
    ASSIGN_OR_RETURN(int64_t tables, connection.QueryInt("SELECT count(*) FROM sqlite_schema"));
    return tables == 0 ? MakeSchema(connection, kSchemaVersion)
                       : FailedPrecondition("this is a database of another program");
  }
  if (version < kOldestVersion || version > kSchemaVersion) {
    return FailedPrecondition(
        fmt::format("its schema has version {}, which a {} zlayerd wrote; this one knows version "
                    "{}: run the other one, or use another root",
                    version, version > kSchemaVersion ? "newer" : "older", kSchemaVersion));
  }
  return version == kSchemaVersion ? absl::OkStatus() : MakeSchema(connection, version);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& file,
                                                       std::chrono::nanoseconds idle) {
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> writer,
                   SqliteConnection::Open(file, SqliteConnection::Mode::kWriter));
  if (absl::Status status = CheckSchema(*writer); !status.ok()) {
    return Annotate(status, file);
  }
  return std::make_unique<SqliteDatabase>(file, std::move(writer), idle);
}

}  // namespace zlayer
