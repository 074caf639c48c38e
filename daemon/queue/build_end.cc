#include "daemon/queue/build_end.h"

#include <google/protobuf/util/time_util.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "base/clock.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "daemon/events/valid_text.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

absl::Status WithReason(absl::Status status, std::string reason) {
  v1::ErrorDetail detail;
  detail.set_reason(std::move(reason));
  return WithDetail(std::move(status), detail);
}

absl::Status DaemonDied(uint32_t times) {
  std::string how_often = times == 1 ? "" : fmt::format(" {} times", times);
  return WithReason(
      absl::AbortedError(fmt::format("the daemon died{} while it ran this build", how_often)),
      "DAEMON_DIED");
}

absl::Status SecretsLost() {
  return WithReason(
      FailedPrecondition("the daemon was restarted and keeps no secrets and credentials; submit "
                         "the build again"),
      "SECRETS_LOST");
}

// Ends builds whose log ends, queues those that were interrupted.
absl::Status RequeueInterrupted(BuildQueue* queue, EventLogs* logs) {
  ASSIGN_OR_RETURN(std::vector<QueuedBuild> running, queue->Running());
  for (const QueuedBuild& build : running) {
    absl::StatusOr<v1::BuildEvent> last = logs->Last(build.id);
    if (absl::IsDataLoss(last.status())) {
      RETURN_IF_ERROR(EndDamagedBuild(build.id, last.status(), queue));
      continue;
    }
    RETURN_IF_ERROR(last.status());
    RETURN_IF_ERROR(IsTerminal(*last) ? queue->Finish(*last)
                                      : queue->Requeue(build.id, build.attempt + 1));
  }
  return absl::OkStatus();
}

absl::Status EndCanceled(BuildQueue* queue, EventLogs* logs) {
  ASSIGN_OR_RETURN(std::vector<std::string> canceled, queue->CanceledWhileQueued());
  for (const std::string& id : canceled) {
    absl::Status status = EndBuild(id, CanceledEvent(), queue, logs);
    if (absl::IsDataLoss(status)) {
      status = EndDamagedBuild(id, status, queue);
    }
    RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

// Whether the queued build may run; otherwise it has ended. kDataLoss where its log is damaged.
absl::StatusOr<bool> Revive(const QueuedBuild& build, uint32_t max_attempts, BuildQueue* queue,
                            EventLogs* logs) {
  ASSIGN_OR_RETURN(v1::BuildEvent last, logs->Last(build.id));
  if (IsTerminal(last)) {
    RETURN_IF_ERROR(queue->Finish(last));
    return false;
  }
  absl::Status hopeless = build.attempt > max_attempts ? DaemonDied(build.attempt - 1)
                          : build.lost_secrets         ? SecretsLost()
                                                       : absl::OkStatus();
  if (!hopeless.ok()) {
    RETURN_IF_ERROR(EndBuild(build.id, FailedEvent(hopeless), queue, logs));
    return false;
  }
  if (!last.has_build_queued() || last.build_queued().attempt() != build.attempt) {
    RETURN_IF_ERROR(logs->Append(build.id, QueuedEvent(build.attempt)).status());
    logs->Close(build.id);
  }
  return true;
}

}  // namespace

v1::BuildEvent QueuedEvent(uint32_t attempt) {
  v1::BuildEvent event;
  event.mutable_build_queued()->set_attempt(attempt);
  return event;
}

v1::BuildEvent FailedEvent(const absl::Status& status) {
  v1::BuildEvent event;
  v1::BuildFailed& failed = *event.mutable_build_failed();
  failed.set_error(std::string(Message(status)));
  failed.set_code(static_cast<int32_t>(status.code()));
  *failed.mutable_detail() = DetailOf(status);
  return event;
}

v1::BuildEvent CanceledEvent() {
  v1::BuildEvent event;
  event.mutable_build_canceled()->set_reason("canceled by request");
  return event;
}

absl::Status EnsureFirstEvent(const std::string& id, EventLogs* logs) {
  ASSIGN_OR_RETURN(v1::BuildEvent last, logs->Last(id));
  return last.sequence() > 0 ? absl::OkStatus() : logs->Append(id, QueuedEvent(1)).status();
}

absl::Status EndBuild(const std::string& id, const v1::BuildEvent& terminal, BuildQueue* queue,
                      EventLogs* logs) {
  absl::Status first = EnsureFirstEvent(id, logs);
  // Another caller's end may be first even here.
  if (!first.ok() && !absl::IsFailedPrecondition(first)) {
    return first;
  }
  absl::StatusOr<v1::BuildEvent> written = logs->Append(id, terminal);
  if (absl::IsFailedPrecondition(written.status())) {
    written = logs->Last(id);
  }
  RETURN_IF_ERROR(written.status());
  absl::Status status = queue->Finish(*written);
  if (!status.ok() && !absl::IsFailedPrecondition(status)) {
    return status;
  }
  logs->Close(id);
  return absl::OkStatus();
}

absl::Status EndDamagedBuild(const std::string& id, const absl::Status& damage, BuildQueue* queue) {
  spdlog::error("build {} ends because its event log is damaged: {}", id, Message(damage));
  v1::BuildEvent event =
      FailedEvent(WithReason(Annotate(damage, "the build's event log is damaged"), "LOG_DAMAGED"));
  event.set_build_id(id);
  *event.mutable_time() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(SystemClock()->NowNs());
  MakeTextValid(&event);
  absl::Status status = queue->Finish(event);
  return absl::IsFailedPrecondition(status) ? absl::OkStatus() : status;
}

absl::StatusOr<uint64_t> RecoverBuilds(uint32_t max_attempts, BuildQueue* queue, EventLogs* logs) {
  RETURN_IF_ERROR(RequeueInterrupted(queue, logs));
  RETURN_IF_ERROR(EndCanceled(queue, logs));
  ASSIGN_OR_RETURN(std::vector<QueuedBuild> queued, queue->Queued());
  uint64_t waiting = 0;
  for (const QueuedBuild& build : queued) {
    absl::StatusOr<bool> revived = Revive(build, max_attempts, queue, logs);
    if (absl::IsDataLoss(revived.status())) {
      RETURN_IF_ERROR(EndDamagedBuild(build.id, revived.status(), queue));
      continue;
    }
    RETURN_IF_ERROR(revived.status());
    waiting += *revived ? 1 : 0;
  }
  return waiting;
}

}  // namespace zlayer
