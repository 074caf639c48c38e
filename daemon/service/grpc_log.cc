#include "daemon/service/grpc_log.h"

#include <absl/status/status.h>
#include <grpc/support/log.h>
#include <grpcpp/support/server_interceptor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"

namespace zlayer {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

constexpr Log kLog(LogModule::kService);

// What the library calls an error is often a client's way of leaving.
void LogMessage(gpr_log_func_args* message) {
  const LogLevel level = message->severity == GPR_LOG_SEVERITY_ERROR  ? LogLevel::kWarn
                         : message->severity == GPR_LOG_SEVERITY_INFO ? LogLevel::kDebug
                                                                      : LogLevel::kTrace;
  kLog.Write(level, "message of gRPC", {{"text", message->message}});
}

class CallLogger : public grpc::experimental::Interceptor {
 public:
  explicit CallLogger(ServerRpcInfo* info) : method_(info->method()), began_ns_(MonotonicNs()) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      const auto code = static_cast<absl::StatusCode>(status.error_code());
      kLog.Debug("call", {{"method", method_},
                          {"code", absl::StatusCodeToString(code)},
                          {"seconds", static_cast<double>(MonotonicNs() - began_ns_) / 1e9}});
    }
    methods->Proceed();
  }

 private:
  const std::string method_;
  const int64_t began_ns_;
};

class CallLoggerFactory : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    return new CallLogger(info);
  }
};

}  // namespace

void SendGrpcLogToOurs() { gpr_set_log_function(LogMessage); }

void LogCalls(grpc::ServerBuilder* builder) {
  if (!kLog.Enabled(LogLevel::kDebug)) {
    return;
  }
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<CallLoggerFactory>());
  builder->experimental().SetInterceptorCreators(std::move(factories));
}

}  // namespace zlayer
