#include "registry/gc/collector.h"

#include <sys/resource.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "base/errors.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr Log kLog(LogModule::kStore);
constexpr std::chrono::seconds kDiskLook(10);
constexpr int kNice = 10;

class StoreCollector : public Collector {
 public:
  StoreCollector(const CollectorOptions& options, Store* store, const Clock* clock)
      : options_(options), store_(*store), clock_(*clock) {}

  absl::Status Start() {
    RETURN_IF_ERROR(store_.database().Read([this](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Statement last, connection.Prepare("SELECT seq FROM sqlite_sequence "
                                                          "WHERE name = 'tree_numbers'"));
      ASSIGN_OR_RETURN(const bool any, last.Step());
      old_trees_ = any ? last.Int(0) : 0;
      return absl::OkStatus();
    }));
    if (options_.automatic) {
      thread_ = std::jthread([this](std::stop_token stop) { Work(stop); });
    }
    return absl::OkStatus();
  }

  absl::StatusOr<SweepResult> Prune(const GcPolicy& policy, bool dry_run,
                                    std::stop_token stop) override {
    SweepOptions sweep;
    sweep.policies = {policy};
    sweep.dry_run = dry_run;
    return Run(std::move(sweep), std::move(stop));
  }

 private:
  absl::StatusOr<SweepResult> Run(SweepOptions sweep, std::stop_token stop) {
    {
      MutexLock lock(&mutex_);
      if (!changed_.Wait(&mutex_, stop,
                         [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !sweeping_; })) {
        return Cancelled("the wait for another garbage collection was stopped");
      }
      sweeping_ = true;
    }
    absl::StatusOr<SweepResult> result = SweepNow(std::move(sweep), std::move(stop));
    {
      MutexLock lock(&mutex_);
      sweeping_ = false;
    }
    changed_.NotifyAll();
    return result;
  }

  absl::StatusOr<SweepResult> SweepNow(SweepOptions sweep, std::stop_token stop) {
    ASSIGN_OR_RETURN(const DiskSpace disk, options_.disk(store_.root()));
    sweep.free_bytes = disk.free;
    sweep.old_trees = old_trees_;
    return Sweep(store_, sweep, clock_.NowNs(), std::move(stop));
  }

  void Work(const std::stop_token& stop) {
    // Of this thread alone. Whether it works does not matter.
    (void)setpriority(PRIO_PROCESS, 0, kNice);
    std::vector<DiskShare> min_free;
    for (const AutomaticPolicy& policy : options_.policies) {
      min_free.push_back(policy.min_free);
    }
    SweepSchedule schedule(options_.interval, std::move(min_free), MonotonicNs());
    while (Sleep(stop)) {
      const absl::StatusOr<DiskSpace> disk = options_.disk(store_.root());
      if (disk.ok() && schedule.IsDue(MonotonicNs(), *disk, [this] { return Count(); })) {
        const std::optional<SweepSchedule::Counts> left = SweepByPolicies(*disk, stop);
        schedule.Ended(MonotonicNs(), left);
      }
    }
  }

  // False once a stop is requested.
  bool Sleep(const std::stop_token& stop) {
    MutexLock lock(&mutex_);
    sleep_.WaitFor(&mutex_, std::min<std::chrono::nanoseconds>(kDiskLook, options_.interval), stop,
                   [] { return false; });
    return !stop.stop_requested();
  }

  SweepSchedule::Counts Count() {
    const absl::StatusOr<StoreStatistics> now = store_.Statistics();
    return now.ok() ? SweepSchedule::Counts(now->images, now->layers, now->records)
                    : SweepSchedule::Counts();
  }

  // What is left, unless more may be there: what comes during a sweep is not in these counts, so
  // it is noticed.
  std::optional<SweepSchedule::Counts> SweepByPolicies(const DiskSpace& disk,
                                                       const std::stop_token& stop) {
    SweepOptions sweep;
    sweep.nameless_ns = options_.nameless_images.count();
    for (const AutomaticPolicy& policy : options_.policies) {
      sweep.policies.push_back({policy.filter,
                                {.keep_ns = policy.keep_duration.count(),
                                 .reserved_bytes = policy.reserved.Of(disk),
                                 .max_used_bytes = policy.max_used.Of(disk),
                                 .min_free_bytes = policy.min_free.Of(disk)}});
    }
    const int64_t begin = MonotonicNs();
    // What work under way uses stays, and its end need not change the counts.
    const bool complete = store_.uses().Oldest() > store_.uses().Now();
    const auto [images, layers, records] = Count();
    absl::StatusOr<SweepResult> result = Run(std::move(sweep), stop);
    if (!result.ok()) {
      if (!stop.stop_requested()) {
        kLog.Warn("garbage collection failed", {{"error", result.status()}});
      }
      return std::nullopt;
    }
    uint64_t objects = 0;
    for (const auto& [type, removed] : result->removed) {
      objects += removed.objects;
    }
    if (objects > 0) {
      kLog.Info("garbage collected", {{"objects", objects},
                                      {"freed_bytes", result->freed_bytes},
                                      {"cache_bytes", result->cache_bytes},
                                      {"ms", (MonotonicNs() - begin) / 1'000'000}});
    }
    if (!complete) {
      return std::nullopt;
    }
    return SweepSchedule::Counts(images - result->removed["image"].objects,
                                 layers - result->removed["layer"].objects,
                                 records - result->removed["record"].objects);
  }

  const CollectorOptions options_;
  Store& store_;
  const Clock& clock_;
  int64_t old_trees_ = 0;

  Mutex mutex_;
  CondVar changed_;
  CondVar sleep_;
  bool sweeping_ ABSL_GUARDED_BY(mutex_) = false;

  std::jthread thread_;  // last: ends before what it uses
};

}  // namespace

absl::StatusOr<DiskSpace> SpaceOfDisk(const std::string& path) {
  struct statvfs disk;
  if (statvfs(path.c_str(), &disk) != 0) {
    return ErrnoError(path);
  }
  return DiskSpace{uint64_t{disk.f_blocks} * disk.f_frsize,
                   uint64_t{disk.f_bavail} * disk.f_frsize};
}

absl::StatusOr<std::unique_ptr<Collector>> StartCollector(const CollectorOptions& options,
                                                          Store* store, const Clock* clock) {
  auto collector = std::make_unique<StoreCollector>(options, store, clock);
  RETURN_IF_ERROR(collector->Start());
  return std::unique_ptr<Collector>(std::move(collector));
}

}  // namespace zlayer
