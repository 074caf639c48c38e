#include "daemon/service/server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <future>
#include <string>

#include "base/files.h"
#include "base/unique_fd.h"
#include "tests/status_matchers.h"
#include "zlayer/v1/system.grpc.pb.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // The path of a socket must be short.
    auto directory = ScopedDirectory::Make("/tmp", "zlayer-server-");
    ASSERT_OK(directory);
    directory_ = *std::move(directory);
    path_ = directory_.path() + "/new/socket";
    address_ = "unix://" + path_;
  }

  ScopedDirectory directory_;
  std::string path_;
  std::string address_;
  v1::SystemService::CallbackService service_;
};

TEST_F(ServerTest, MakesItsDirectoryAndASocketForOwnerAndGroup) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<ApiServer> server, StartServer(address_, {&service_}));
  struct stat info;
  ASSERT_EQ(lstat(path_.c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  EXPECT_EQ(info.st_mode & 0777, 0660u);
}

TEST_F(ServerTest, RemovesItsSocketAtTheEnd) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<ApiServer> server, StartServer(address_, {&service_}));
  server->Shutdown(std::chrono::seconds(1));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ServerTest, TheHealthServiceFollows) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<ApiServer> server, StartServer(address_, {&service_}));
  auto stub = std::make_unique<grpc::GenericStub>(
      grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()));
  // grpc.health.v1: an empty request, and a response with the status in field 1.
  auto check = [&] {
    grpc::ClientContext context;
    const grpc::Slice empty;
    grpc::ByteBuffer request(&empty, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub->UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response,
                    [&](grpc::Status status) { done.set_value(std::move(status)); });
    EXPECT_TRUE(done.get_future().get().ok());
    grpc::Slice slice;
    EXPECT_TRUE(response.DumpToSingleSlice(&slice).ok());
    return std::string(reinterpret_cast<const char*>(slice.begin()), slice.size());
  };
  EXPECT_EQ(check(), std::string("\x08\x01"));
  server->SetServing(false);
  EXPECT_EQ(check(), std::string("\x08\x02"));
}

TEST_F(ServerTest, DoesNotTakeAnAddressThatIsServed) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<ApiServer> server, StartServer(address_, {&service_}));
  EXPECT_THAT(StartServer(address_, {&service_}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("another process serves " + address_)));
}

TEST_F(ServerTest, ReplacesTheSocketOfAProcessThatDied) {
  ASSERT_OK(MakeDirectories(directory_.path() + "/new"));
  {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strcpy(name.sun_path, path_.c_str());
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  }
  EXPECT_OK(StartServer(address_, {&service_}));
}

TEST_F(ServerTest, LeavesOtherFilesAlone) {
  ASSERT_OK(MakeDirectories(directory_.path() + "/new"));
  ASSERT_OK(WriteFileAtomically(path_, "mine"));
  EXPECT_THAT(StartServer(address_, {&service_}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not a socket")));
  EXPECT_THAT(ReadFile(path_), IsOkAndHolds("mine"));
}

TEST_F(ServerTest, RefusesOtherAddresses) {
  for (const std::string& address :
       {std::string("127.0.0.1:80"), std::string("unix:"), "unix:///" + std::string(120, 'a')}) {
    EXPECT_THAT(StartServer(address, {}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(address)));
  }
}

}  // namespace
}  // namespace zlayer
