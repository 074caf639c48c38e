#include "daemon/service/system_service.h"

#include <string>

#include "base/status_macros.h"
#include "base/version.h"
#include "daemon/service/unary_call.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

class DaemonSystemService : public v1::SystemService::CallbackService {
 public:
  explicit DaemonSystemService(const SystemServiceOptions& options) : options_(options) {}

  grpc::ServerUnaryReactor* Info(grpc::CallbackServerContext*, const v1::InfoRequest* request,
                                 v1::SystemInfo* response) override {
    return RunUnary<v1::InfoRequest, v1::SystemInfo>(
        options_.pool, request, response,
        [this](const v1::InfoRequest&, std::stop_token) { return Describe(); });
  }

 private:
  absl::StatusOr<v1::SystemInfo> Describe() {
    v1::SystemInfo info;
    info.set_version(std::string(kVersion));
    info.set_root(options_.store->root());
    info.set_platform(FormatPlatform(HostPlatform()));
    info.set_default_network("host");
    for (const Backend* backend : options_.backends) {
      *info.add_backends() = backend->Info();
    }
    ASSIGN_OR_RETURN(StoreStatistics statistics, options_.store->Statistics());
    info.mutable_store()->set_images(statistics.images);
    info.mutable_store()->set_layers(statistics.layers);
    info.mutable_store()->set_cache_records(statistics.records);
    ASSIGN_OR_RETURN(QueueCounts counts, options_.queue->Counts());
    info.set_builds_running(static_cast<uint32_t>(counts.running));
    info.set_builds_queued(static_cast<uint32_t>(counts.queued));
    info.set_max_running(options_.max_running);
    info.set_draining(options_.draining.stop_requested());
    return info;
  }

  const SystemServiceOptions options_;
};

}  // namespace

std::unique_ptr<v1::SystemService::CallbackService> MakeSystemService(
    const SystemServiceOptions& options) {
  return std::make_unique<DaemonSystemService>(options);
}

}  // namespace zlayer
