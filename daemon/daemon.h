// The daemon, put together: store, backends, queue, services, server.
#ifndef ZLAYER_DAEMON_DAEMON_H_
#define ZLAYER_DAEMON_DAEMON_H_

#include <absl/status/statusor.h>

#include <memory>
#include <stop_token>
#include <vector>

#include "backends/native/exec/executor.h"
#include "base/service_manager.h"
#include "daemon/config/config.h"

namespace zlayer {

// Thread-safe.
class Daemon {
 public:
  // Opens the root, recovers what an earlier daemon left, and serves. `executor` must outlive the
  // daemon; it was started before any thread. Where there are `sockets`, it serves on those and not
  // on the configured address.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(const Config& config, Executor* executor,
                                                       std::vector<PassedSocket> sockets);

  virtual ~Daemon() = default;  // as Drain with no time left

  // Takes no more builds, lets those that run end within the configured time (less once `hurry` is
  // requested), then ends all calls. What has not ended goes on with the next start.
  virtual void Drain(std::stop_token hurry) = 0;

  // Returns OK once a task has passed through the threads that answer calls and an empty
  // transaction through the database's writer: proof that requests can be answered. kCancelled
  // after `stop`.
  virtual absl::Status CheckAlive(std::stop_token stop) = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_DAEMON_H_
