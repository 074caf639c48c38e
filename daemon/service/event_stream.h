// Streams of a build's events: what is in its log, then what comes, until the terminal event.
#ifndef ZLAYER_DAEMON_SERVICE_EVENT_STREAM_H_
#define ZLAYER_DAEMON_SERVICE_EVENT_STREAM_H_

#include <absl/status/statusor.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <functional>
#include <string>

#include "daemon/events/event_log.h"
#include "daemon/service/call_host.h"

namespace zlayer {

struct WatchPosition {
  std::string build_id;
  uint64_t after = 0;  // events with a greater number are sent
  bool follow = true;  // else the stream ends after what is in the log
  // Called once the stream is subscribed to the log, before it looks at it; an error ends the call.
  std::function<absl::Status()> subscribed;
};

// Runs `start` on the pool to learn what to watch (an error of it ends the call), then sends. Where
// the build's log is removed meanwhile, what is open is sent to its end, else it is kNotFound. One
// event is in memory at a time, however slowly the client reads; an idle watcher costs no thread. A
// client that goes away ends its stream and nothing else. The result goes to gRPC; `logs` outlives
// the server.
grpc::ServerWriteReactor<v1::BuildEvent>* StreamEvents(
    const CallHost& host, EventLogs* logs, std::function<absl::StatusOr<WatchPosition>()> start);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_EVENT_STREAM_H_
