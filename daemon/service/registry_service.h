// RegistryService (registry.proto): pull, push, copy, indexes.
#ifndef ZLAYER_DAEMON_SERVICE_REGISTRY_SERVICE_H_
#define ZLAYER_DAEMON_SERVICE_REGISTRY_SERVICE_H_

#include <memory>

#include "daemon/service/call_host.h"
#include "registry/client/registry_client.h"
#include "registry/store.h"
#include "registry/transfer/puller.h"
#include "registry/transfer/pusher.h"
#include "zlayer/v1/registry.grpc.pb.h"

namespace zlayer {

// All outlive the service.
struct RegistryServiceOptions {
  CallHost host;
  Store* store = nullptr;
  RegistryClient* client = nullptr;
  Puller* puller = nullptr;
  Pusher* pusher = nullptr;
};

std::unique_ptr<v1::RegistryService::CallbackService> MakeRegistryService(
    const RegistryServiceOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_REGISTRY_SERVICE_H_
