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
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/mutex.h"
#include "base/service_manager.h"
#include "base/unique_fd.h"
#include "tests/status_matchers.h"
#include "zlayer/v1/system.grpc.pb.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
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

  static sockaddr_un Name(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strcpy(name.sun_path, path.c_str());
    return name;
  }

  // What a service manager passes: a socket that listens at `path_`, and a copy that stays here.
  std::vector<PassedSocket> Passed() {
    EXPECT_OK(MakeDirectories(directory_.path() + "/new"));
    managers_.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un name = Name(path_);
    EXPECT_EQ(bind(managers_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
    EXPECT_EQ(listen(managers_.get(), 128), 0);
    std::vector<PassedSocket> sockets;
    sockets.push_back({UniqueFd(dup(managers_.get())), "api"});
    return sockets;
  }

  UniqueFd Connect() {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un name = Name(path_);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
    return fd;
  }

  // Whether a call over a connection of its own is answered (the service here implements none).
  bool Answers() {
    grpc::ChannelArguments own;
    own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    auto stub = v1::SystemService::NewStub(
        grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), own));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::SystemInfo info;
    return stub->Info(&context, {}, &info).error_code() == grpc::StatusCode::UNIMPLEMENTED;
  }

  ScopedDirectory directory_;
  std::string path_;
  std::string address_;
  UniqueFd managers_;
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

// Follows grpc.health.v1.Health/Watch.
class HealthWatcher : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit HealthWatcher(grpc::GenericStub* stub) {
    stub->PrepareBidiStreamingCall(&context_, "/grpc.health.v1.Health/Watch", {}, this);
    StartWriteLast(&request_, {});
    StartRead(&response_);
    StartCall();
  }
  ~HealthWatcher() override {
    context_.TryCancel();
    done_.get_future().wait();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      return;
    }
    grpc::Slice slice;
    EXPECT_TRUE(response_.DumpToSingleSlice(&slice).ok());
    {
      MutexLock lock(&mutex_);
      told_.emplace_back(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    changed_.NotifyAll();
    StartRead(&response_);
  }
  void OnDone(const grpc::Status&) override { done_.set_value(); }

  // What it was told, once that is so many things.
  std::vector<std::string> Await(size_t count) {
    MutexLock lock(&mutex_);
    EXPECT_TRUE(
        changed_.WaitFor(&mutex_, std::chrono::seconds(60), {},
                         [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return told_.size() >= count; }));
    return told_;
  }

 private:
  grpc::ClientContext context_;
  const grpc::Slice empty_;
  grpc::ByteBuffer request_{&empty_, 1};
  grpc::ByteBuffer response_;
  std::promise<void> done_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> told_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(ServerTest, WatchersOfTheHealthAreToldAtOnce) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<ApiServer> server, StartServer(address_, {&service_}));
  grpc::GenericStub stub(grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()));
  HealthWatcher watcher(&stub);
  EXPECT_THAT(watcher.Await(1), ElementsAre("\x08\x01"));
  server->SetServing(false);
  EXPECT_THAT(watcher.Await(2), ElementsAre("\x08\x01", "\x08\x02"));
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
    const sockaddr_un name = Name(path_);
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

TEST_F(ServerTest, ServesManyConnectionsOfAPassedSocket) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<ApiServer> server, StartServerOn(Passed(), {&service_}));
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 100; ++i) {
    idle.push_back(Connect());
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(Answers());
  }
}

TEST_F(ServerTest, APassedSocketStaysAndItsConnectionsWaitForTheNextServer) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<ApiServer> server, StartServerOn(Passed(), {&service_}));
  EXPECT_TRUE(Answers());
  server.reset();
  EXPECT_TRUE(std::filesystem::exists(path_));
  std::future<bool> waiting = std::async(std::launch::async, [this] { return Answers(); });
  std::vector<PassedSocket> again;
  again.push_back({UniqueFd(dup(managers_.get())), "api"});
  ASSERT_OK_AND_ASSIGN(server, StartServerOn(std::move(again), {&service_}));
  EXPECT_TRUE(waiting.get());
}

TEST_F(ServerTest, ConnectionsThatSayNothingDoNotHoldUpTheEnd) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<ApiServer> server, StartServerOn(Passed(), {&service_}));
  const UniqueFd silent = Connect();
  EXPECT_TRUE(Answers());  // so the one before has been accepted
  std::future<void> stopped =
      std::async(std::launch::async, [&] { server->Shutdown(std::chrono::milliseconds(100)); });
  EXPECT_EQ(stopped.wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST_F(ServerTest, RefusesPassedDescriptorsThatAreNoListeningUnixSockets) {
  const UniqueFd connected = (Passed(), Connect());
  for (int fd : {socket(AF_INET, SOCK_STREAM, 0), socket(AF_UNIX, SOCK_DGRAM, 0),
                 dup(connected.get()), dup(STDIN_FILENO)}) {
    std::vector<PassedSocket> sockets;
    sockets.push_back({UniqueFd(fd), "odd"});
    EXPECT_THAT(StartServerOn(std::move(sockets), {&service_}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"odd\"")));
  }
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
