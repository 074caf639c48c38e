// What is mounted into a container.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "backends/native/exec/executor_fixture.h"

namespace zlayer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Kind = ContainerMount::Kind;

class ExecutorMountsTest : public ExecutorFixture {
 protected:
  void SetUp() override {
    ExecutorFixture::SetUp();
    if (IsSkipped()) {
      return;
    }
    WriteFile(Tree(2) + "/data/a", "low");
    WriteFile(Tree(2) + "/data/gone", "low");
    WriteFile(Tree(3) + "/data/b", "high");
    ASSERT_EQ(mknod((Tree(3) + "/data/gone").c_str(), S_IFCHR, makedev(0, 0)), 0);
  }

  // Mounts `mount` on /mnt, which the root filesystem lacks, and runs the script.
  ContainerRun WithMount(const std::string& script, ContainerMount mount, bool is_file = false) {
    ContainerRun run = Script(script);
    run.mount_points.push_back(is_file ? "mnt" : "mnt/");
    if (mount.target.empty()) {
      mount.target = "/mnt";
    }
    run.mounts = {std::move(mount)};
    return run;
  }
};

TEST_F(ExecutorMountsTest, LayersAreMergedAndReadOnly) {
  ContainerRun run = WithMount("cat /mnt/data/*; ls /mnt/data; echo > /mnt/new",
                               {.kind = Kind::kTrees, .read_only = true, .lower = {2, 3}});
  const Result result = Run(run);
  EXPECT_EQ(result.out, "lowhigha\nb\n");
  EXPECT_THAT(result.err, HasSubstr("Read-only file system"));
  EXPECT_THAT(Written(run), IsEmpty());
}

TEST_F(ExecutorMountsTest, WhatIsWrittenToLayersIsThrownAway) {
  ContainerRun run = WithMount("echo x > /mnt/new && rm /mnt/data/a && ls /mnt /mnt/data",
                               {.kind = Kind::kTrees, .lower = {2, 3}});
  const Result result = Run(run);
  EXPECT_THAT(result, ExitsWith(0));
  EXPECT_EQ(result.out, "/mnt:\ndata\nnew\n\n/mnt/data:\nb\n");
  EXPECT_THAT(Written(run), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(Tree(3) + "/new"));
  EXPECT_TRUE(std::filesystem::exists(Tree(2) + "/data/a"));
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(run.scratch)) {
    left.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(left, ElementsAre("upper"));
}

TEST_F(ExecutorMountsTest, AFileOrDirectoryOfThem) {
  ContainerRun run = WithMount(
      "cat /mnt", {.kind = Kind::kTrees, .read_only = true, .lower = {2, 3}, .source = "data/b"},
      /*is_file=*/true);
  EXPECT_EQ(Run(run).out, "high");
  EXPECT_THAT(Written(run), IsEmpty());
  run = WithMount("ls /mnt", {.kind = Kind::kTrees, .lower = {2, 3}, .source = "data"});
  EXPECT_EQ(Run(run).out, "a\nb\n");
}

TEST_F(ExecutorMountsTest, NoLayersAreAnEmptyDirectory) {
  for (const bool read_only : {false, true}) {
    ContainerRun run =
        WithMount("ls -A /mnt | wc -l", {.kind = Kind::kTrees, .read_only = read_only});
    EXPECT_EQ(Run(run).out, "0\n");
  }
}

TEST_F(ExecutorMountsTest, ADirectoryOfTheMachineKeepsWhatIsWritten) {
  const std::string cache = root_.path() + "/cache";
  ASSERT_OK(MakeDirectories(cache));
  ContainerRun run =
      WithMount("echo kept > /mnt/file", {.kind = Kind::kDirectory, .source = cache});
  EXPECT_THAT(Run(run), ExitsWith(0));
  EXPECT_THAT(ReadFile(cache + "/file"), IsOkAndHolds("kept\n"));
  EXPECT_THAT(Written(run), IsEmpty());
  run = WithMount("cat /mnt/file; echo > /mnt/other",
                  {.kind = Kind::kDirectory, .read_only = true, .source = cache});
  const Result result = Run(run);
  EXPECT_EQ(result.out, "kept\n");
  EXPECT_THAT(result.err, HasSubstr("Read-only file system"));
}

TEST_F(ExecutorMountsTest, TmpfsHasItsSizeAndMode) {
  ContainerRun run = WithMount(
      "stat -c %a /mnt; dd if=/dev/zero of=/mnt/big bs=1024 count=100 2>/dev/null || echo full",
      {.kind = Kind::kTmpfs, .size_bytes = 65536, .mode = 0711});
  EXPECT_EQ(Run(run).out, "711\nfull\n");
  EXPECT_THAT(Written(run), IsEmpty());
  run = WithMount("stat -c %a /mnt", {.kind = Kind::kTmpfs});
  EXPECT_EQ(Run(run).out, "1777\n");
}

TEST_F(ExecutorMountsTest, MountsLieInEachOther) {
  ContainerRun run = WithMount("ls /mnt /mnt/in; cat /mnt/f", {.kind = Kind::kTmpfs});
  run.mounts.push_back({.kind = Kind::kTrees, .target = "/mnt/in", .lower = {2}});
  run.mounts.push_back(
      {.kind = Kind::kTrees, .target = "/mnt/f", .lower = {2}, .source = "data/a"});
  EXPECT_EQ(Run(run).out, "/mnt:\nf\nin\n\n/mnt/in:\ndata\nlow");
  EXPECT_THAT(Written(run), IsEmpty());
}

TEST_F(ExecutorMountsTest, OneReplacesTheContainersOwn) {
  ContainerRun run = WithMount("mount | grep -c ' /dev/shm '; mount | grep ' /dev/shm '",
                               {.kind = Kind::kTmpfs, .target = "/dev/shm", .size_bytes = 1 << 20});
  EXPECT_THAT(Run(run).out, testing::AllOf(testing::StartsWith("1\n"), HasSubstr("size=1024k")));
}

TEST_F(ExecutorMountsTest, WhatTheRootFilesystemHasIsCoveredAndUnharmed) {
  WriteFile(Tree(1) + "/mnt/under", "u");
  timespec times[] = {{1'000'000, 0}, {1'000'000, 5}};
  ASSERT_EQ(utimensat(AT_FDCWD, (Tree(1) + "/mnt").c_str(), times, 0), 0);
  ContainerRun run = WithMount("ls /mnt; touch /mnt/x", {.kind = Kind::kTmpfs});
  EXPECT_EQ(Run(run).out, "");
  EXPECT_THAT(Written(run), IsEmpty());
}

TEST_F(ExecutorMountsTest, ManyLayersGoThroughCalls) {
  ContainerMount mount{.kind = Kind::kTrees, .read_only = true};
  for (uint64_t tree = 1000; tree < 1450; ++tree) {
    WriteFile(Tree(tree) + "/file", std::to_string(tree));
    mount.lower.push_back(tree);
  }
  const ContainerRun run = WithMount("cat /mnt/file", mount);
  const Result result = Run(run);
  if (!result.exit.ok()) {
    GTEST_SKIP() << "this kernel lacks lowerdir+: " << result.exit.status();
  }
  EXPECT_EQ(result.out, "1449");
}

TEST_F(ExecutorMountsTest, TheRootAndRelativePlacesAreRefused) {
  for (const char* target : {"/", "mnt"}) {
    EXPECT_THAT(Run(WithMount("true", {.target = target})).exit,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(target)));
  }
}

}  // namespace
}  // namespace zlayer
