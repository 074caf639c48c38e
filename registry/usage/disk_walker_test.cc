#include "registry/usage/disk_walker.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::UnorderedElementsAre;

class DiskWalkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "walker-"));
    ASSERT_OK(MakeDirectories(Path("t")));
  }

  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }

  void Write(const std::string& name, size_t size) {
    ASSERT_OK(WriteFileAtomically(Path(name), std::string(size, 'x')));
  }

  // What `du` says of the directory t.
  uint64_t Du() const {
    FILE* du = popen(("sync; du -s --block-size=1 " + Path("t")).c_str(), "r");
    unsigned long long bytes = 0;
    EXPECT_EQ(fscanf(du, "%llu", &bytes), 1);
    pclose(du);
    return bytes;
  }

  absl::StatusOr<uint64_t> Measure(std::stop_token stop = {}) const {
    DiskWalker walker(std::move(stop));
    absl::StatusOr<DiskWalker::Directory> root = walker.Open(directory_.path());
    if (!root.ok()) {
      return root.status();
    }
    return walker.Measure(root->fd, "t");
  }

  ScopedDirectory directory_;
};

TEST_F(DiskWalkerTest, CountsWhatDuCounts) {
  Write("t/empty", 0);
  Write("t/small", 1);
  Write("t/large", 1'000'000);
  ASSERT_OK(MakeDirectories(Path("t/a/b/c")));
  Write("t/a/b/c/f", 5000);
  ASSERT_EQ(symlink("/etc", Path("t/a/link").c_str()), 0);
  ASSERT_EQ(symlink(std::string(1000, 'l').c_str(), Path("t/a/long").c_str()), 0);
  ASSERT_EQ(mkfifo(Path("t/fifo").c_str(), 0600), 0);
  // Holes take no room.
  Write("t/sparse", 10);
  ASSERT_EQ(truncate(Path("t/sparse").c_str(), 1 << 30), 0);
  const uint64_t du = Du();
  EXPECT_THAT(Measure(), IsOkAndHolds(du));
  EXPECT_GT(du, 1'000'000u);
  EXPECT_LT(du, 1u << 30);
}

TEST_F(DiskWalkerTest, AFileWithSeveralNamesCountsOnce) {
  ASSERT_OK(MakeDirectories(Path("t/d")));
  Write("t/f", 100'000);
  ASSERT_EQ(link(Path("t/f").c_str(), Path("t/g").c_str()), 0);
  ASSERT_EQ(link(Path("t/f").c_str(), Path("t/d/h").c_str()), 0);
  // One more name elsewhere changes nothing.
  ASSERT_EQ(link(Path("t/f").c_str(), Path("outside").c_str()), 0);
  EXPECT_THAT(Measure(), IsOkAndHolds(Du()));
  DiskWalker walker({});
  ASSERT_OK_AND_ASSIGN(DiskWalker::Directory root, walker.Open(directory_.path()));
  ASSERT_OK_AND_ASSIGN(uint64_t first, walker.Measure(root.fd, "outside"));
  EXPECT_GE(first, 100'000u);
  ASSERT_OK_AND_ASSIGN(uint64_t rest, walker.Measure(root.fd, "t"));
  EXPECT_LT(rest, 100'000u);
}

TEST_F(DiskWalkerTest, DirectoriesDeeperThanAnyPath) {
  // Some 6,000 bytes and 600 levels deep, with a file at every tenth.
  const std::string name(9, 'd');
  int at = open(Path("t").c_str(), O_RDONLY | O_DIRECTORY);
  for (int level = 0; level < 600; ++level) {
    ASSERT_EQ(mkdirat(at, name.c_str(), 0700), 0);
    const int below = openat(at, name.c_str(), O_RDONLY | O_DIRECTORY);
    ASSERT_GE(below, 0);
    close(at);
    at = below;
    if (level % 10 == 0) {
      const int file = openat(at, "f", O_WRONLY | O_CREAT, 0600);
      ASSERT_EQ(write(file, name.data(), name.size()), 9);
      close(file);
    }
  }
  close(at);
  EXPECT_THAT(Measure(), IsOkAndHolds(Du()));
}

TEST_F(DiskWalkerTest, WhatIsMissingIsNothing) {
  DiskWalker walker({});
  ASSERT_OK_AND_ASSIGN(DiskWalker::Directory root, walker.Open(directory_.path()));
  EXPECT_THAT(walker.Measure(root.fd, "none"), IsOkAndHolds(0u));
  EXPECT_THAT(walker.Open(Path("none")), StatusIs(absl::StatusCode::kNotFound));
  Write("t/f", 1);
  EXPECT_THAT(walker.Open(Path("t/f")), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_EQ(symlink("t", Path("link").c_str()), 0);
  EXPECT_THAT(walker.Open(Path("link")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DiskWalkerTest, ListsNames) {
  Write("t/a", 1);
  Write("t/b", 1);
  DiskWalker walker({});
  ASSERT_OK_AND_ASSIGN(DiskWalker::Directory directory, walker.Open(Path("t")));
  std::vector<std::string> names;
  ASSERT_OK(walker.List(directory.fd, [&](const std::string& name) {
    names.push_back(name);
    return absl::OkStatus();
  }));
  EXPECT_THAT(names, UnorderedElementsAre("a", "b"));
  EXPECT_THAT(walker.List(directory.fd, [](const std::string&) { return absl::AbortedError("x"); }),
              StatusIs(absl::StatusCode::kAborted));
}

TEST_F(DiskWalkerTest, StopsWhenAskedTo) {
  Write("t/a", 1);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(Measure(stop.get_token()), StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace zlayer
