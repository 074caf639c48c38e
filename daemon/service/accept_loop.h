// Takes connections from sockets that somebody else made: gRPC listens on its own only.
#ifndef ZLAYER_DAEMON_SERVICE_ACCEPT_LOOP_H_
#define ZLAYER_DAEMON_SERVICE_ACCEPT_LOOP_H_

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <vector>

#include "base/service_manager.h"
#include "base/unique_fd.h"

namespace zlayer {

class AcceptLoop {
 public:
  // Called on the loop's thread with a connection, non-blocking and close-on-exec.
  using Take = std::function<void(UniqueFd connection)>;

  // kInvalidArgument, naming the socket, where one is not a listening unix stream socket. While the
  // process has no descriptor left, connections wait in the kernel.
  static absl::StatusOr<std::unique_ptr<AcceptLoop>> Start(std::vector<PassedSocket> sockets,
                                                           Take take);

  // Returns when no `take` runs any more. The sockets are closed and their paths stay: whoever made
  // them still listens, and what was not accepted waits there.
  virtual ~AcceptLoop() = default;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_ACCEPT_LOOP_H_
