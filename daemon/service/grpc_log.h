// What gRPC and the calls of the API have to say, in the daemon's log.
#ifndef ZLAYER_DAEMON_SERVICE_GRPC_LOG_H_
#define ZLAYER_DAEMON_SERVICE_GRPC_LOG_H_

#include <grpcpp/server_builder.h>

namespace zlayer {

// From now on the library's own messages go into the log. For the whole process.
void SendGrpcLogToOurs();

// Has every call of the server logged when it ends: method, status, seconds, never a request. Costs
// nothing where the log's level is above debug when this is called.
void LogCalls(grpc::ServerBuilder* builder);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_GRPC_LOG_H_
