// CacheService (cache.proto) over the store and its garbage collector.
#ifndef ZLAYER_DAEMON_SERVICE_CACHE_SERVICE_H_
#define ZLAYER_DAEMON_SERVICE_CACHE_SERVICE_H_

#include <memory>
#include <stop_token>

#include "base/clock.h"
#include "registry/gc/collector.h"
#include "registry/store.h"
#include "zlayer/v1/cache.grpc.pb.h"

namespace zlayer {

// All outlive the service.
struct CacheServiceOptions {
  // Requested when what takes long is to end.
  std::stop_token stopping;
  Store* store = nullptr;
  Collector* collector = nullptr;
  const Clock* clock = nullptr;
};

std::unique_ptr<v1::CacheService::CallbackService> MakeCacheService(
    const CacheServiceOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_CACHE_SERVICE_H_
