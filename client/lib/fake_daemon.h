// A BuildService in the test's own process, on a socket in a directory of its own.
#ifndef ZLAYER_CLIENT_LIB_FAKE_DAEMON_H_
#define ZLAYER_CLIENT_LIB_FAKE_DAEMON_H_

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/files.h"
#include "client/lib/connection.h"

namespace zlayer {

// A daemon as far as its handlers are set. They run on gRPC's threads, one call at a time in each test.
class FakeBuildService : public v1::BuildService::Service {
 public:
  using EventWriter = grpc::ServerWriter<v1::BuildEvent>;
  using Upload = grpc::ServerReaderWriter<v1::UploadContextResponse, v1::UploadContextRequest>;

  std::function<grpc::Status(const v1::SubmitBuildRequest&, EventWriter*)> build;
  std::function<grpc::Status(const v1::WatchBuildRequest&, EventWriter*)> watch;
  std::function<grpc::Status(Upload*)> upload;
  // UNIMPLEMENTED where they are not set.
  std::function<grpc::Status(const v1::GetBuildRequest&, v1::BuildStatus*)> get;
  std::function<grpc::Status(const v1::ListBuildsRequest&, v1::ListBuildsResponse*)> list;
  std::function<grpc::Status(const v1::CancelBuildRequest&, v1::BuildStatus*)> cancel;
  std::function<grpc::Status(const v1::DeleteBuildRequest&)> remove;
  std::function<grpc::Status(const v1::PlanBuildRequest&, v1::PlanBuildResponse*)> plan;

  grpc::Status Build(grpc::ServerContext*, const v1::SubmitBuildRequest* request,
                     EventWriter* writer) override {
    return build(*request, writer);
  }
  grpc::Status WatchBuild(grpc::ServerContext*, const v1::WatchBuildRequest* request,
                          EventWriter* writer) override {
    return watch(*request, writer);
  }
  grpc::Status UploadContext(grpc::ServerContext*, Upload* stream) override {
    return upload(stream);
  }
  grpc::Status GetBuild(grpc::ServerContext*, const v1::GetBuildRequest* request,
                        v1::BuildStatus* response) override {
    return get ? get(*request, response) : NotSet();
  }
  grpc::Status ListBuilds(grpc::ServerContext*, const v1::ListBuildsRequest* request,
                          v1::ListBuildsResponse* response) override {
    return list ? list(*request, response) : NotSet();
  }
  grpc::Status CancelBuild(grpc::ServerContext*, const v1::CancelBuildRequest* request,
                           v1::BuildStatus* response) override {
    return cancel ? cancel(*request, response) : NotSet();
  }
  grpc::Status DeleteBuild(grpc::ServerContext*, const v1::DeleteBuildRequest* request,
                           v1::DeleteBuildResponse*) override {
    return remove ? remove(*request) : NotSet();
  }
  grpc::Status PlanBuild(grpc::ServerContext*, const v1::PlanBuildRequest* request,
                         v1::PlanBuildResponse* response) override {
    return plan ? plan(*request, response) : NotSet();
  }

 private:
  static grpc::Status NotSet() { return {grpc::StatusCode::UNIMPLEMENTED, "not set"}; }
};

class FakeDaemonTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto directory = ScopedDirectory::Make("/tmp", "zlayer-test");
    ASSERT_TRUE(directory.ok());
    directory_ = *std::move(directory);
    address_ = "unix://" + directory_.path() + "/socket";
    auto connection = Connection::Open(address_);
    ASSERT_TRUE(connection.ok());
    connection_ = *std::move(connection);
  }

  void StartDaemon() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }

  void StopDaemon() {
    if (server_ != nullptr) {
      server_->Shutdown(std::chrono::system_clock::now());
      server_.reset();
    }
  }

  void TearDown() override {
    stop_.request_stop();
    StopDaemon();
  }

  ScopedDirectory directory_;
  std::string address_;
  FakeBuildService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Connection> connection_;
  std::stop_source stop_;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_FAKE_DAEMON_H_
