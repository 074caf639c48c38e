// The logic of a call in which a client sends a stream of messages, without gRPC.
#ifndef ZLAYER_DAEMON_SERVICE_UPLOAD_HANDLER_H_
#define ZLAYER_DAEMON_SERVICE_UPLOAD_HANDLER_H_

#include <absl/status/status.h>

#include <stop_token>
#include <vector>

namespace zlayer {

// Called from one thread at a time, and not again once it returned an error or is Done. What was
// not completed goes with the object and leaves nothing behind.
template <typename Request, typename Response>
class UploadHandler {
 public:
  virtual ~UploadHandler() = default;
  // The next message, which the handler may take apart. `replies` are sent in order. `stop` is
  // requested when the client is gone.
  virtual absl::Status Receive(Request& message, std::vector<Response>* replies,
                               std::stop_token stop) = 0;
  // The client sent its last message.
  virtual absl::Status End(std::vector<Response>* replies, std::stop_token stop) = 0;
  // Whether all is received that this needs: the call ends well once the replies are sent.
  virtual bool Done() const = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_UPLOAD_HANDLER_H_
