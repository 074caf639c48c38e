#include "daemon/pipeline/pipeline_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/pipeline/pipeline_rows.h"
#include "daemon/pipeline/pipeline_schema.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

// Of all namespaces; each has its images, and what its builds need to know, in memory.
constexpr int64_t kMaxRunning = 1000;
// Below gRPC's 4 MiB for a message, which may hold more than the status.
constexpr size_t kMaxStatus = (size_t{4} << 20) - (size_t{256} << 10);

absl::Status CheckRoom(Connection& db) {
  ASSIGN_OR_RETURN(Statement count,
                   db.Prepare("SELECT count(*) FROM pipelines WHERE ended IS NULL"));
  RETURN_IF_ERROR(count.Step().status());
  if (count.Int(0) < kMaxRunning) {
    return absl::OkStatus();
  }
  v1::ErrorDetail detail;
  detail.set_reason("QUEUE_FULL");
  return WithDetail(
      ResourceExhausted(fmt::format("{} pipelines have not ended, which is the most; submit the "
                                    "pipeline again later",
                                    kMaxRunning)),
      detail);
}

absl::StatusOr<std::vector<BuildPosition>> SelectPositions(Connection& db,
                                                           const PipelineListing& listing) {
  const BuildPosition start =
      listing.after.value_or(BuildPosition{std::numeric_limits<int64_t>::max(), ""});
  ASSIGN_OR_RETURN(
      Statement select,
      db.Prepare(fmt::format("SELECT created, id FROM pipelines WHERE {}(created, id) < (?2, ?3) "
                             "ORDER BY created DESC, id DESC LIMIT ?4",
                             listing.name_space.empty() ? "" : "namespace = ?1 AND ")));
  select.BindText(1, listing.name_space).Bind(2, start.created).BindText(3, start.id);
  select.Bind(4, int64_t{listing.limit} + 1);
  std::vector<BuildPosition> found;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, select.Step());
    if (!more) {
      return found;
    }
    found.push_back({select.Int(0), std::string(select.Text(1))});
  }
}

// Keeps a registration, and the list that it is in.
class Subscription {
 public:
  Subscription(std::shared_ptr<Watchers> watchers, std::function<void()> wake)
      : watchers_(std::move(watchers)), place_(watchers_->Add(std::move(wake))) {}
  ~Subscription() { watchers_->Remove(place_); }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

 private:
  const std::shared_ptr<Watchers> watchers_;
  const Watchers::Place place_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PipelineStore>> PipelineStore::Open(Database* database,
                                                                   const Clock* clock) {
  RETURN_IF_ERROR(database->WriteUnsynced([](Connection& db) -> absl::Status {
    for (const std::string_view sql : kPipelineSchema) {
      ASSIGN_OR_RETURN(Statement make, db.Prepare(sql));
      RETURN_IF_ERROR(make.Run());
    }
    return absl::OkStatus();
  }));
  return std::unique_ptr<PipelineStore>(new PipelineStore(database, clock));
}

absl::StatusOr<PipelineStore::Submission> PipelineStore::Submit(
    const v1::SubmitPipelineRequest& request) {
  const StoredPipeline stored = ToStored(request);
  const int64_t now = clock_.NowNs();
  Submission submission;
  RETURN_IF_ERROR(database_.Write([&](Connection& db) -> absl::Status {
    ASSIGN_OR_RETURN(std::optional<std::string> existing, FindPipelineSubmission(db, stored, now));
    if (existing.has_value()) {
      submission = {*std::move(existing), true};
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(CheckRoom(db));
    ASSIGN_OR_RETURN(submission.id, InsertPipeline(db, stored, now));
    v1::PipelineEvent event;
    ASSIGN_OR_RETURN(*event.mutable_started(), SelectPipeline(db, submission.id));
    return InsertPipelineEvent(db, submission.id, std::move(event), now);
  }));
  return submission;
}

absl::StatusOr<std::optional<std::string>> PipelineStore::FindSubmitted(
    const v1::SubmitPipelineRequest& request) {
  std::optional<std::string> existing;
  if (request.idempotency_key().empty()) {
    return existing;
  }
  const StoredPipeline stored = ToStored(request);
  RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
    ASSIGN_OR_RETURN(existing, FindPipelineSubmission(db, stored, clock_.NowNs()));
    return absl::OkStatus();
  }));
  return existing;
}

absl::StatusOr<std::vector<std::string>> PipelineStore::Running() {
  std::vector<std::string> ids;
  RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
    ASSIGN_OR_RETURN(
        Statement select,
        db.Prepare("SELECT id FROM pipelines WHERE ended IS NULL ORDER BY created, id"));
    while (true) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      if (!found) {
        return absl::OkStatus();
      }
      ids.emplace_back(select.Text(0));
    }
  }));
  return ids;
}

