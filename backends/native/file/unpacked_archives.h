// What the archives hold that ADD unpacks. An archive is unpacked once, wherever its entries go, so
// that they are known before anything is made of them.
#ifndef ZLAYER_BACKENDS_NATIVE_FILE_UNPACKED_ARCHIVES_H_
#define ZLAYER_BACKENDS_NATIVE_FILE_UNPACKED_ARCHIVES_H_

#include <absl/status/statusor.h>

#include <stop_token>
#include <string>

#include "backends/native/file/layer_draft.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/thread_pool.h"
#include "registry/layer/single_flight.h"
#include "registry/store.h"

namespace zlayer {

// Thread-safe; one for all builds. What it is made with outlives it.
class UnpackedArchives {
 public:
  // Tasks of `pool` (may be null) that wait for others to unpack give up their place meanwhile.
  UnpackedArchives(Store* store, const Clock* clock, ThreadPool* pool)
      : store_(store), clock_(clock), flights_(pool) {}

  // For whom something is unpacked.
  struct Scope {
    std::string name_space;
    std::string build_id;
  };

  // The entries of an archive as a layer: what the namespace unpacked before, or else unpacked now,
  // which is then an entry of the cache. It is nothing but what the archive says, so builds without
  // the cache take it, too. Errors as ReadArchive.
  absl::StatusOr<LayerRef> Get(const Scope& scope, const ArchiveFile& archive,
                               std::stop_token stop);

 private:
  Store* const store_;
  const Clock* const clock_;
  SingleFlight<LayerRef> flights_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_FILE_UNPACKED_ARCHIVES_H_
