// The native backend: layers from indexes, RUN in the executor, everything in the daemon's own
// store.
#ifndef ZLAYER_BACKENDS_NATIVE_NATIVE_BACKEND_H_
#define ZLAYER_BACKENDS_NATIVE_NATIVE_BACKEND_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "backends/api/backend.h"
#include "backends/native/exec/executor.h"
#include "backends/native/net/remote_sources.h"
#include "backends/native/solver/emulation.h"
#include "base/clock.h"
#include "registry/store.h"

namespace zlayer {

struct NativeBackendOptions {
  Executor* executor = nullptr;
  Store* store = nullptr;
  RemoteSources* remote = nullptr;
  // Operations that run at once, over all builds; 0 is four times the number of processors,
  // at least 8: many of them wait, for the network or the disk.
  uint32_t max_parallel = 0;
  // RUN with security "insecure" is carried out where the build grants it.
  bool allow_insecure = false;
  const Clock* clock = nullptr;
  // Before a RUN that failed is tried again (BuildJob.retries).
  std::chrono::nanoseconds retry_pause = std::chrono::seconds(3);
  std::string binfmt_directory = kBinfmtDirectory;
};

// What the options point to must outlive the backend.
std::unique_ptr<Backend> MakeNativeBackend(const NativeBackendOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_NATIVE_BACKEND_H_
