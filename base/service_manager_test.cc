#include "base/service_manager.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kVariables[] = {"LISTEN_PID",    "LISTEN_FDS",   "LISTEN_FDNAMES",
                                      "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"};

class ServiceManagerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make("/tmp", "zlayer-manager-"));
  }
  void TearDown() override {
    for (const char* name : kVariables) {
      unsetenv(name);
    }
  }

  static void Set(const char* name, const std::string& value) { setenv(name, value.c_str(), 1); }
  static std::string Self() { return std::to_string(getpid()); }

  // A socket that reads what is sent to `address`, as NOTIFY_SOCKET writes it.
  static UniqueFd Listen(const std::string& address) {
    UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, address.data(), address.size());
    name.sun_path[0] = address[0] == '@' ? '\0' : address[0];
    const socklen_t size = offsetof(sockaddr_un, sun_path) + address.size();
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), size), 0);
    return fd;
  }

  // The next message, or "" where none comes within `milliseconds`.
  static std::string Receive(const UniqueFd& fd, int milliseconds = 10'000) {
    pollfd event = {fd.get(), POLLIN, 0};
    if (poll(&event, 1, milliseconds) != 1) {
      return "";
    }
    char buffer[512];
    const ssize_t size = recv(fd.get(), buffer, sizeof(buffer), 0);
    return std::string(buffer, size > 0 ? static_cast<size_t>(size) : 0);
  }

  // Two descriptors in a row, the first one returned; they are high, so that nothing is in the way.
  static int PassTwo() {
    constexpr int kFirst = 700;
    UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
    dup2(null.get(), kFirst);
    dup2(null.get(), kFirst + 1);
    return kFirst;
  }

  ScopedDirectory directory_;
};

TEST_F(ServiceManagerTest, WithoutOneThereIsNothingAndNotifyDoesNothing) {
  ASSERT_OK_AND_ASSIGN(ServiceManager manager, ServiceManager::FromEnvironment());
  EXPECT_THAT(manager.TakeSockets(), IsEmpty());
  EXPECT_EQ(manager.watchdog_timeout().count(), 0);
  manager.Notify("READY=1");
}

TEST_F(ServiceManagerTest, TakesDescriptorsWithNamesAndKeepsThemFromChildren) {
  const int first = PassTwo();
  Set("LISTEN_PID", Self());
  Set("LISTEN_FDS", "2");
  Set("LISTEN_FDNAMES", "api");
  ASSERT_OK_AND_ASSIGN(ServiceManager manager, ServiceManager::FromEnvironment(first));
  std::vector<PassedSocket> sockets = manager.TakeSockets();
  ASSERT_EQ(sockets.size(), 2u);
  EXPECT_EQ(sockets[0].fd.get(), first);
  EXPECT_EQ(sockets[0].name, "api");
  EXPECT_EQ(sockets[1].name, "unknown");
  EXPECT_EQ(fcntl(first, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(first + 1, F_GETFD), FD_CLOEXEC);
}

TEST_F(ServiceManagerTest, RemovesEveryVariable) {
  for (const char* name : kVariables) {
    Set(name, "1");
  }
  ASSERT_OK(ServiceManager::FromEnvironment());
  for (const char* name : kVariables) {
    EXPECT_EQ(getenv(name), nullptr) << name;
  }
}

TEST_F(ServiceManagerTest, WhatIsMeantForAnotherProcessIsNotTaken) {
  Set("LISTEN_PID", "1");
  Set("LISTEN_FDS", "2");
  Set("WATCHDOG_PID", "1");
  Set("WATCHDOG_USEC", "1000");
  ASSERT_OK_AND_ASSIGN(ServiceManager manager, ServiceManager::FromEnvironment());
  EXPECT_THAT(manager.TakeSockets(), IsEmpty());
  EXPECT_EQ(manager.watchdog_timeout().count(), 0);
}

TEST_F(ServiceManagerTest, RefusesWhatCannotBeTrue) {
  Set("LISTEN_PID", Self());
  Set("LISTEN_FDS", "two");
  EXPECT_THAT(ServiceManager::FromEnvironment(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("LISTEN_FDS=\"two\"")));
  Set("LISTEN_PID", Self());
  Set("LISTEN_FDS", "100000");
  EXPECT_THAT(ServiceManager::FromEnvironment(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 64")));
  Set("LISTEN_PID", Self());
  Set("LISTEN_FDS", "1");
  EXPECT_THAT(ServiceManager::FromEnvironment(999),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("999 is not open")));
}

TEST_F(ServiceManagerTest, NotifiesAPathAndAnAbstractAddress) {
  for (const std::string& address :
       {directory_.path() + "/notify", "@zlayer-test-" + RandomHex()}) {
    const UniqueFd listener = Listen(address);
    Set("NOTIFY_SOCKET", address);
    ASSERT_OK_AND_ASSIGN(ServiceManager manager, ServiceManager::FromEnvironment());
    manager.Notify("READY=1\nSTATUS=Serving");
    EXPECT_EQ(Receive(listener), "READY=1\nSTATUS=Serving");
  }
}

TEST_F(ServiceManagerTest, AManagerThatIsGoneIsNoProblem) {
  Set("NOTIFY_SOCKET", directory_.path() + "/nobody");
  ASSERT_OK_AND_ASSIGN(ServiceManager manager, ServiceManager::FromEnvironment());
  manager.Notify("READY=1");
}

TEST_F(ServiceManagerTest, TheWatchdogBeatsWhileTheProcessIsAlive) {
  const std::string address = directory_.path() + "/notify";
  const UniqueFd listener = Listen(address);
  Set("NOTIFY_SOCKET", address);
  Set("WATCHDOG_USEC", "20000");
  ASSERT_OK_AND_ASSIGN(ServiceManager manager, ServiceManager::FromEnvironment());
  std::atomic<bool> alive = true;
  std::atomic<int> asked = 0;
  Watchdog watchdog(&manager, [&](std::stop_token) {
    ++asked;
    return alive.load();
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Receive(listener), "WATCHDOG=1");
  }
  alive = false;
  // A question that was under way may still have been answered with yes.
  for (const int before = asked; asked < before + 2;) {
    Receive(listener, 10);
  }
  EXPECT_EQ(Receive(listener, 100), "");
}

TEST_F(ServiceManagerTest, AHangingProcessIsSilentAndTheWatchdogStillEnds) {
  const std::string address = directory_.path() + "/notify";
  const UniqueFd listener = Listen(address);
  Set("NOTIFY_SOCKET", address);
  Set("WATCHDOG_USEC", "1000");
  ASSERT_OK_AND_ASSIGN(ServiceManager manager, ServiceManager::FromEnvironment());
  {
    Watchdog watchdog(&manager, [](std::stop_token stop) {
      Mutex mutex;
      CondVar never;
      MutexLock lock(&mutex);
      return never.Wait(&mutex, stop, [] { return false; });
    });
    EXPECT_EQ(Receive(listener, 100), "");
  }
  EXPECT_EQ(Receive(listener, 0), "");
}

}  // namespace
}  // namespace zlayer
