// BuildService (build.proto) over the queue, the scheduler, the event logs and the store.
#ifndef ZLAYER_DAEMON_SERVICE_BUILD_SERVICE_H_
#define ZLAYER_DAEMON_SERVICE_BUILD_SERVICE_H_

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "daemon/build/plan.h"
#include "daemon/events/event_log.h"
#include "daemon/queue/build_queue.h"
#include "daemon/queue/scheduler.h"
#include "daemon/service/call_host.h"
#include "daemon/service/context_upload.h"
#include "daemon/trace/build_traces.h"
#include "registry/store.h"
#include "zlayer/v1/build.grpc.pb.h"

namespace zlayer {

// All outlive the service.
struct BuildServiceOptions {
  CallHost host;
  BuildQueue* queue = nullptr;
  EventLogs* logs = nullptr;
  Scheduler* scheduler = nullptr;
  BuildTraces* traces = nullptr;
  ContextUploadOptions uploads;  // its store is where contexts of builds are looked up, too
  // What a submission would run (daemon/build/build_file.h).
  std::function<absl::StatusOr<PlannedBuild>(const std::string& name_space,
                                             const v1::BuildSpec& spec, std::stop_token stop)>
      plan;
  // What the checks of its build file find.
  std::function<absl::StatusOr<v1::CheckBuildResponse>(
      const std::string& name_space, const v1::BuildSpec& spec, std::stop_token stop)>
      check;
};

std::unique_ptr<v1::BuildService::CallbackService> MakeBuildService(
    const BuildServiceOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_BUILD_SERVICE_H_