absl::StatusOr<std::set<std::string>> PipelineStore::ContextsInUse() {
  std::set<std::string> contexts;
  RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
    ASSIGN_OR_RETURN(Statement select,
                     db.Prepare("SELECT contexts FROM pipelines WHERE ended IS NULL"));
    while (true) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      if (!found) {
        return absl::OkStatus();
      }
      for (const std::string_view id : Split(select.Text(0), ',')) {
        contexts.emplace(id);
      }
    }
  }));
  return contexts;
}

absl::StatusOr<PipelineRecord> PipelineStore::Load(std::string_view id) {
  PipelineRecord record;
  RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
    ASSIGN_OR_RETURN(record, SelectPipelineRecord(db, id));
    return absl::OkStatus();
  }));
  return record;
}

absl::StatusOr<v1::BuildSpec> PipelineStore::Spec(std::string_view id, size_t image) {
  v1::BuildSpec spec;
  RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
    ASSIGN_OR_RETURN(Statement select, db.Prepare("SELECT spec FROM pipeline_images "
                                                  "WHERE pipeline = ?1 AND position = ?2"));
    ASSIGN_OR_RETURN(const bool found,
                     select.BindText(1, id).Bind(2, static_cast<int64_t>(image)).Step());
    const std::string_view bytes = found ? select.Text(0) : std::string_view();
    return found && spec.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))
               ? absl::OkStatus()
               : DataLoss(fmt::format("a row of pipeline {} is damaged", id));
  }));
  return spec;
}

absl::Status PipelineStore::SetImage(std::string_view id, size_t image,
                                     const v1::PipelineImageStatus& status) {
  const std::string bytes = status.SerializeAsString();
  const int64_t now = clock_.NowNs();
  RETURN_IF_ERROR(database_.Write([&](Connection& db) -> absl::Status {
    RETURN_IF_ERROR(CheckPipelineRuns(db, id));
    ASSIGN_OR_RETURN(Statement update, db.Prepare("UPDATE pipeline_images SET status = ?1 "
                                                  "WHERE pipeline = ?2 AND position = ?3"));
    RETURN_IF_ERROR(
        update.BindBlob(1, bytes).BindText(2, id).Bind(3, static_cast<int64_t>(image)).Run());
    v1::PipelineEvent event;
    *event.mutable_image() = status;
    return InsertPipelineEvent(db, id, std::move(event), now);
  }));
  Wake(id);
  return absl::OkStatus();
}

absl::Status PipelineStore::Finish(std::string_view id, v1::PipelineState state) {
  const int64_t now = clock_.NowNs();
  RETURN_IF_ERROR(database_.Write([&](Connection& db) -> absl::Status {
    RETURN_IF_ERROR(CheckPipelineRuns(db, id));
    ASSIGN_OR_RETURN(Statement update,
                     db.Prepare("UPDATE pipelines SET state = ?1, ended = ?2 WHERE id = ?3"));
    RETURN_IF_ERROR(update.Bind(1, state).Bind(2, now).BindText(3, id).Run());
    v1::PipelineEvent event;
    ASSIGN_OR_RETURN(*event.mutable_ended(), SelectPipeline(db, id));
    return InsertPipelineEvent(db, id, std::move(event), now);
  }));
  Wake(id);
  return absl::OkStatus();
}

absl::StatusOr<v1::PipelineStatus> PipelineStore::RequestCancel(std::string_view id) {
  v1::PipelineStatus status;
  RETURN_IF_ERROR(database_.Write([&](Connection& db) -> absl::Status {
    ASSIGN_OR_RETURN(Statement update, db.Prepare("UPDATE pipelines SET cancel_requested = 1 "
                                                  "WHERE id = ?1 AND ended IS NULL"));
    RETURN_IF_ERROR(update.BindText(1, id).Run());
    ASSIGN_OR_RETURN(status, SelectPipeline(db, id));
    return absl::OkStatus();
  }));
  return status;
}

absl::StatusOr<v1::PipelineStatus> PipelineStore::Get(std::string_view id) {
  v1::PipelineStatus status;
  RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
    ASSIGN_OR_RETURN(status, SelectPipeline(db, id));
    return absl::OkStatus();
  }));
  return status;
}

