#include "client/progress/tty_printer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <string>

#include "base/files.h"
#include "base/mutex.h"
#include "base/unique_fd.h"
#include "client/progress/terminal.h"

namespace zlayer {
namespace {

EnvironmentReader Variables(std::map<std::string, std::string> variables) {
  return [variables](const std::string& name) {
    auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
}

class TerminalTest : public ::testing::Test {
 protected:
  TerminalTest() {
    int master = -1;
    int slave = -1;
    struct winsize size = {};
    size.ws_col = 40;
    size.ws_row = 10;
    EXPECT_EQ(openpty(&master, &slave, nullptr, nullptr, &size), 0);
    master_ = UniqueFd(master);
    slave_ = UniqueFd(slave);
  }

  UniqueFd master_;
  UniqueFd slave_;
};

TEST_F(TerminalTest, OnlyACapableTerminalIsDrawnOn) {
  EXPECT_TRUE(DrawableTerminal(slave_.get(), Variables({{"TERM", "xterm"}})).has_value());
  EXPECT_FALSE(DrawableTerminal(slave_.get(), Variables({{"TERM", "dumb"}})).has_value());
  EXPECT_FALSE(DrawableTerminal(slave_.get(), Variables({})).has_value());
  UniqueFd null(open("/dev/null", O_RDWR));
  EXPECT_FALSE(DrawableTerminal(null.get(), Variables({{"TERM", "xterm"}})).has_value());
}

TEST_F(TerminalTest, TheEnvironmentChoosesColourAndUnicode) {
  const auto view = [this](std::map<std::string, std::string> variables) {
    variables["TERM"] = "xterm";
    return *DrawableTerminal(slave_.get(), Variables(std::move(variables)));
  };
  EXPECT_TRUE(view({}).colour);
  EXPECT_TRUE(view({{"NO_COLOR", ""}}).colour);
  EXPECT_FALSE(view({{"NO_COLOR", "1"}}).colour);
  EXPECT_FALSE(view({}).unicode);
  EXPECT_TRUE(view({{"LANG", "en_US.UTF-8"}}).unicode);
  EXPECT_TRUE(view({{"LC_ALL", "C.utf8"}, {"LANG", "C"}}).unicode);
  EXPECT_FALSE(view({{"LC_ALL", "C"}, {"LANG", "en_US.UTF-8"}}).unicode);
  EXPECT_TRUE(view({{"LC_ALL", ""}, {"LC_CTYPE", "C.UTF-8"}}).unicode);
}

TEST_F(TerminalTest, TheSizeIsRead) {
  View view;
  ReadSize(slave_.get(), &view);
  EXPECT_EQ(view.width, 40);
  EXPECT_EQ(view.height, 10);
  UniqueFd null(open("/dev/null", O_RDWR));
  ReadSize(null.get(), &view);
  EXPECT_EQ(view.width, 40);
}

class TtyPrinterTest : public TerminalTest {
 protected:
  std::unique_ptr<ProgressPrinter> Start() {
    TtyOptions options;
    options.fd = slave_.get();
    options.view.unicode = true;
    options.write = [this](std::string_view frame) {
      MutexLock lock(&mutex_);
      shown_ += frame;
      more_.NotifyAll();
    };
    return MakeTtyPrinter(std::move(options));
  }

  static v1::BuildEvent Queued() {
    v1::BuildEvent event;
    event.set_build_id("b1");
    event.mutable_time()->set_seconds(1);
    event.mutable_build_queued()->set_attempt(1);
    return event;
  }

  void WaitFor(const std::string& text) {
    MutexLock lock(&mutex_);
    EXPECT_TRUE(more_.WaitFor(
        &mutex_, std::chrono::seconds(60), std::stop_token(),
        [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return shown_.find(text) != std::string::npos; }))
        << shown_;
  }
  std::string Shown() {
    MutexLock lock(&mutex_);
    return shown_;
  }

  Mutex mutex_;
  CondVar more_;
  std::string shown_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(TtyPrinterTest, ShowsWhatHappensAndTakesItAwayAtTheEnd) {
  auto printer = Start();
  printer->Event(Queued());
  WaitFor("queued");
  printer->Lost("nobody is there");
  WaitFor("nobody is there");
  printer.reset();
  EXPECT_NE(Shown().find("build b1\n"), std::string::npos);
  EXPECT_TRUE(Shown().ends_with("\x1b[J\x1b[?7h\x1b[?25h\x1b[?2026l"));
}

TEST_F(TtyPrinterTest, ABuildThatEndsAtOnceIsShown) {
  auto printer = Start();
  printer->Event(Queued());
  v1::BuildEvent complete;
  complete.mutable_build_complete()->set_image_id("sha256:i");
  printer->Event(complete);
  printer.reset();
  EXPECT_NE(Shown().find("sha256:i"), std::string::npos);
}

// The child stops as with Ctrl-Z, without its live lines, and draws them again once it is
// continued.
TEST_F(TtyPrinterTest, SuspendTakesTheLiveLinesAway) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGTSTP, SIG_DFL);
    setsid();
    ioctl(slave_.get(), TIOCSCTTY, 0);
    // Its group must not be an orphan, which would ignore the signal.
    const pid_t worker = fork();
    if (worker == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      setpgid(0, 0);
      signal(SIGTTOU, SIG_IGN);
      tcsetpgrp(slave_.get(), getpid());
      TtyOptions options;
      options.fd = slave_.get();
      options.write = [this](std::string_view frame) {
        WriteFully(slave_.get(), frame).IgnoreError();
      };
      auto printer = MakeTtyPrinter(std::move(options));
      printer->Event(Queued());
      while (true) {
        pause();
      }
    }
    int status = 0;
    waitpid(worker, &status, WUNTRACED);
    WriteFully(slave_.get(), WIFSTOPPED(status) ? "[stopped]" : "[ended]").IgnoreError();
    kill(worker, SIGCONT);
    pause();
    _exit(0);
  }
  slave_.Reset();
  std::string seen;
  const auto read_until = [&](const std::string& text) {
    char buffer[4096];
    while (seen.find(text) == std::string::npos) {
      struct pollfd readable = {master_.get(), POLLIN, 0};
      ASSERT_EQ(poll(&readable, 1, 60'000), 1) << seen;
      const ssize_t size = read(master_.get(), buffer, sizeof buffer);
      ASSERT_GT(size, 0) << seen;
      seen.append(buffer, static_cast<size_t>(size));
    }
  };
  read_until("queued");
  seen.clear();
  ASSERT_EQ(write(master_.get(), "\x1a", 1), 1);  // Ctrl-Z
  read_until("[stopped]");
  EXPECT_NE(seen.find("\x1b[J"), std::string::npos) << seen;
  seen.clear();
  read_until("queued");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace zlayer
