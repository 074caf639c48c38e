#include "registry/root_directory.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Runs `body` in a child process and returns its exit code.
int RunInChild(const std::function<int()>& body) {
  pid_t child = fork();
  if (child == 0) {
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class RootDirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "root"));
  }

  ScopedDirectory directory_;
};

TEST_F(RootDirectoryTest, MakesWhatIsMissingForItsOwnerOnly) {
  const std::string path = directory_.path() + "/deep/root";
  ASSERT_OK_AND_ASSIGN(RootDirectory root, OpenRootDirectory(path));
  EXPECT_EQ(root.path, std::filesystem::canonical(path));
  for (const char* name : {"", "/blobs", "/packs", "/indexes", "/trees", "/builds", "/tmp"}) {
    struct stat info;
    ASSERT_EQ(stat((root.path + name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_mode, S_IFDIR | 0700u) << name;
  }
  EXPECT_THAT(ReadFile(root.path + "/lock"), IsOkAndHolds(std::to_string(getpid()) + "\n"));
}

TEST_F(RootDirectoryTest, ItsPathIsAbsoluteAndWithoutLinks) {
  ASSERT_EQ(symlink(directory_.path().c_str(), (directory_.path() + "/link").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(RootDirectory root, OpenRootDirectory(directory_.path() + "/link/./root"));
  EXPECT_EQ(root.path, std::filesystem::canonical(directory_.path()).string() + "/root");
}

TEST_F(RootDirectoryTest, ASecondHolderIsToldThePidOfTheFirst) {
  ASSERT_OK_AND_ASSIGN(RootDirectory root, OpenRootDirectory(directory_.path()));
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  UniqueFd reader(pipe_fds[0]), writer(pipe_fds[1]);
  EXPECT_EQ(RunInChild([&] {
              auto second = OpenRootDirectory(directory_.path());
              return WriteFully(writer.get(), second.status().ToString()).ok() ? 0 : 1;
            }),
            0);
  writer.Reset();
  EXPECT_THAT(ReadAll(reader.get()),
              IsOkAndHolds(AllOf(HasSubstr("FAILED_PRECONDITION"), HasSubstr("--root"),
                                 HasSubstr("the process " + std::to_string(getpid())))));
}

TEST_F(RootDirectoryTest, TheLockIsFreeAgainAfterwards) {
  { ASSERT_OK(OpenRootDirectory(directory_.path())); }
  EXPECT_OK(OpenRootDirectory(directory_.path()));
}

TEST_F(RootDirectoryTest, WhatIsNoDirectoryIsRefused) {
  const std::string path = directory_.path() + "/file";
  ASSERT_OK(WriteFileAtomically(path, "x"));
  EXPECT_THAT(OpenRootDirectory(path), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                AllOf(HasSubstr(path), HasSubstr("--root"))));
}

TEST_F(RootDirectoryTest, OnlyItsOwnerMayWriteToIt) {
  ASSERT_EQ(chmod(directory_.path().c_str(), 0770), 0);
  EXPECT_THAT(OpenRootDirectory(directory_.path()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("chmod go-w")));
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  EXPECT_OK(OpenRootDirectory(directory_.path()));
}

// The child dies without cleaning up: what kill -9 leaves behind.
TEST_F(RootDirectoryTest, TheLockOfADeadProcessDoesNotCount) {
  EXPECT_EQ(RunInChild([&] {
              auto root = OpenRootDirectory(directory_.path());
              _exit(root.ok() ? 0 : 1);
              return 1;
            }),
            0);
  EXPECT_OK(OpenRootDirectory(directory_.path()));
}

TEST_F(RootDirectoryTest, ARootThatCannotBeMadeIsAnError) {
  EXPECT_THAT(OpenRootDirectory(""), StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_OK(WriteFileAtomically(directory_.path() + "/file", ""));
  EXPECT_FALSE(OpenRootDirectory(directory_.path() + "/file").ok());
  EXPECT_FALSE(OpenRootDirectory(directory_.path() + "/file/root").ok());
}

TEST_F(RootDirectoryTest, ARootOnOverlayfsIsRefused) {
  constexpr int kCannotMount = 77;
  const std::string base = directory_.path();
  int code = RunInChild([&] {
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", base.c_str(), "tmpfs", 0, nullptr) != 0) {
      return kCannotMount;
    }
    for (const char* name : {"lower", "upper", "work", "merged"}) {
      std::filesystem::create_directory(base + "/" + name);
    }
    std::string options =
        "lowerdir=" + base + "/lower,upperdir=" + base + "/upper,workdir=" + base + "/work";
    if (mount("overlay", (base + "/merged").c_str(), "overlay", 0, options.c_str()) != 0) {
      return kCannotMount;
    }
    auto root = OpenRootDirectory(base + "/merged/root");
    return absl::IsFailedPrecondition(root.status()) ? 0 : 1;
  });
  if (code == kCannotMount) {
    GTEST_SKIP() << "this process may not mount";
  }
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace zlayer
