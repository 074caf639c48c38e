#include "backends/native/solver/mount_points.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "base/files.h"
#include "registry/layer/testing/entries.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MissingMountPointsTest, AnEmptyRootLacksAllOfThem) {
  EXPECT_THAT(MissingMountPoints(Rootfs()),
              IsOkAndHolds(ElementsAre("proc/", "sys/", "dev/", "etc/", "etc/hosts",
                                       "etc/resolv.conf")));
}

TEST(MissingMountPointsTest, WhatIsThereIsNotMissing) {
  const Rootfs view({MakeIndex({DirectoryEntry("proc"), DirectoryEntry("sys"),
                                DirectoryEntry("dev"), DirectoryEntry("etc"),
                                FileEntry("etc/hosts"), FileEntry("etc/resolv.conf")})});
  EXPECT_THAT(MissingMountPoints(view), IsOkAndHolds(IsEmpty()));
}

TEST(MissingMountPointsTest, LinksAreFollowedToWhereTheMountWillBe) {
  const Rootfs view({MakeIndex({DirectoryEntry("proc"), DirectoryEntry("sys"),
                                DirectoryEntry("dev"), DirectoryEntry("etc"),
                                FileEntry("etc/hosts"),
                                SymlinkEntry("etc/resolv.conf", "/run/systemd/stub.conf")})});
  EXPECT_THAT(MissingMountPoints(view),
              IsOkAndHolds(ElementsAre("run/", "run/systemd/", "run/systemd/stub.conf")));
}

TEST(MissingMountPointsTest, RemovedPlacesAreMissing) {
  const Rootfs view({MakeIndex({DirectoryEntry("proc"), DirectoryEntry("sys"),
                                DirectoryEntry("dev"), DirectoryEntry("etc"),
                                FileEntry("etc/hosts"), FileEntry("etc/resolv.conf")}),
                     MakeIndex({DirectoryEntry("etc"), WhiteoutEntry("etc/hosts")})});
  EXPECT_THAT(MissingMountPoints(view), IsOkAndHolds(ElementsAre("etc/hosts")));
}

class RemoveMountPointsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "upper-"));
    ASSERT_OK(MakeDirectories(Path("etc")));
    ASSERT_OK(MakeDirectories(Path("proc")));
  }
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  bool Exists(const std::string& name) const {
    struct stat file;
    return lstat(Path(name).c_str(), &file) == 0;
  }
  ScopedDirectory directory_;
};

TEST_F(RemoveMountPointsTest, RemovesEmptyOnesAndKeepsTimesOfTheParent) {
  ASSERT_OK(WriteFileAtomically(Path("etc/hosts"), ""));
  const timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 5}, {.tv_sec = 1000, .tv_nsec = 5}};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("etc").c_str(), times, 0), 0);
  ASSERT_OK(RemoveMountPoints(directory_.path(), {"proc/", "etc/hosts"}));
  EXPECT_FALSE(Exists("proc"));
  EXPECT_FALSE(Exists("etc/hosts"));
  struct stat etc;
  ASSERT_EQ(lstat(Path("etc").c_str(), &etc), 0);
  EXPECT_EQ(etc.st_mtim.tv_sec, 1000);
}

TEST_F(RemoveMountPointsTest, KeepsWhatTheCommandFilled) {
  ASSERT_OK(WriteFileAtomically(Path("etc/hosts"), "content"));
  ASSERT_OK(WriteFileAtomically(Path("proc/file"), "content"));
  ASSERT_OK(RemoveMountPoints(directory_.path(), {"proc/", "etc/hosts", "missing/file"}));
  EXPECT_TRUE(Exists("proc/file"));
  EXPECT_TRUE(Exists("etc/hosts"));
}

}  // namespace
}  // namespace zlayer
