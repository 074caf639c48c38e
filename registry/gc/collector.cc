#include "registry/gc/collector.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <thread>
#include <tuple>
#include <utility>

#include "base/errors.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr Log kLog(LogModule::kStore);
constexpr std::chrono::minutes kFirst(1);  // after the start, which has enough to do
constexpr std::chrono::seconds kDiskLook(10);
constexpr std::chrono::minutes kFullDiskPause(1);  // where sweeping did not help
constexpr std::chrono::hours kAnyway(1);
constexpr int kNice = 10;

struct Disk {
  uint64_t total = 0;
  uint64_t free = 0;
};

absl::StatusOr<Disk> LookAtDisk(const std::string& root) {
  struct statvfs disk;
  if (statvfs(root.c_str(), &disk) != 0) {
    return ErrnoError(root);
  }
  return Disk{uint64_t{disk.f_blocks} * disk.f_frsize, uint64_t{disk.f_bavail} * disk.f_frsize};
}

uint64_t Bytes(const DiskShare& share, uint64_t total) {
  return share.percent == 0 ? share.bytes : total / 100 * share.percent;
}

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
  // What changes when there may be garbage.
  using Counts = std::tuple<uint64_t, uint64_t, uint64_t>;

  absl::StatusOr<SweepResult> Run(SweepOptions sweep, std::stop_token stop) {
    {
      MutexLock lock(&mutex_);
      if (!changed_.Wait(&mutex_, stop,
                         [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !sweeping_; })) {
        return Cancelled("the wait for another garbage collection was stopped");
      }
      sweeping_ = true;
    }
    sweep.old_trees = old_trees_;
    absl::StatusOr<SweepResult> result = Sweep(store_, sweep, clock_.NowNs(), std::move(stop));
    malloc_trim(0);  // the model was large
    {
      MutexLock lock(&mutex_);
      sweeping_ = false;
    }
    changed_.NotifyAll();
    return result;
  }

  void Work(const std::stop_token& stop) {
    // Of this thread alone. Whether it works does not matter.
    (void)setpriority(PRIO_PROCESS, 0, kNice);
    int64_t next_ns = MonotonicNs() + std::chrono::nanoseconds(kFirst).count();
    while (Sleep(stop)) {
      const int64_t now = MonotonicNs();
      const absl::StatusOr<Disk> disk = LookAtDisk(store_.root());
      const bool full = disk.ok() && IsFull(*disk) && now - last_sweep_ns_ > Ns(kFullDiskPause);
      if (!disk.ok() || (now < next_ns && !full)) {
        continue;
      }
      next_ns = now + options_.interval.count();
      const Counts counts = Count();
      if (full || counts != counts_ || now - last_sweep_ns_ > Ns(kAnyway)) {
        SweepByPolicies(*disk, stop);
        last_sweep_ns_ = MonotonicNs();
        counts_ = Count();
      }
    }
  }

  static int64_t Ns(std::chrono::nanoseconds duration) { return duration.count(); }

  // False once a stop is requested.
  bool Sleep(const std::stop_token& stop) {
    MutexLock lock(&mutex_);
    sleep_.WaitFor(&mutex_, std::min<std::chrono::nanoseconds>(kDiskLook, options_.interval), stop,
                   [] { return false; });
    return !stop.stop_requested();
  }

  bool IsFull(const Disk& disk) const {
    return std::any_of(options_.policies.begin(), options_.policies.end(),
                       [&](const AutomaticPolicy& policy) {
                         return disk.free < Bytes(policy.min_free, disk.total);
                       });
  }

  Counts Count() {
    const absl::StatusOr<StoreStatistics> now = store_.Statistics();
    return now.ok() ? Counts(now->images, now->layers, now->records) : Counts();
  }

  void SweepByPolicies(const Disk& disk, const std::stop_token& stop) {
    SweepOptions sweep;
    sweep.nameless_ns = options_.nameless_images.count();
    for (const AutomaticPolicy& policy : options_.policies) {
      sweep.policies.push_back({policy.filter,
                                {.keep_ns = policy.keep_duration.count(),
                                 .reserved_bytes = Bytes(policy.reserved, disk.total),
                                 .max_used_bytes = Bytes(policy.max_used, disk.total),
                                 .min_free_bytes = Bytes(policy.min_free, disk.total)}});
    }
    const int64_t begin = MonotonicNs();
    const absl::StatusOr<SweepResult> result = Run(std::move(sweep), stop);
    if (!result.ok()) {
      if (!stop.stop_requested()) {
        kLog.Warn("garbage collection failed", {{"error", result.status()}});
      }
      return;
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
  }

  const CollectorOptions options_;
  Store& store_;
  const Clock& clock_;
  int64_t old_trees_ = 0;

  // Of thread_ alone.
  int64_t last_sweep_ns_ = 0;
  Counts counts_;

  Mutex mutex_;
  CondVar changed_;
  CondVar sleep_;
  bool sweeping_ ABSL_GUARDED_BY(mutex_) = false;

  std::jthread thread_;  // last: ends before what it uses
};

}  // namespace

absl::StatusOr<std::unique_ptr<Collector>> StartCollector(const CollectorOptions& options,
                                                          Store* store, const Clock* clock) {
  auto collector = std::make_unique<StoreCollector>(options, store, clock);
  RETURN_IF_ERROR(collector->Start());
  return std::unique_ptr<Collector>(std::move(collector));
}

}  // namespace zlayer
