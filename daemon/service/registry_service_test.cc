#include "daemon/service/registry_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/files.h"
#include "base/thread_pool.h"
#include "daemon/service/server.h"
#include "proto/error_detail.h"
#include "proto/grpc_status.h"
#include "registry/transfer/testing/memory_registry.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

class RegistryServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make("/tmp", "zlayer-registry-"));
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(directory_.path() + "/root", SystemClock()));
    puller_ = MakePuller(&store_->images(), &store_->repositories(), &registry_, SystemClock(), {});
    pusher_ = MakePusher(store_->image_parts(), &store_->images(), &store_->repositories(),
                         &registry_, puller_.get());
    service_ = MakeRegistryService({.host = {.quick = &pool_, .transfers = &pool_},
                                    .store = store_.get(),
                                    .client = &registry_,
                                    .puller = puller_.get(),
                                    .pusher = pusher_.get()});
    const std::string address = "unix://" + directory_.path() + "/s";
    ASSERT_OK_AND_ASSIGN(server_, StartServer(address, {service_.get()}));
    stub_ = v1::RegistryService::NewStub(
        grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  }

  absl::Status Pull(const std::string& reference) {
    grpc::ClientContext context;
    v1::PullImageRequest request;
    request.set_reference(reference);
    return EndOf(*stub_->PullImage(&context, request));
  }
  absl::Status Push(const std::string& reference, const std::string& destination) {
    grpc::ClientContext context;
    v1::PushImageRequest request;
    request.set_reference(reference);
    request.add_destinations(destination);
    return EndOf(*stub_->PushImage(&context, request));
  }
  absl::Status Copy(const std::string& source, const std::string& destination) {
    grpc::ClientContext context;
    v1::CopyImageRequest request;
    request.set_source(source);
    request.set_destination(destination);
    return EndOf(*stub_->CopyImage(&context, request));
  }
  absl::Status GetManifest(const std::string& reference) {
    grpc::ClientContext context;
    v1::GetManifestRequest request;
    request.set_reference(reference);
    request.set_remote(true);
    v1::GetManifestResponse response;
    return FromGrpc(stub_->GetManifest(&context, request, &response));
  }
  absl::Status CheckCredentials(const std::string& registry) {
    grpc::ClientContext context;
    v1::CheckCredentialsRequest request;
    request.mutable_credential()->set_registry(registry);
    v1::CheckCredentialsResponse response;
    return FromGrpc(stub_->CheckCredentials(&context, request, &response));
  }

  ScopedDirectory directory_;
  MemoryRegistry registry_;
  ThreadPool pool_{4};
  std::unique_ptr<Store> store_;
  std::unique_ptr<Puller> puller_;
  std::unique_ptr<Pusher> pusher_;
  std::unique_ptr<v1::RegistryService::CallbackService> service_;
  std::unique_ptr<ApiServer> server_;
  std::unique_ptr<v1::RegistryService::Stub> stub_;

 private:
  static absl::Status EndOf(grpc::ClientReader<v1::TransferEvent>& stream) {
    v1::TransferEvent event;
    while (stream.Read(&event)) {
    }
    return FromGrpc(stream.Finish());
  }
};

// A client would ask the daemon again that says UNAVAILABLE of a registry.
TEST_F(RegistryServiceTest, ARegistryThatDoesNotAnswerIsNoDaemonThatDoesNot) {
  registry_.AddImage("reg.example/here", "1");
  ASSERT_OK(Pull("reg.example/here:1"));
  registry_.down = absl::UnavailableError("reg.example does not answer");
  for (const absl::Status& failed :
       {Pull("reg.example/app:1"), Push("reg.example/here:1", "reg.example/app:1"),
        Copy("reg.example/app:1", "reg.example/app:2"), GetManifest("reg.example/app:1"),
        CheckCredentials("reg.example")}) {
    EXPECT_THAT(failed, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("reg.example does not answer")));
    EXPECT_EQ(DetailOf(failed).reason(), "REGISTRY_UNAVAILABLE");
  }
}

TEST_F(RegistryServiceTest, WhatARegistryHasNotIsNotFound) {
  EXPECT_THAT(Pull("reg.example/app:1"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(GetManifest("reg.example/app:1"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace zlayer
