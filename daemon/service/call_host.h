// What every call of the API shares: the threads that do its work and the signal that it is to end.
//
// Reactions of gRPC's callback API run on a few threads that all calls need, so nothing here does
// work on them: unary_call.h, event_stream.h, upload_stream.h and download_stream.h hand it to a
// pool and come back to gRPC with the result.
#ifndef ZLAYER_DAEMON_SERVICE_CALL_HOST_H_
#define ZLAYER_DAEMON_SERVICE_CALL_HOST_H_

#include <chrono>
#include <cstdint>
#include <stop_token>

#include "base/thread_pool.h"

namespace zlayer {

struct CallHost {
  // Not owned; both outlive the server.
  ThreadPool* quick = nullptr;      // rows and log records: milliseconds
  ThreadPool* transfers = nullptr;  // archives and contexts: as long as they take
  // Requested when open streams are to end with kUnavailable, so that the server can stop.
  std::stop_token stopping;
  // A transfer in which nothing moves for so long ends with kDeadlineExceeded.
  std::chrono::nanoseconds idle_limit = std::chrono::seconds(60);
  // Of one upload: enough for 64 GiB in pieces of 4 KiB.
  uint64_t max_messages = uint64_t{1} << 24;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_CALL_HOST_H_
