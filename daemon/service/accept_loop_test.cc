#include "daemon/service/accept_loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/mutex.h"
#include "base/service_manager.h"
#include "base/unique_fd.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

class AcceptLoopTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make("/tmp", "zlayer-accept-"));
    ASSERT_OK_AND_ASSIGN(log_, OpenFile(Path("log"), O_RDWR | O_CREAT | O_APPEND, 0600));
    standard_error_ = UniqueFd(dup(STDERR_FILENO));
    ASSERT_EQ(dup2(log_.get(), STDERR_FILENO), STDERR_FILENO);
  }
  void TearDown() override { dup2(standard_error_.get(), STDERR_FILENO); }

  static sockaddr_un Name(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strcpy(name.sun_path, path.c_str());
    return name;
  }

  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }

  PassedSocket Listen(const std::string& name) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = Name(Path(name));
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd.get(), 16), 0);
    return {std::move(fd), name};
  }

  static UniqueFd Client() { return UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
  void Connect(const UniqueFd& client, const std::string& name) {
    const sockaddr_un address = Name(Path(name));
    EXPECT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
  }

  absl::StatusOr<std::unique_ptr<AcceptLoop>> Start(std::vector<PassedSocket> sockets) {
    return AcceptLoop::Start(std::move(sockets), [this](UniqueFd connection) {
      MutexLock lock(&mutex_);
      taken_.push_back(std::move(connection));
      changed_.NotifyAll();
    });
  }

  bool WaitForTaken(size_t count) {
    MutexLock lock(&mutex_);
    return changed_.WaitFor(&mutex_, std::chrono::seconds(20), {},
                            [&]()
                                ABSL_NO_THREAD_SAFETY_ANALYSIS { return taken_.size() >= count; });
  }

  size_t Logged(const std::string& text) const {
    std::string log(4096, '\0');  // read by what is open: descriptors may be short
    log.resize(static_cast<size_t>(std::max<ssize_t>(pread(log_.get(), log.data(), log.size(), 0), 0)));
    size_t count = 0;
    for (size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) {
      ++count;
    }
    return count;
  }

  bool WaitForLog(const std::string& text) const {
    for (int i = 0; i < 2000 && Logged(text) == 0; ++i) {
      usleep(10'000);
    }
    return Logged(text) > 0;
  }

  ScopedDirectory directory_;
  UniqueFd log_;
  UniqueFd standard_error_;  // while the log takes its place
  Mutex mutex_;
  CondVar changed_;
  std::vector<UniqueFd> taken_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(AcceptLoopTest, TakesFromEverySocketUntilItEnds) {
  std::vector<PassedSocket> sockets;
  sockets.push_back(Listen("a"));
  sockets.push_back(Listen("b"));
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<AcceptLoop> loop, Start(std::move(sockets)));
  const UniqueFd first = Client();
  const UniqueFd second = Client();
  Connect(first, "a");
  Connect(second, "b");
  EXPECT_TRUE(WaitForTaken(2));
  {
    MutexLock lock(&mutex_);
    for (const UniqueFd& connection : taken_) {
      EXPECT_EQ(fcntl(connection.get(), F_GETFD), FD_CLOEXEC);
      EXPECT_NE(fcntl(connection.get(), F_GETFL) & O_NONBLOCK, 0);
    }
  }
  loop.reset();
  EXPECT_EQ(access(Path("a").c_str(), F_OK), 0);
}

TEST_F(AcceptLoopTest, ConnectionsWaitWhileDescriptorsAreShort) {
  std::vector<PassedSocket> sockets;
  sockets.push_back(Listen("a"));
  const UniqueFd client = Client();
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<AcceptLoop> loop, Start(std::move(sockets)));
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const int next = dup(client.get());  // the lowest that is free
  close(next);
  const rlimit none = {static_cast<rlim_t>(next), limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  Connect(client, "a");
  EXPECT_TRUE(WaitForLog("no further connection can be accepted for now"));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_TRUE(WaitForTaken(1));
  EXPECT_EQ(Logged("no further connection"), 1u);
}

TEST_F(AcceptLoopTest, ASocketThatListensNoMoreIsLeftOut) {
  std::vector<PassedSocket> sockets;
  sockets.push_back(Listen("broken"));
  sockets.push_back(Listen("b"));
  const UniqueFd same(dup(sockets[0].fd.get()));
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<AcceptLoop> loop, Start(std::move(sockets)));
  ASSERT_EQ(shutdown(same.get(), SHUT_RDWR), 0);
  EXPECT_TRUE(WaitForLog("a socket is served no more socket=broken"));
  const UniqueFd client = Client();
  Connect(client, "b");
  EXPECT_TRUE(WaitForTaken(1));
  EXPECT_EQ(Logged("served no more"), 1u);
}

}  // namespace
}  // namespace zlayer
