// The gRPC server: where it listens, and how it stops.
#ifndef ZLAYER_DAEMON_SERVICE_SERVER_H_
#define ZLAYER_DAEMON_SERVICE_SERVER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/service_manager.h"

namespace grpc {
class Service;
}

namespace zlayer {

// Thread-safe.
class ApiServer {
 public:
  virtual ~ApiServer() = default;  // as Shutdown with no time left
  // What the standard health service answers; it begins with SERVING.
  virtual void SetServing(bool serving) = 0;
  // Takes no more calls; those under way have `grace` to end, then are canceled. Returns when none
  // is left, and a socket that the server made is removed. Open streams should have been told to
  // end before.
  virtual void Shutdown(std::chrono::nanoseconds grace) = 0;
};

// Whether StartServer could serve on `address` as far as can be told now, with its errors. Makes
// nothing but the socket's directory.
absl::Status CheckAddress(const std::string& address);

// Serves `services`, which must outlive the server, and gRPC's standard services for health and
// reflection, on `address`:
// "unix:///path" (or "unix:path"). The socket's directory is made where it is missing, a socket
// that no process listens on is replaced, and the new one has mode 0660. kFailedPrecondition where
// another process serves there; kInvalidArgument for another kind of address.
absl::StatusOr<std::unique_ptr<ApiServer>> StartServer(const std::string& address,
                                                       const std::vector<grpc::Service*>& services);

// The same on unix sockets that a service manager made and listens on. Their paths stay when the
// server ends, and a connection that it did not take by then waits for the next daemon.
// kInvalidArgument where one is of another kind.
absl::StatusOr<std::unique_ptr<ApiServer>> StartServerOn(
    std::vector<PassedSocket> sockets, const std::vector<grpc::Service*>& services);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_SERVER_H_