absl::StatusOr<PipelinePage> PipelineStore::List(const PipelineListing& listing) {
  PipelinePage page;
  RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<BuildPosition> found, SelectPositions(db, listing));
    size_t bytes = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      if (i == listing.limit) {
        page.last = found[i - 1];
        break;
      }
      ASSIGN_OR_RETURN(v1::PipelineStatus status, SelectPipeline(db, found[i].id));
      bytes += status.ByteSizeLong();
      if (i > 0 && bytes > listing.max_bytes) {
        page.last = found[i - 1];
        break;
      }
      page.pipelines.push_back(std::move(status));
    }
    return absl::OkStatus();
  }));
  return page;
}

absl::Status PipelineStore::Delete(std::string_view id) {
  RETURN_IF_ERROR(database_.Write([&](Connection& db) -> absl::Status {
    const absl::Status runs = CheckPipelineRuns(db, id);
    if (runs.ok()) {
      return FailedPrecondition(fmt::format("pipeline {} has not ended; cancel it first", id));
    }
    if (absl::IsNotFound(runs)) {
      return runs;
    }
    ASSIGN_OR_RETURN(Statement remove, db.Prepare("DELETE FROM pipelines WHERE id = ?1"));
    return remove.BindText(1, id).Run();
  }));
  Wake(id);
  return absl::OkStatus();
}

absl::Status PipelineStore::RemoveExpired(int64_t ended_before_ns, uint64_t keep) {
  std::vector<std::string> ids;
  RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
    ASSIGN_OR_RETURN(
        Statement select,
        db.Prepare("SELECT id FROM pipelines WHERE ended IS NOT NULL AND (ended < ?1 OR "
                   "(ended, id) <= (SELECT ended, id FROM pipelines WHERE ended IS NOT NULL "
                   "ORDER BY ended DESC, id DESC LIMIT 1 OFFSET ?2))"));
    select.Bind(1, ended_before_ns);
    select.Bind(2, static_cast<int64_t>(std::min<uint64_t>(keep, INT64_MAX)));
    while (true) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      if (!found) {
        return absl::OkStatus();
      }
      ids.emplace_back(select.Text(0));
    }
  }));
  for (const std::string& id : ids) {
    if (!IsWatched(id)) {
      const absl::Status removed = Delete(id);
      if (!removed.ok() && !absl::IsNotFound(removed)) {
        return removed;
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<v1::PipelineEvent>> PipelineStore::NextEvent(std::string_view id,
                                                                          uint64_t after) {
  std::optional<v1::PipelineEvent> event;
  RETURN_IF_ERROR(database_.Read([&](Connection& db) -> absl::Status {
    ASSIGN_OR_RETURN(Statement select,
                     db.Prepare("SELECT event FROM pipeline_events WHERE pipeline = ?1 AND "
                                "sequence > ?2 ORDER BY sequence LIMIT 1"));
    select.BindText(1, id).Bind(2, static_cast<int64_t>(std::min<uint64_t>(after, INT64_MAX)));
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) {
      const absl::Status known = CheckPipelineRuns(db, id);
      return absl::IsNotFound(known) ? known : absl::OkStatus();
    }
    const std::string_view bytes = select.Text(0);
    return event.emplace().ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))
               ? absl::OkStatus()
               : DataLoss(fmt::format("an event of pipeline {} is damaged", id));
  }));
  return event;
}

std::shared_ptr<void> PipelineStore::Subscribe(const std::string& id, std::function<void()> wake) {
  std::shared_ptr<Watchers> watchers;
  {
    MutexLock lock(&mutex_);
    std::erase_if(watchers_, [](const auto& entry) { return entry.second.expired(); });
    watchers = watchers_[id].lock();
    if (watchers == nullptr) {
      watchers = std::make_shared<Watchers>();
      watchers_[id] = watchers;
    }
  }
  return std::make_shared<Subscription>(std::move(watchers), std::move(wake));
}

void PipelineStore::Wake(std::string_view id) {
  std::shared_ptr<Watchers> watchers;
  {
    MutexLock lock(&mutex_);
    if (auto entry = watchers_.find(id); entry != watchers_.end()) {
      watchers = entry->second.lock();
    }
  }
  if (watchers != nullptr) {
    watchers->Wake();
  }
}

bool PipelineStore::IsWatched(const std::string& id) {
  MutexLock lock(&mutex_);
  auto entry = watchers_.find(id);
  return entry != watchers_.end() && !entry->second.expired();
}

void FitIntoMessage(v1::PipelineStatus* status) {
  if (status->ByteSizeLong() <= kMaxStatus) {
    return;
  }
  for (v1::PipelineImageStatus& image : *status->mutable_images()) {
    if (image.has_result()) {
      image.mutable_result()->clear_tags();
    }
  }
}

}  // namespace zlayer
