#include "backends/native/exec/executor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <atomic>
#include <set>

#include "backends/native/exec/executor_fixture.h"
#include "base/clock.h"

namespace zlayer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class ExecutorTest : public ExecutorFixture {};

TEST_F(ExecutorTest, PassesOutputAndExitCode) {
  Result result = RunScript("echo out; echo err >&2; exit 7");
  EXPECT_THAT(result, ExitsWith(7));
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
}

TEST_F(ExecutorTest, KnowsItsRuntime) {
  EXPECT_THAT(executor_->runtime_version(),
              testing::AnyOf(StartsWith("crun "), StartsWith("runc ")));
}

TEST_F(ExecutorTest, ReportsASignalAs128AndItsNumber) {
  std::filesystem::copy_file("backends/native/exec/probe", Tree(1) + "/bin/probe");
  ContainerRun run = Script("");
  run.argv = {"/bin/probe", "segv"};
  EXPECT_THAT(Run(run), ExitsWith(128 + SIGSEGV));
}

TEST_F(ExecutorTest, UpperHoldsOnlyWhatWasWritten) {
  ContainerRun run = Script("echo hello > /file; mkdir /dir; echo x > /dir/x");
  EXPECT_THAT(Run(run), ExitsWith(0));
  EXPECT_THAT(Written(run), ElementsAre("dir", "dir/x", "file"));
  EXPECT_THAT(ReadFile(run.scratch + "/upper/file"), IsOkAndHolds("hello\n"));
}

TEST_F(ExecutorTest, SaysWhenAllWasMounted) {
  const int64_t begin = MonotonicNs();
  const Result result = Run(Script("exit 0"));
  ASSERT_OK(result.exit);
  EXPECT_GE(result.exit->mounted_ns, begin);
  EXPECT_LE(result.exit->mounted_ns, MonotonicNs());
}

TEST_F(ExecutorTest, LeavesNothingButUpperInScratch) {
  ContainerRun run = Script("echo > /file");
  EXPECT_THAT(Run(run), ExitsWith(0));
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(run.scratch)) {
    left.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(left, ElementsAre("upper"));
}

TEST_F(ExecutorTest, UpperTakesTheRootAttributesOfTheTopmostLayer) {
  ASSERT_EQ(chmod(Tree(1).c_str(), 01751), 0);
  ASSERT_EQ(chown(Tree(1).c_str(), 12, 34), 0);
  timespec times[] = {{1'000'000, 0}, {1'000'000, 5}};
  ASSERT_EQ(utimensat(AT_FDCWD, Tree(1).c_str(), times, 0), 0);
  ContainerRun run = Script("stat -c '%a %u %g %Y' /");
  Result result = Run(run);
  EXPECT_EQ(result.out, "1751 12 34 1000000\n");
  struct stat status;
  ASSERT_EQ(stat((run.scratch + "/upper").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 01751u);
  EXPECT_EQ(status.st_mtim.tv_sec, 1'000'000);
  EXPECT_EQ(status.st_mtim.tv_nsec, 5);
}

TEST_F(ExecutorTest, HigherLayersWinAndRemovalsAreWhiteouts) {
  WriteFile(Tree(1) + "/data/a", "low");
  WriteFile(Tree(1) + "/data/b", "low");
  WriteFile(Tree(2) + "/data/a", "high");
  ContainerRun run = Script("cat /data/a /data/b; rm /data/b");
  run.lower = {1, 2};
  Result result = Run(run);
  EXPECT_THAT(result, ExitsWith(0));
  EXPECT_EQ(result.out, "highlow");
  EXPECT_THAT(Written(run), ElementsAre("data", "data/b"));
  struct stat status;
  ASSERT_EQ(lstat((run.scratch + "/upper/data/b").c_str(), &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
  EXPECT_EQ(status.st_rdev, 0u);
}

TEST_F(ExecutorTest, RunsWithoutLayersAndFindsNoProgram) {
  ContainerRun run = Script("echo");
  run.lower = {};
  EXPECT_THAT(Run(run).exit, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/bin/sh")));
}

TEST_F(ExecutorTest, MissingProgramIsAFailedPrecondition) {
  for (const char* program : {"/bin/nope", "nope"}) {
    ContainerRun run = Script("");
    run.argv = {program};
    EXPECT_THAT(Run(run).exit,
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         testing::AllOf(HasSubstr(program), HasSubstr("not found"))));
  }
}

TEST_F(ExecutorTest, ExitCode1IsNoFailureToStart) {
  EXPECT_THAT(RunScript("exit 1"), ExitsWith(1));
}

TEST_F(ExecutorTest, RunsSideBySide) {
  std::atomic<int> good{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i, &good] {
      for (int j = 0; j < 5; ++j) {
        std::string word = std::to_string(i) + "-" + std::to_string(j);
        ContainerRun run = Script("echo " + word + "; echo " + word + " > /file; exit 3");
        Result result = Run(run);
        auto file = ReadFile(run.scratch + "/upper/file");
        good += result.exit.ok() && result.exit->exit_code == 3 && result.out == word + "\n" &&
                file.ok() && *file == word + "\n";
      }
    });
  }
  threads.clear();
  EXPECT_EQ(good, 40);
}

TEST_F(ExecutorTest, StacksManyLayers) {
  ContainerRun run = Script("ls / | grep -c layer");
  for (uint64_t number = 2; number <= 100; ++number) {
    WriteFile(Tree(number) + "/layer" + std::to_string(number), "");
    run.lower.push_back(number);
  }
  Result result = Run(run);
  EXPECT_THAT(result, ExitsWith(0));
  EXPECT_EQ(result.out, "99\n");
}

TEST_F(ExecutorTest, StacksLayersWhoseNamesFillMoreThanAPage) {
  ContainerRun run = Script("ls / | grep -c layer");
  for (uint64_t i = 2; i <= 450; ++i) {
    uint64_t number = 10'000'000'000 + i;
    WriteFile(Tree(number) + "/layer" + std::to_string(i), "");
    run.lower.push_back(number);
  }
  Result result = Run(run);
  if (!result.exit.ok() && result.exit.status().code() == absl::StatusCode::kInvalidArgument) {
    GTEST_SKIP() << "this kernel has no lowerdir+";
  }
  EXPECT_THAT(result, ExitsWith(0));
  EXPECT_EQ(result.out, "449\n");
}

TEST_F(ExecutorTest, RefusesMoreLayersThanOverlayfsTakes) {
  ContainerRun run = Script("true");
  run.lower.assign(500, 1);
  EXPECT_THAT(Run(run).exit, StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr("500 layers are too many")));
}

