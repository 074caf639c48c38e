#include "daemon/queue/history.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

// Few enough that nobody waits for a step: one transaction, and as many files.
constexpr size_t kStep = 100;
constexpr std::chrono::milliseconds kBetweenSteps{20};
constexpr std::chrono::minutes kBetweenSweeps{1};
constexpr int kSweepsBetweenOrphans = 60;

// Returns once `stop` is requested, or after `duration`.
void Pause(std::chrono::nanoseconds duration, const std::stop_token& stop) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(&mutex);
  never.WaitFor(&mutex, duration, stop, [] { return false; });
}

// Calls `work` with the ids, a few at a time.
template <typename Work>
absl::Status InSteps(const std::vector<std::string>& ids, const std::stop_token& stop, Work work) {
  for (size_t begin = 0; begin < ids.size() && !stop.stop_requested(); begin += kStep) {
    if (begin > 0) {
      Pause(kBetweenSteps, stop);
    }
    auto first = ids.begin() + static_cast<std::ptrdiff_t>(begin);
    auto last = ids.begin() + static_cast<std::ptrdiff_t>(std::min(begin + kStep, ids.size()));
    RETURN_IF_ERROR(work(std::vector<std::string>(first, last)));
  }
  return absl::OkStatus();
}

std::vector<std::string> WithoutWatched(std::vector<std::string> ids, EventLogs* logs) {
  std::vector<std::string> watched = logs->Watched();
  const std::set<std::string> keep(watched.begin(), watched.end());
  std::erase_if(ids, [&keep](const std::string& id) { return keep.contains(id); });
  return ids;
}

// Of those ids that are no builds (any more). Somebody who began to watch before the row went
// still reads the log; whoever begins after that finds no row. So this looks for watchers last.
absl::Status RemoveLogs(std::vector<std::string> ids, const HistoryParts& parts) {
  ASSIGN_OR_RETURN(std::set<std::string> known, parts.queue->Known(ids));
  std::erase_if(ids, [&known](const std::string& id) { return known.contains(id); });
  for (const std::string& id : WithoutWatched(std::move(ids), parts.logs)) {
    RETURN_IF_ERROR(parts.logs->Remove(id));
  }
  return absl::OkStatus();
}

class HistoryThread : public History {
 public:
  HistoryThread(const HistoryOptions& options, const HistoryParts& parts) {
    thread_ = std::jthread([options, parts](std::stop_token stop) { Run(options, parts, stop); });
  }

 private:
  static void Run(const HistoryOptions& options, const HistoryParts& parts,
                  const std::stop_token& stop) {
    for (int sweep = 0; !stop.stop_requested(); ++sweep) {
      if (sweep % kSweepsBetweenOrphans == 0) {
        Report(RemoveOrphans(parts, stop));
      }
      Report(SweepHistory(options, parts, stop));
      Pause(kBetweenSweeps, stop);
    }
  }

  static void Report(const absl::Status& status) {
    if (!status.ok()) {
      Log(LogModule::kQueue)
          .Warn("old builds cannot be removed for now", {{"error", status}});
    }
  }

  std::jthread thread_;
};

}  // namespace

absl::Status SweepHistory(const HistoryOptions& options, const HistoryParts& parts,
                          std::stop_token stop) {
  const int64_t oldest = options.max_age.count() > 0
                             ? parts.clock->NowNs() - options.max_age.count()
                             : std::numeric_limits<int64_t>::min();
  const uint64_t keep =
      options.max_builds > 0 ? options.max_builds : std::numeric_limits<uint64_t>::max();
  if (parts.sweep_pipelines) {
    RETURN_IF_ERROR(parts.sweep_pipelines(oldest, keep));
  }
  ASSIGN_OR_RETURN(std::vector<std::string> expired, parts.queue->Expired(oldest, keep));
  return InSteps(expired, stop, [&parts](std::vector<std::string> ids) -> absl::Status {
    ids = WithoutWatched(std::move(ids), parts.logs);
    RETURN_IF_ERROR(parts.queue->RemoveEnded(ids));
    return RemoveLogs(std::move(ids), parts);
  });
}

absl::Status RemoveOrphans(const HistoryParts& parts, std::stop_token stop) {
  ASSIGN_OR_RETURN(std::vector<std::string> ids, parts.logs->Ids());
  return InSteps(ids, stop, [&parts](std::vector<std::string> step) {
    return RemoveLogs(std::move(step), parts);
  });
}

std::unique_ptr<History> KeepHistory(const HistoryOptions& options, const HistoryParts& parts) {
  return std::make_unique<HistoryThread>(options, parts);
}

}  // namespace zlayer
