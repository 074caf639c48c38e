// How runs end when somebody wants them to, or dies.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <atomic>

#include "backends/native/exec/executor_fixture.h"

namespace zlayer {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// The executor process of `daemon`.
pid_t ExecutorOf(pid_t daemon) {
  std::string parent = "\nPPid:\t" + std::to_string(daemon) + "\n";
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    auto status = ReadFile(entry.path().string() + "/status");
    if (status.ok() && status->find(parent) != std::string::npos &&
        status->find("zlayer-executor") != std::string::npos) {
      return std::stoi(entry.path().filename().string());
    }
  }
  return 0;
}

class ExecutorLifetimeTest : public ExecutorFixture {
 protected:
  // An argument of sleep that no other process of the machine has.
  std::string Marker() { return "66" + std::to_string(getpid()) + std::to_string(++markers_); }

  // In a thread of its own; waits until its process is there.
  std::jthread StartSleeper(const ContainerRun& run, Result* result) {
    std::jthread thread(
        [this, run, result](std::stop_token stop) { *result = Run(run, std::move(stop)); });
    EXPECT_TRUE(
        Eventually([&] { return std::filesystem::exists(run.scratch + "/upper/started"); }));
    return thread;
  }

  std::string SleepScript(const std::string& marker) {
    return "sleep " + marker + " & sleep " + marker + " & echo > /started; sleep " + marker;
  }

  int markers_ = 0;
};

TEST_F(ExecutorLifetimeTest, CancellingLeavesNoProcessAndNoMount) {
  auto mounts = ReadFile("/proc/self/mountinfo");
  std::string marker = Marker();
  ContainerRun run = Script(SleepScript(marker));
  Result result;
  std::jthread thread = StartSleeper(run, &result);
  EXPECT_TRUE(Eventually([&] { return ProcessesWith(marker).size() >= 3; }));
  thread.request_stop();
  thread.join();
  EXPECT_THAT(result.exit, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(ProcessesWith(marker), IsEmpty());
  EXPECT_THAT(ReadFile("/proc/self/mountinfo"), IsOkAndHolds(*mounts));
  EXPECT_FALSE(std::filesystem::exists(run.scratch + "/work"));
  EXPECT_THAT(RunScript("exit 4"), ExitsWith(4));
}

TEST_F(ExecutorLifetimeTest, CancellingOneLeavesTheOthers) {
  std::atomic<int> ticks{0};
  ContainerRun other = Script("while true; do echo tick; sleep 0.01; done");
  absl::StatusOr<ContainerExit> other_exit;
  std::jthread other_thread([&](std::stop_token stop) {
    other_exit = executor_->Run(
        other, [&](std::string_view, bool) { ++ticks; }, std::move(stop));
  });
  Result result;
  std::jthread thread = StartSleeper(Script(SleepScript(Marker())), &result);
  thread.request_stop();
  thread.join();
  EXPECT_THAT(result.exit, StatusIs(absl::StatusCode::kCancelled));
  int before = ticks;
  EXPECT_TRUE(Eventually([&] { return ticks > before + 2; }));
  other_thread.request_stop();
  other_thread.join();
  EXPECT_THAT(other_exit, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ExecutorLifetimeTest, CancelledBeforeTheStart) {
  std::stop_source stop;
  stop.request_stop();
  ContainerRun run = Script("echo > /file");
  EXPECT_THAT(Run(run, stop.get_token()).exit, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_FALSE(std::filesystem::exists(run.scratch + "/upper/file"));
}

TEST_F(ExecutorLifetimeTest, StopIsSeenThroughEndlessOutput) {
  std::stop_source stop;
  size_t size = 0;
  auto exit = executor_->Run(
      Script("while true; do dd if=/dev/zero bs=65536 count=1000 2>/dev/null; done"),
      [&](std::string_view data, bool) {
        size += data.size();
        if (size > 4 << 20) {
          stop.request_stop();
        }
      },
      stop.get_token());
  EXPECT_THAT(exit, StatusIs(absl::StatusCode::kCancelled));
}

// In a child: a daemon that runs `run` and lives until it is killed.
pid_t ForkDaemon(const std::string& trees, const ContainerRun& run) {
  pid_t pid = fork();
  if (pid != 0) {
    return pid;
  }
  ExecutorOptions options;
  options.trees_directory = trees;
  auto executor = Executor::Start(options);
  if (executor.ok()) {
    (void)(*executor)->Run(run, [](std::string_view, bool) {}, {});
  }
  _exit(1);
}

TEST_F(ExecutorLifetimeTest, AKilledDaemonTakesItsRunsAlong) {
  std::string marker = Marker();
  ContainerRun run = Script(SleepScript(marker));
  pid_t daemon = ForkDaemon(root_.path() + "/trees", run);
  ASSERT_TRUE(Eventually([&] { return ProcessesWith(marker).size() >= 3; }));
  pid_t executor = ExecutorOf(daemon);
  ASSERT_NE(executor, 0);
  kill(daemon, SIGKILL);
  waitpid(daemon, nullptr, 0);
  EXPECT_TRUE(Eventually([&] { return ProcessesWith(marker).empty(); }));
  EXPECT_TRUE(Eventually([&] { return !std::filesystem::exists(run.scratch); }));
  EXPECT_TRUE(Eventually([&] { return kill(executor, 0) != 0; }));
}

TEST_F(ExecutorLifetimeTest, AKilledExecutorTakesItsRunsAlong) {
  std::string marker = Marker();
  Result result;
  std::jthread thread = StartSleeper(Script(SleepScript(marker)), &result);
  kill(ExecutorOf(getpid()), SIGKILL);
  thread.join();
  EXPECT_THAT(result.exit, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("restart")));
  EXPECT_THAT(ProcessesWith(marker), IsEmpty());
  EXPECT_THAT(RunScript("true").exit, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(ExecutorLifetimeTest, DestructionEndsTheExecutorProcess) {
  pid_t executor = ExecutorOf(getpid());
  ASSERT_NE(executor, 0);
  executor_.reset();
  EXPECT_EQ(ExecutorOf(getpid()), 0);
  EXPECT_NE(kill(executor, 0), 0);
}

TEST_F(ExecutorLifetimeTest, CancellingManyAtOnce) {
  std::string marker = Marker();
  std::vector<Result> results(6);
  std::vector<std::jthread> threads;
  for (Result& result : results) {
    threads.push_back(StartSleeper(Script(SleepScript(marker)), &result));
  }
  for (std::jthread& thread : threads) {
    thread.request_stop();
  }
  threads.clear();
  for (const Result& result : results) {
    EXPECT_THAT(result.exit, StatusIs(absl::StatusCode::kCancelled));
  }
  EXPECT_THAT(ProcessesWith(marker), IsEmpty());
}

}  // namespace
}  // namespace zlayer
