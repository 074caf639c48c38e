// zlayerd below a service manager, which this test plays: a socket that is passed, a socket that is
// told, and the environment that children get.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ServiceTest : public DaemonTest {
 protected:
  void SetUp() override {
    DaemonTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    // Not close-on-exec: that is how it is passed.
    listener_.Reset(Bind(SOCK_STREAM, Path("zlayerd.sock")));
    ASSERT_EQ(listen(listener_.get(), 128), 0);
    messages_.Reset(Bind(SOCK_DGRAM | SOCK_CLOEXEC, Path("notify")));
  }

  static int Bind(int type, const std::string& path) {
    const int fd = socket(AF_UNIX, type, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strcpy(name.sun_path, path.c_str());
    EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
    return fd;
  }

  // The variables name the process itself, so the shell sets them and becomes it.
  void StartManaged(const std::vector<std::string>& flags = {}) {
    std::vector<std::string> argv = {"bash", "-c",
                                     R"(exec 3<&"$1"; export NOTIFY_SOCKET="$2"; shift 2
           export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=api WATCHDOG_PID=$$ WATCHDOG_USEC=200000
           exec "$@")",
                                     "bash", std::to_string(listener_.get()), Path("notify"),
                                     "daemon/zlayerd", "--root", Root(),
                                     // Never made: the passed socket is served instead.
                                     "--address", "unix://" + Path("other.sock")};
    argv.insert(argv.end(), flags.begin(), flags.end());
    daemon_ = std::make_unique<Process>(argv);
  }

  // The next message; "" where none comes within `seconds`.
  std::string NextMessage(double seconds = 20) {
    pollfd event = {messages_.get(), POLLIN, 0};
    if (poll(&event, 1, static_cast<int>(seconds * 1000)) != 1) {
      return "";
    }
    char buffer[1024];
    const ssize_t size = recv(messages_.get(), buffer, sizeof(buffer), 0);
    return std::string(buffer, size > 0 ? static_cast<size_t>(size) : 0);
  }

  // The messages from now until one that contains `text`, which is the last; all there are where
  // none does.
  std::vector<std::string> MessagesUntil(const std::string& text) {
    std::vector<std::string> messages;
    do {
      messages.push_back(NextMessage());
    } while (!messages.back().empty() && messages.back().find(text) == std::string::npos);
    return messages;
  }

  UniqueFd listener_;
  UniqueFd messages_;
};

TEST_F(ServiceTest, ServesThePassedSocketAndTellsItsState) {
  StartManaged();
  EXPECT_THAT(MessagesUntil("READY=1").back(), HasSubstr("STATUS=Serving"));
  EXPECT_EQ(Zlayer({"info"}).exit_code, 0);
  EXPECT_EQ(MessagesUntil("WATCHDOG=1").back(), "WATCHDOG=1");
  EXPECT_EQ(MessagesUntil("WATCHDOG=1").back(), "WATCHDOG=1");
  daemon_->Signal(SIGTERM);
  // The default drain timeout of 30 s, and 15 s for the rest.
  EXPECT_THAT(MessagesUntil("STOPPING=1").back(), HasSubstr("EXTEND_TIMEOUT_USEC=45000000"));
  const Finished finished = daemon_->Wait();
  daemon_.reset();
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_THAT(finished.err, HasSubstr("address=\"1 socket of the service manager\""));
  EXPECT_EQ(access(Path("zlayerd.sock").c_str(), F_OK), 0);
  EXPECT_NE(access(Path("other.sock").c_str(), F_OK), 0);
}

TEST_F(ServiceTest, ACallThatCameFirstIsAnsweredOnceTheDaemonIsThere) {
  Process early(Cli({"info"}));
  // Its connection waits in the socket's queue.
  pollfd connection = {listener_.get(), POLLIN, 0};
  ASSERT_EQ(poll(&connection, 1, 20'000), 1);
  StartManaged();
  EXPECT_EQ(early.Wait().exit_code, 0);
}

TEST_F(ServiceTest, ARestartLosesNoCall) {
  StartManaged();
  EXPECT_EQ(Zlayer({"info"}).exit_code, 0);
  StopDaemon();
  Process between(Cli({"info"}));
  pollfd connection = {listener_.get(), POLLIN, 0};
  ASSERT_EQ(poll(&connection, 1, 20'000), 1);
  StartManaged();
  EXPECT_EQ(between.Wait().exit_code, 0);
}

// A runtime that takes them for its own would pass on descriptors, or wait for a message.
TEST_F(ServiceTest, ChildrenSeeNothingOfTheManager) {
  ASSERT_OK(WriteFileAtomically(
      Path("runtime"), "#!/bin/sh\nenv >> " + Path("environment") + "\nexec crun \"$@\"\n", 0755));
  ASSERT_OK(
      WriteFileAtomically(Path("config.yaml"), "native:\n  runtime: " + Path("runtime") + "\n"));
  StartManaged({"--config", Path("config.yaml")});
  ImportBusybox();
  WriteContext("Dockerfile", "FROM busybox\nRUN true\n");
  Build();
  const auto environment = ReadFile(Path("environment"));
  ASSERT_OK(environment);
  EXPECT_THAT(*environment, HasSubstr("PATH="));
  for (const char* name : {"LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_"}) {
    EXPECT_THAT(*environment, Not(HasSubstr(name)));
  }
}

TEST_F(ServiceTest, RefusesASocketOfAnotherKind) {
  const UniqueFd tcp(socket(AF_INET, SOCK_STREAM, 0));
  ASSERT_EQ(listen(tcp.get(), 1), 0);
  dup2(tcp.get(), listener_.get());
  StartManaged();
  const Finished finished = daemon_->Wait();
  daemon_.reset();
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.err, HasSubstr("socket \"api\" of the service manager cannot be served"));
}

}  // namespace
}  // namespace zlayer::e2e
