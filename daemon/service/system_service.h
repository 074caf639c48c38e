// SystemService (system.proto).
#ifndef ZLAYER_DAEMON_SERVICE_SYSTEM_SERVICE_H_
#define ZLAYER_DAEMON_SERVICE_SYSTEM_SERVICE_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <vector>

#include "backends/api/backend.h"
#include "base/thread_pool.h"
#include "daemon/queue/build_queue.h"
#include "registry/store.h"
#include "zlayer/v1/system.grpc.pb.h"

namespace zlayer {

// All outlive the service.
struct SystemServiceOptions {
  ThreadPool* pool = nullptr;
  // Requested when what takes long is to end.
  std::stop_token stopping;
  Store* store = nullptr;
  BuildQueue* queue = nullptr;
  std::vector<const Backend*> backends;
  uint32_t max_running = 0;
  std::stop_token draining;  // requested when the daemon begins to shut down
};

std::unique_ptr<v1::SystemService::CallbackService> MakeSystemService(
    const SystemServiceOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_SYSTEM_SERVICE_H_
