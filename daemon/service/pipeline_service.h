// PipelineService (pipeline.proto) over the store and the runner of pipelines.
#ifndef ZLAYER_DAEMON_SERVICE_PIPELINE_SERVICE_H_
#define ZLAYER_DAEMON_SERVICE_PIPELINE_SERVICE_H_

#include <memory>

#include "daemon/pipeline/pipeline_runner.h"
#include "daemon/pipeline/pipeline_store.h"
#include "daemon/service/call_host.h"
#include "registry/context_store.h"
#include "zlayer/v1/pipeline.grpc.pb.h"

namespace zlayer {

// All outlive the service.
struct PipelineServiceOptions {
  CallHost host;
  PipelineStore* store = nullptr;
  PipelineRunner* runner = nullptr;
  ContextStore* contexts = nullptr;
};

std::unique_ptr<v1::PipelineService::CallbackService> MakePipelineService(
    const PipelineServiceOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_PIPELINE_SERVICE_H_
