// The configuration of registries, as their client takes it.
#ifndef ZLAYER_DAEMON_CONFIG_REGISTRIES_H_
#define ZLAYER_DAEMON_CONFIG_REGISTRIES_H_

#include <absl/status/statusor.h>

#include "daemon/config/config.h"
#include "registry/client/registry_client.h"

namespace zlayer {

// Reads the passwords. kInvalidArgument: an entry has no name of a registry, or one has two;
// else the file that cannot be read.
absl::StatusOr<RegistryClientOptions> RegistryOptionsOf(const Config& config);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_CONFIG_REGISTRIES_H_
