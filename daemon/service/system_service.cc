#include "daemon/service/system_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "base/version.h"
#include "daemon/frontend/template/template_messages.h"
#include "daemon/service/unary_call.h"
#include "registry/image/platform.h"
#include "registry/usage/disk_usage.h"

namespace zlayer {
namespace {

constexpr size_t kDefaultItems = 100;
constexpr size_t kMostItems = 1000;

class DaemonSystemService : public v1::SystemService::CallbackService {
 public:
  explicit DaemonSystemService(const SystemServiceOptions& options) : options_(options) {}

  grpc::ServerUnaryReactor* Info(grpc::CallbackServerContext*, const v1::InfoRequest* request,
                                 v1::SystemInfo* response) override {
    return RunUnary<v1::InfoRequest, v1::SystemInfo>(
        options_.pool, request, response,
        [this](const v1::InfoRequest&, std::stop_token) { return Describe(); });
  }

  grpc::ServerUnaryReactor* DiskUsage(grpc::CallbackServerContext*,
                                      const v1::DiskUsageRequest* request,
                                      v1::DiskUsageResponse* response) override {
    return RunUnary<v1::DiskUsageRequest, v1::DiskUsageResponse>(
        &measuring_, request, response,
        [this](const v1::DiskUsageRequest& usage, std::stop_token stop) {
          return Measure(usage, std::move(stop));
        });
  }

  grpc::ServerUnaryReactor* ListRuntimes(grpc::CallbackServerContext*,
                                         const v1::ListRuntimesRequest* request,
                                         v1::ListRuntimesResponse* response) override {
    return RunUnary<v1::ListRuntimesRequest, v1::ListRuntimesResponse>(
        options_.pool, request, response,
        [](const v1::ListRuntimesRequest&, std::stop_token) { return ListTemplates(); });
  }

 private:
  absl::StatusOr<v1::DiskUsageResponse> Measure(const v1::DiskUsageRequest& request,
                                                std::stop_token canceled) {
    std::stop_source stop;
    std::stop_callback on_cancel(canceled, [&stop] { stop.request_stop(); });
    std::stop_callback on_stopping(options_.stopping, [&stop] { stop.request_stop(); });
    size_t max_items = 0;
    if (request.items()) {
      max_items = request.max_items() == 0 ? kDefaultItems
                                           : std::min<size_t>(request.max_items(), kMostItems);
    }
    ASSIGN_OR_RETURN(zlayer::DiskUsage usage,
                     MeasureDiskUsage(options_.store->root(), &options_.store->database(),
                                      max_items, stop.get_token()));
    v1::DiskUsageResponse response;
    response.set_total_bytes(usage.total_bytes);
    for (const UsageCategory& category : usage.categories) {
      v1::DiskUsageCategory& message = *response.add_categories();
      message.set_name(category.name);
      message.set_objects(category.objects);
      message.set_bytes(category.bytes);
    }
    for (const UsageItem& item : usage.items) {
      v1::DiskUsageItem& message = *response.add_items();
      message.set_category(item.category);
      message.set_kind(item.kind);
      message.set_name(item.name);
      message.set_bytes(item.bytes);
      message.mutable_held_by()->Assign(item.held_by.begin(), item.held_by.end());
    }
    response.set_disk_free_bytes(usage.disk_free_bytes);
    response.set_disk_total_bytes(usage.disk_total_bytes);
    return response;
  }

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
  // For what reads the whole disk: one at a time, in nobody's way.
  ThreadPool measuring_{1};
};

}  // namespace

std::unique_ptr<v1::SystemService::CallbackService> MakeSystemService(
    const SystemServiceOptions& options) {
  return std::make_unique<DaemonSystemService>(options);
}

}  // namespace zlayer
