// The garbage collector: a thread that sweeps from time to time, and sweeps that users ask for.
#ifndef ZLAYER_REGISTRY_GC_COLLECTOR_H_
#define ZLAYER_REGISTRY_GC_COLLECTOR_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "registry/gc/cache_entries.h"
#include "registry/gc/sweep.h"
#include "registry/gc/sweep_schedule.h"
#include "registry/store.h"

namespace zlayer {

// As GcPolicy, before the disk is known.
struct AutomaticPolicy {
  CacheFilter filter;
  std::chrono::nanoseconds keep_duration{0};
  DiskShare reserved;
  DiskShare max_used;
  DiskShare min_free;
};

// Of the disk on which `path` lies.
absl::StatusOr<DiskSpace> SpaceOfDisk(const std::string& path);

struct CollectorOptions {
  // Without: only what users ask for.
  bool automatic = true;
  // Between two looks for something to do (see SweepSchedule).
  std::chrono::nanoseconds interval = std::chrono::minutes(5);
  std::chrono::nanoseconds nameless_images{0};  // see SweepOptions
  std::vector<AutomaticPolicy> policies;
  // Another one is for tests.
  std::function<absl::StatusOr<DiskSpace>(const std::string& path)> disk = &SpaceOfDisk;
};

// Thread-safe. Destruction stops a sweep that runs.
class Collector {
 public:
  virtual ~Collector() = default;
  // One sweep with this policy; waits for another one to end. kCancelled once `stop` is requested.
  virtual absl::StatusOr<SweepResult> Prune(const GcPolicy& policy, bool dry_run,
                                            std::stop_token stop) = 0;
};

// Before anything makes layers in `store`. Both pointers outlive the collector.
absl::StatusOr<std::unique_ptr<Collector>> StartCollector(const CollectorOptions& options,
                                                          Store* store, const Clock* clock);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_GC_COLLECTOR_H_
