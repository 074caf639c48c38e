// One garbage collection: what is to go by policies, and then all that nothing holds any more.
#ifndef ZLAYER_REGISTRY_GC_SWEEP_H_
#define ZLAYER_REGISTRY_GC_SWEEP_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "registry/gc/cache_entries.h"
#include "registry/gc/ledger.h"
#include "registry/store.h"

namespace zlayer {

struct GcPolicy {
  CacheFilter filter;
  LedgerPolicy limits;
};

struct SweepOptions {
  std::vector<GcPolicy> policies;  // in order; 32 at most
  // Images without a name go once they have had none for so long; 0: never.
  int64_t nameless_ns = 0;
  bool dry_run = false;
  uint64_t free_bytes = INT64_MAX;  // on the disk
  // Numbers of trees up to this one were given out before this process.
  int64_t old_trees = 0;
};

struct SweepResult {
  struct Removed {
    uint64_t objects = 0;
    uint64_t bytes = 0;  // allocated on the disk; of records 0: their layers are counted
  };
  // By "record", "cache-mount", "fetched", "image", "layer", "pack", "blob".
  std::map<std::string, Removed> removed;
  uint64_t freed_bytes = 0;
  uint64_t cache_bytes = 0;  // of what is left, by what the rows say
};

// Children go before what they stand on: records, cache mounts, fetched sources and images without
// a name, then layers, then packs, then blobs. What goes loses its row in a transaction of its own,
// which checks again that nobody came to use it; then its files are moved to tmp/, and unlinked at
// the end. So a kill at any point leaves a whole store, and what is left over is found by the next
// sweep, or with tmp/ at the next start.
//
// Memory grows with the numbers of records, layers and packs. Writers wait for single transactions
// of some milliseconds, readers for nothing. kCancelled once `stop` is requested.
absl::StatusOr<SweepResult> Sweep(Store& store, const SweepOptions& options, int64_t now_ns,
                                  std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_GC_SWEEP_H_
