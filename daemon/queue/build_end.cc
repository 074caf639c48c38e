#include "daemon/queue/build_end.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

#include "base/clock.h"
#include "base/errors.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "daemon/events/valid_text.h"
#include "proto/error_detail.h"

namespace zlayer {

namespace {

using google::protobuf::util::TimeUtil;

constexpr Log kLog(LogModule::kQueue);

void LogEnd(const BuildEnd& end, const v1::BuildEvent& terminal) {
  if (terminal.has_build_failed()) {
    const v1::BuildFailed& failed = terminal.build_failed();
    const absl::Status error(static_cast<absl::StatusCode>(failed.code()), failed.error());
    kLog.Info("build ended", {{"build", end.id},
                              {"state", "failed"},
                              {"seconds", end.seconds},
                              {"error", error}});
  } else {
    kLog.Info("build ended",
              {{"build", end.id},
               {"state", terminal.has_build_complete() ? "succeeded" : "canceled"},
               {"seconds", end.seconds}});
  }
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

absl::Status WithReason(absl::Status status, std::string reason) {
  v1::ErrorDetail detail;
  detail.set_reason(std::move(reason));
  return WithDetail(std::move(status), detail);
}

absl::StatusOr<v1::BuildEvent> EnsureFirstEvent(const std::string& id, int64_t created_ns,
                                                EventLogs* logs) {
  v1::BuildEvent first = QueuedEvent(1);
  *first.mutable_time() = TimeUtil::NanosecondsToTimestamp(created_ns);
  return logs->Begin(id, std::move(first));
}

absl::Status EndBuild(const BuildEnd& end, BuildQueue* queue, EventLogs* logs) {
  RETURN_IF_ERROR(EnsureFirstEvent(end.id, end.created_ns, logs).status());
  absl::StatusOr<v1::BuildEvent> written = logs->Append(end.id, end.terminal);
  if (absl::IsFailedPrecondition(written.status())) {
    written = logs->Last(end.id);
  }
  RETURN_IF_ERROR(written.status());
  absl::Status status = queue->Finish(*written);
  if (!status.ok() && !absl::IsFailedPrecondition(status)) {
    return status;
  }
  if (status.ok()) {
    LogEnd(end, *written);
  }
  logs->Close(end.id);
  return absl::OkStatus();
}

absl::Status EndDamagedBuild(const std::string& id, const absl::Status& damage, BuildQueue* queue) {
  kLog.Error("a build ends because its event log is damaged", {{"build", id}, {"error", damage}});
  v1::BuildEvent event =
      FailedEvent(WithReason(Annotate(damage, "the build's event log is damaged"), "LOG_DAMAGED"));
  event.set_build_id(id);
  *event.mutable_time() = TimeUtil::NanosecondsToTimestamp(SystemClock()->NowNs());
  MakeTextValid(&event);
  absl::Status status = queue->Finish(event);
  return absl::IsFailedPrecondition(status) ? absl::OkStatus() : status;
}

}  // namespace zlayer
