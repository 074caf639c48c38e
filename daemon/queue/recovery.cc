#include "daemon/queue/recovery.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

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

// Why the build's next attempt must not be made; nullopt where it may.
std::optional<v1::BuildEvent> Hopeless(const BuildRow& build, uint32_t next_attempt,
                                       uint32_t max_attempts) {
  if (build.to_cancel) {
    return CanceledEvent();
  }
  if (next_attempt > max_attempts) {
    return FailedEvent(DaemonDied(next_attempt - 1));
  }
  if (build.lost_secrets) {
    return FailedEvent(SecretsLost());
  }
  return std::nullopt;
}

// A build whose row says that it runs: with the log first, so that a daemon that dies here finds
// the row as it was.
absl::Status RecoverRunning(const BuildRow& build, uint32_t max_attempts, BuildQueue* queue,
                            EventLogs* logs, std::vector<BuildEnd>* endings) {
  absl::StatusOr<v1::BuildEvent> last = EnsureFirstEvent(build.id, build.created_ns, logs);
  if (absl::IsDataLoss(last.status())) {
    return EndDamagedBuild(build.id, last.status(), queue);
  }
  RETURN_IF_ERROR(last.status());
  if (IsTerminal(*last)) {
    return queue->Finish(*last);
  }
  const uint32_t attempt = build.attempt + 1;
  if (auto terminal = Hopeless(build, attempt, max_attempts)) {
    endings->push_back({build.id, build.created_ns, *std::move(terminal)});
    return absl::OkStatus();
  }
  if (last->build_queued().attempt() != attempt) {
    RETURN_IF_ERROR(logs->Append(build.id, QueuedEvent(attempt)).status());
    logs->Close(build.id);
  }
  return queue->Requeue(build.id, attempt);
}

}  // namespace

absl::StatusOr<Recovered> RecoverBuilds(uint32_t max_attempts, BuildQueue* queue, EventLogs* logs) {
  Recovered recovered;
  ASSIGN_OR_RETURN(std::vector<BuildRow> running, queue->InState(v1::RUNNING));
  for (const BuildRow& build : running) {
    RETURN_IF_ERROR(RecoverRunning(build, max_attempts, queue, logs, &recovered.endings));
  }
  ASSIGN_OR_RETURN(recovered.starts, queue->NamespacesByLastStart());
  ASSIGN_OR_RETURN(std::vector<BuildRow> queued, queue->InState(v1::QUEUED));
  for (BuildRow& build : queued) {
    if (auto terminal = Hopeless(build, build.attempt, max_attempts)) {
      recovered.endings.push_back({build.id, build.created_ns, *std::move(terminal)});
    } else {
      recovered.queued.push_back(
          {std::move(build.id), std::move(build.name_space), build.priority, build.created_ns});
    }
  }
  Log(LogModule::kQueue)
      .Info("queue recovered",
            {{"queued", recovered.queued.size()}, {"interrupted", running.size()}});
  return recovered;
}

}  // namespace zlayer
