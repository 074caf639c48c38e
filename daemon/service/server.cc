#include "daemon/service/server.h"

#include <fmt/format.h>
#include <grpc/grpc.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "daemon/service/accept_loop.h"
#include "daemon/service/grpc_log.h"

namespace zlayer {
namespace {

constexpr int kMaxMessageBytes = 4 << 20;
constexpr size_t kMaxBufferBytes = size_t{256} << 20;  // of all connections together
constexpr mode_t kSocketMode = 0660;
// Of reflection, the one service that takes a thread for as long as a call lasts.
constexpr int kReflectionThreads = 4;

absl::StatusOr<std::string> SocketPath(const std::string& address) {
  constexpr std::string_view kScheme = "unix:";
  if (!address.starts_with(kScheme)) {
    return InvalidArgument(
        fmt::format("address \"{}\" cannot be served: it must be unix:///path", address));
  }
  std::string path = address.substr(kScheme.size());
  if (path.starts_with("//")) {
    path.erase(0, 2);
  }
  if (path.empty() || path.size() >= sizeof(sockaddr_un{}.sun_path)) {
    return InvalidArgument(fmt::format(
        "address \"{}\" cannot be served: the path of a socket has 1 to 107 bytes", address));
  }
  return path;
}

// Whether a process listens there. A socket whose process died refuses connections.
bool IsServed(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0 ||
         errno == EAGAIN;
}

absl::Status CheckPath(const std::string& path, const std::string& address) {
  std::string directory = std::filesystem::path(path).parent_path();
  if (!directory.empty()) {
    RETURN_IF_ERROR(MakeDirectories(directory, geteuid() == 0 ? 0755 : 0700));
  }
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoError(path);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return FailedPrecondition(fmt::format("{} is in the way: it is not a socket", path));
  }
  if (IsServed(path)) {
    return FailedPrecondition(fmt::format("another process serves {} already", address));
  }
  return absl::OkStatus();
}

absl::Status PreparePath(const std::string& path, const std::string& address) {
  RETURN_IF_ERROR(CheckPath(path, address));
  return unlink(path.c_str()) == 0 || errno == ENOENT ? absl::OkStatus() : ErrnoError(path);
}

// The end of gRPC itself, which comes with the last object of its, may wait ten seconds for one of
// its pollers. The process ends without it.
void KeepLibrary() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc_init();
    SendGrpcLogToOurs();
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

// One queue with one thread that waits, where the defaults are one a processor.
void LimitReflection(grpc::ServerBuilder* builder, grpc::ResourceQuota* quota) {
  quota->SetMaxThreads(kReflectionThreads);
  builder->SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
}

class GrpcServer : public ApiServer {
 public:
  explicit GrpcServer(std::unique_ptr<grpc::Server> server) : server_(std::move(server)) {}

  // Call at most once, before the server is shared.
  absl::Status AcceptOn(std::vector<PassedSocket> sockets) {
    MutexLock lock(&mutex_);
    ASSIGN_OR_RETURN(accepting_, AcceptLoop::Start(std::move(sockets), [this](UniqueFd connection) {
                       grpc::AddInsecureChannelFromFd(server_.get(), connection.Release());
                     }));
    return absl::OkStatus();
  }

  ~GrpcServer() override { Shutdown(std::chrono::nanoseconds(0)); }

  void SetServing(bool serving) override {
    server_->GetHealthCheckService()->SetServingStatus(serving);
  }

  void Shutdown(std::chrono::nanoseconds grace) override {
    {
      // gRPC takes no connection once it shuts down.
      MutexLock lock(&mutex_);
      accepting_.reset();
    }
    auto limit = std::chrono::duration_cast<std::chrono::system_clock::duration>(grace);
    server_->Shutdown(std::chrono::system_clock::now() + limit);
    server_->Wait();
  }

 private:
  const std::unique_ptr<grpc::Server> server_;
  Mutex mutex_;
  std::unique_ptr<AcceptLoop> accepting_ ABSL_GUARDED_BY(mutex_);  // null where gRPC listens
};

void Configure(grpc::ServerBuilder* builder, const std::vector<grpc::Service*>& services) {
  KeepLibrary();
  grpc::ResourceQuota quota("zlayerd");
  quota.Resize(kMaxBufferBytes);
  LimitReflection(builder, &quota);
  LogCalls(builder);
  builder->SetResourceQuota(quota);
  builder->SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder->SetMaxSendMessageSize(kMaxMessageBytes);
  for (grpc::Service* service : services) {
    builder->RegisterService(service);
  }
}

}  // namespace

absl::Status CheckAddress(const std::string& address) {
  ASSIGN_OR_RETURN(std::string path, SocketPath(address));
  return CheckPath(path, address);
}

absl::StatusOr<std::unique_ptr<ApiServer>> StartServer(
    const std::string& address, const std::vector<grpc::Service*>& services) {
  ASSIGN_OR_RETURN(std::string path, SocketPath(address));
  RETURN_IF_ERROR(PreparePath(path, address));
  grpc::ServerBuilder builder;
  Configure(&builder, services);
  int port = 0;
  builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials(), &port);
  // Nobody else may connect between bind and chmod.
  mode_t mask = umask(0777 & ~kSocketMode);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  umask(mask);
  if (server == nullptr || port == 0) {
    return Unavailable(fmt::format("{} cannot be served; see the messages above", address));
  }
  if (chmod(path.c_str(), kSocketMode) != 0) {
    return ErrnoError(path);
  }
  return std::make_unique<GrpcServer>(std::move(server));
}

absl::StatusOr<std::unique_ptr<ApiServer>> StartServerOn(
    std::vector<PassedSocket> sockets, const std::vector<grpc::Service*>& services) {
  grpc::ServerBuilder builder;
  Configure(&builder, services);
  std::unique_ptr<grpc::Server> started = builder.BuildAndStart();
  if (started == nullptr) {
    return Unavailable(
        "the sockets of the service manager cannot be served; see the messages above");
  }
  auto server = std::make_unique<GrpcServer>(std::move(started));
  RETURN_IF_ERROR(server->AcceptOn(std::move(sockets)));
  return server;
}

}  // namespace zlayer