TEST_F(ExecutorTest, NamesAMissingTree) {
  ContainerRun run = Script("true");
  run.lower = {1, 77};
  EXPECT_THAT(Run(run).exit, StatusIs(absl::StatusCode::kNotFound, HasSubstr("77")));
}

TEST_F(ExecutorTest, PassesALargeEnvironment) {
  ContainerRun run = Script("env | grep -c ^V; echo $V7 | wc -c");
  for (int i = 0; i < 5; ++i) {
    run.env.push_back("V" + std::to_string(i) + "=" + std::string(100'000, 'x'));
  }
  run.env.push_back("V7=ü\"\\\n");
  Result result = Run(run);
  EXPECT_THAT(result, ExitsWith(0));
  EXPECT_EQ(result.out, "6\n5\n");
}

TEST_F(ExecutorTest, LosesNoOutput) {
  Result result = RunScript("dd if=/dev/zero bs=65536 count=160 2>/dev/null; echo end >&2");
  EXPECT_THAT(result, ExitsWith(0));
  EXPECT_EQ(result.out.size(), 160u * 65536);
  EXPECT_EQ(result.err, "end\n");
}

TEST_F(ExecutorTest, EndsWhatTheProcessLeftRunning) {
  std::string marker = "77" + std::to_string(getpid()) + "001";
  Result result = RunScript("sleep " + marker + " & echo started");
  EXPECT_THAT(result, ExitsWith(0));
  EXPECT_EQ(result.out, "started\n");
  EXPECT_THAT(ProcessesWith(marker), IsEmpty());
}

TEST_F(ExecutorTest, StandardInputIsEmpty) {
  Result result = RunScript("cat; echo done");
  EXPECT_EQ(result.out, "done\n");
}

TEST_F(ExecutorTest, PassesNoDescriptorsOn) {
  // The last one is the directory that is listed.
  EXPECT_EQ(RunScript("ls /proc/self/fd").out, "0\n1\n2\n3\n");
}

TEST_F(ExecutorTest, InvalidRunsAreRefused) {
  ContainerRun run = Script("true");
  run.env.push_back("A=\xff");
  EXPECT_THAT(Run(run).exit, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));
  run = Script("true");
  run.id = "../x";
  EXPECT_THAT(Run(run).exit, StatusIs(absl::StatusCode::kInvalidArgument));
  run = Script("true");
  run.scratch = "relative";
  EXPECT_THAT(Run(run).exit, StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ExecutorTest, MountPointsBelowAnOpaqueDirectoryLeaveNoTrace) {
  WriteFile(Tree(2) + "/etc/config", "x");
  ASSERT_EQ(setxattr((Tree(2) + "/etc").c_str(), "trusted.overlay.opaque", "y", 1, 0), 0);
  timespec times[] = {{1000, 0}, {1000, 7}};
  ASSERT_EQ(utimensat(AT_FDCWD, (Tree(2) + "/etc").c_str(), times, 0), 0);
  ContainerRun run = Script("cat /etc/hosts; stat -c %Y /etc");
  run.lower = {1, 2};
  run.hosts = "hosts!\n";
  Result result = Run(run);
  EXPECT_THAT(result, ExitsWith(0));
  EXPECT_EQ(result.out, "hosts!\n1000\n");
  EXPECT_THAT(Written(run), IsEmpty());

  run = Script("echo > /etc/new");
  run.lower = {1, 2};
  EXPECT_THAT(Run(run), ExitsWith(0));
  EXPECT_THAT(Written(run), ElementsAre("etc", "etc/new"));
}

TEST_F(ExecutorTest, MountPointsThatALayerRemovedLeaveNoTrace) {
  ASSERT_OK(MakeDirectories(Tree(1) + "/etc"));
  WriteFile(Tree(1) + "/etc/hosts", "low");
  ASSERT_OK(MakeDirectories(Tree(2) + "/etc"));
  ASSERT_EQ(mknod((Tree(2) + "/etc/hosts").c_str(), S_IFCHR, 0), 0);
  ASSERT_EQ(mknod((Tree(2) + "/proc").c_str(), S_IFCHR, 0), 0);
  ContainerRun run = Script("cat /etc/hosts; echo > /file");
  run.lower = {1, 2};
  run.hosts = "ours";
  Result result = Run(run);
  EXPECT_THAT(result, ExitsWith(0));
  EXPECT_EQ(result.out, "ours");
  EXPECT_THAT(Written(run), ElementsAre("file"));
}

TEST_F(ExecutorTest, WhatIsCopiedUpFromAStubHasAFixedTime) {
  ContainerRun run = Script("chmod 711 /etc");
  EXPECT_THAT(Run(run), ExitsWith(0));
  EXPECT_THAT(Written(run), ElementsAre("etc"));
  struct stat status;
  ASSERT_EQ(stat((run.scratch + "/upper/etc").c_str(), &status), 0);
  EXPECT_EQ(status.st_mtim.tv_sec, 0);
  EXPECT_EQ(status.st_mode & 07777, 0711u);
}

TEST_F(ExecutorTest, RunsOnTheUpperDirectoryOfAnEarlierRun) {
  ContainerRun first = Script("echo one > /one; rm /bin/grep");
  EXPECT_THAT(Run(first), ExitsWith(0));
  ASSERT_EQ(rename((first.scratch + "/upper").c_str(), Tree(2).c_str()), 0);
  ContainerRun second = Script("cat /one; ls /bin/grep");
  second.lower = {1, 2};
  Result result = Run(second);
  EXPECT_THAT(result, ExitsWith(1));
  EXPECT_EQ(result.out, "one\n");
}

TEST_F(ExecutorTest, RunsWithRunc) {
  StartExecutor("runc");
  if (IsSkipped()) {
    return;
  }
  ContainerRun run = Script("echo out; echo > /file; grep Seccomp: /proc/self/status; exit 5");
  Result result = Run(run);
  EXPECT_THAT(result, ExitsWith(5));
  EXPECT_EQ(result.out, "out\nSeccomp:\t2\n");
  EXPECT_THAT(Written(run), ElementsAre("file"));
  run = Script("");
  run.argv = {"/bin/nope"};
  EXPECT_THAT(Run(run).exit,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/bin/nope")));
  EXPECT_FALSE(std::filesystem::exists("/sys/fs/cgroup/pids/zlayer/" + run.id));
}

TEST(ExecutorStartTest, SaysWhyItCannotRunContainers) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  ExecutorOptions options;
  options.trees_directory = testing::TempDir() + "/no-runtime-trees";
  options.runtime = "no-such-runtime";
  auto executor = Executor::Start(options);
  ASSERT_OK(executor);
  EXPECT_EQ((*executor)->unavailable_reason(),
            "there is no OCI runtime \"no-such-runtime\"; install it or name another one");
  EXPECT_THAT((*executor)->Run({}, [](std::string_view, bool) {}, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no-such-runtime")));
}

TEST(ExecutorStartTest, RefusesARelativeDirectory) {
  EXPECT_THAT(Executor::Start({"trees", ""}), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace zlayer
