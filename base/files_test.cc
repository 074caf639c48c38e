#include "base/files.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <set>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "files"));
  }
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  bool Exists(const std::string& name) const {
    struct stat info;
    return lstat(Path(name).c_str(), &info) == 0;
  }

  ScopedDirectory directory_;
};

TEST_F(FilesTest, AFileIsWrittenAndRead) {
  const std::string content("with a nul \0 inside", 19);
  ASSERT_OK(WriteFileAtomically(Path("a"), content, 0600));
  EXPECT_THAT(ReadFile(Path("a")), IsOkAndHolds(content));
  struct stat info;
  ASSERT_EQ(stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  ASSERT_OK(WriteFileAtomically(Path("a"), ""));
  EXPECT_THAT(ReadFile(Path("a")), IsOkAndHolds(""));
}

TEST_F(FilesTest, AFailedWriteLeavesTheOldFileAndNothingElse) {
  ASSERT_OK(MakeDirectories(Path("taken/by a directory")));
  EXPECT_THAT(WriteFileAtomically(Path("taken"), "x").ToString(), HasSubstr(Path("taken")));
  EXPECT_THAT(WriteFileAtomically(Path("none/a"), "x"), StatusIs(absl::StatusCode::kNotFound));
  std::filesystem::directory_iterator files(directory_.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(FilesTest, AMissingFileIsNamed) {
  EXPECT_THAT(ReadFile(Path("none")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(Path("none"))));
}

TEST_F(FilesTest, AFileOverTheLimitIsRefused) {
  ASSERT_OK(WriteFileAtomically(Path("a"), "12345"));
  EXPECT_THAT(ReadFile(Path("a"), 5), IsOkAndHolds("12345"));
  EXPECT_THAT(ReadFile(Path("a"), 4), StatusIs(absl::StatusCode::kResourceExhausted,
                                               AllOf(HasSubstr(Path("a")), HasSubstr("4 bytes"))));
  EXPECT_THAT(ReadFile("/dev/zero", 1 << 20), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(FilesTest, ReadAllBeginsAtThePositionAndReadsPipes) {
  ASSERT_OK(WriteFileAtomically(Path("a"), "12345"));
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, OpenFile(Path("a"), O_RDONLY));
  ASSERT_EQ(lseek(fd.get(), 2, SEEK_SET), 2);
  EXPECT_THAT(ReadAll(fd.get()), IsOkAndHolds("345"));
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  UniqueFd reader(ends[0]), writer(ends[1]);
  ASSERT_OK(WriteFully(writer.get(), "through a pipe"));
  writer.Reset();
  EXPECT_THAT(ReadAll(reader.get()), IsOkAndHolds("through a pipe"));
}

TEST_F(FilesTest, PositionedReadsAndWrites) {
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, OpenFile(Path("a"), O_RDWR | O_CREAT, 0600));
  ASSERT_OK(PwriteFully(fd.get(), "world", 6));
  ASSERT_OK(PwriteFully(fd.get(), "hello ", 0));
  char buffer[11];
  ASSERT_OK(PreadFully(fd.get(), buffer, 11, 0));
  EXPECT_EQ(std::string_view(buffer, 11), "hello world");
  ASSERT_OK(PreadFully(fd.get(), buffer, 3, 8));
  EXPECT_EQ(std::string_view(buffer, 3), "rld");
  EXPECT_THAT(PreadFully(fd.get(), buffer, 4, 8), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_FALSE(PwriteFully(-1, "x", 0).ok());
}

TEST_F(FilesTest, OpenedFilesAreClosedOnExec) {
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, OpenFile(directory_.path(), O_RDONLY | O_DIRECTORY));
  EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_THAT(OpenFileAt(fd.get(), "none", O_RDONLY),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

TEST_F(FilesTest, DirectoriesAreMadeWithTheirParents) {
  ASSERT_OK(MakeDirectories(Path("a/b/c"), 0700));
  struct stat info;
  ASSERT_EQ(stat(Path("a/b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode, S_IFDIR | 0700u);
  ASSERT_EQ(chmod(Path("a").c_str(), 0750), 0);
  EXPECT_OK(MakeDirectories(Path("a"), 0700));
  EXPECT_OK(MakeDirectories(Path("a/b/d/")));
  EXPECT_OK(MakeDirectories("/"));
  ASSERT_EQ(stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode, S_IFDIR | 0750u);
}

TEST_F(FilesTest, ADirectoryCannotBeMadeWhereAFileIs) {
  ASSERT_OK(WriteFileAtomically(Path("file"), ""));
  EXPECT_THAT(MakeDirectories(Path("file")), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(MakeDirectories(Path("file/below")).ToString(), HasSubstr("file/below"));
}

TEST_F(FilesTest, ATreeIsRemovedWithoutFollowingLinks) {
  ASSERT_OK(MakeDirectories(Path("tree/a/b")));
  ASSERT_OK(MakeDirectories(Path("outside")));
  ASSERT_OK(WriteFileAtomically(Path("outside/kept"), ""));
  ASSERT_OK(WriteFileAtomically(Path("tree/a/file"), ""));
  ASSERT_EQ(symlink(Path("outside").c_str(), Path("tree/a/link").c_str()), 0);
  ASSERT_EQ(mkfifo(Path("tree/fifo").c_str(), 0600), 0);
  ASSERT_OK(RemoveTree(Path("tree")));
  EXPECT_FALSE(Exists("tree"));
  EXPECT_TRUE(Exists("outside/kept"));
  EXPECT_OK(RemoveTree(Path("tree")));
  EXPECT_OK(RemoveTree(Path("none/at all")));
}

TEST_F(FilesTest, ALinkOrFileGivenItselfIsRemoved) {
  ASSERT_OK(MakeDirectories(Path("outside/kept")));
  ASSERT_EQ(symlink(Path("outside").c_str(), Path("link").c_str()), 0);
  ASSERT_OK(RemoveTree(Path("link")));
  EXPECT_FALSE(Exists("link"));
  EXPECT_TRUE(Exists("outside/kept"));
}

TEST_F(FilesTest, DirectoriesWithoutPermissionsAreRemoved) {
  ASSERT_OK(MakeDirectories(Path("tree/locked/inner")));
  ASSERT_EQ(chmod(Path("tree/locked/inner").c_str(), 0), 0);
  ASSERT_EQ(chmod(Path("tree/locked").c_str(), 0500), 0);
  EXPECT_OK(RemoveTree(Path("tree")));
  EXPECT_FALSE(Exists("tree"));
}

// Deeper than there are descriptors, and than a path can be long.
TEST_F(FilesTest, AVeryDeepTreeIsRemoved) {
  ASSERT_OK(MakeDirectories(Path("tree")));
  {
    ASSERT_OK_AND_ASSIGN(UniqueFd at, OpenFile(Path("tree"), O_RDONLY | O_DIRECTORY));
    for (int i = 0; i < 3000; ++i) {
      ASSERT_EQ(mkdirat(at.get(), "deeper", 0755), 0);
      if (i % 500 == 0) {
        ASSERT_OK(OpenFileAt(at.get(), "file", O_WRONLY | O_CREAT));
      }
      ASSERT_OK_AND_ASSIGN(at, OpenFileAt(at.get(), "deeper", O_RDONLY | O_DIRECTORY));
    }
  }
  EXPECT_OK(RemoveTree(Path("tree")));
  EXPECT_FALSE(Exists("tree"));
}

TEST_F(FilesTest, WhatIsMountedIsNotRemoved) {
  constexpr int kCannotMount = 77;
  ASSERT_OK(MakeDirectories(Path("outside/kept")));
  ASSERT_OK(MakeDirectories(Path("tree/mounted")));
  pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount(Path("outside").c_str(), Path("tree/mounted").c_str(), nullptr, MS_BIND, nullptr) !=
            0) {
      _exit(kCannotMount);
    }
    absl::Status status = RemoveTree(Path("tree"));
    _exit(absl::IsFailedPrecondition(status) && Exists("outside/kept") ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kCannotMount) {
    GTEST_SKIP() << "this process may not mount";
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(Exists("outside/kept"));
}

TEST_F(FilesTest, AScopedDirectoryGoesWithItsObject) {
  std::string first, second;
  {
    ASSERT_OK_AND_ASSIGN(ScopedDirectory one, ScopedDirectory::Make(directory_.path(), "one-"));
    ASSERT_OK_AND_ASSIGN(ScopedDirectory two, ScopedDirectory::Make(directory_.path(), "two-"));
    first = one.path();
    second = two.path();
    EXPECT_THAT(first, HasSubstr("/one-"));
    ASSERT_OK(WriteFileAtomically(first + "/file", ""));
    std::optional<ScopedDirectory> moved = std::move(one);
    EXPECT_EQ(moved->path(), first);
    EXPECT_EQ(access(first.c_str(), F_OK), 0);
    moved.reset();
    EXPECT_NE(access(first.c_str(), F_OK), 0);
    EXPECT_EQ(access(second.c_str(), F_OK), 0);
  }
  EXPECT_NE(access(second.c_str(), F_OK), 0);
  EXPECT_THAT(ScopedDirectory::Make(Path("none"), "x"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(FilesTest, AnUnnamedFileHasNoNameUntilItIsLinked) {
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, OpenUnnamedFile(directory_.path()));
  ASSERT_OK(WriteFully(fd.get(), "content"));
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
  ASSERT_OK(LinkUnnamedFile(fd.get(), Path("named")));
  EXPECT_THAT(ReadFile(Path("named")), IsOkAndHolds("content"));
  EXPECT_THAT(LinkUnnamedFile(fd.get(), Path("named")),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(Path("named"))));
}

TEST(RandomHexTest, IsLongAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    std::string hex = RandomHex();
    EXPECT_EQ(hex.size(), 32u);
    EXPECT_EQ(hex.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_TRUE(seen.insert(hex).second);
  }
}

TEST(UniqueFdTest, OwnsItsDescriptor) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int raw = ends[0];
  auto is_open = [raw] { return fcntl(raw, F_GETFD) >= 0; };
  UniqueFd other(ends[1]);
  {
    UniqueFd first(raw);
    UniqueFd second = std::move(first);
    EXPECT_FALSE(first.valid());
    EXPECT_EQ(second.get(), raw);
    EXPECT_EQ(second.Release(), raw);
    EXPECT_TRUE(is_open());
    first.Reset(raw);
  }
  EXPECT_FALSE(is_open());
}

}  // namespace
}  // namespace zlayer
