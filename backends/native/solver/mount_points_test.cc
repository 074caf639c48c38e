#include "backends/native/solver/mount_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/layer/testing/entries.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MissingMountPointsTest, AnEmptyRootLacksAllOfThem) {
  EXPECT_THAT(
      MissingMountPoints(Rootfs()),
      IsOkAndHolds(ElementsAre("proc/", "sys/", "dev/", "etc/", "etc/hosts", "etc/resolv.conf")));
}

TEST(MissingMountPointsTest, WhatIsThereIsNotMissing) {
  const Rootfs view(
      {MakeIndex({DirectoryEntry("proc"), DirectoryEntry("sys"), DirectoryEntry("dev"),
                  DirectoryEntry("etc"), FileEntry("etc/hosts"), FileEntry("etc/resolv.conf")})});
  EXPECT_THAT(MissingMountPoints(view), IsOkAndHolds(IsEmpty()));
}

TEST(MissingMountPointsTest, LinksAreFollowedToWhereTheMountWillBe) {
  const Rootfs view({MakeIndex(
      {DirectoryEntry("proc"), DirectoryEntry("sys"), DirectoryEntry("dev"), DirectoryEntry("etc"),
       FileEntry("etc/hosts"), SymlinkEntry("etc/resolv.conf", "/run/systemd/stub.conf")})});
  EXPECT_THAT(MissingMountPoints(view),
              IsOkAndHolds(ElementsAre("run/", "run/systemd/", "run/systemd/stub.conf")));
}

TEST(MissingMountPointsTest, MoreArePossible) {
  const Rootfs view(
      {MakeIndex({DirectoryEntry("proc"), DirectoryEntry("sys"), DirectoryEntry("dev"),
                  DirectoryEntry("etc"), FileEntry("etc/hosts"), FileEntry("etc/resolv.conf")})});
  EXPECT_THAT(MissingMountPoints(view, {"etc/hosts", "srv/cache/", "srv/file"}),
              IsOkAndHolds(ElementsAre("srv/", "srv/cache/", "srv/file")));
}

TEST(MissingMountPointsTest, RemovedPlacesAreMissing) {
  const Rootfs view(
      {MakeIndex({DirectoryEntry("proc"), DirectoryEntry("sys"), DirectoryEntry("dev"),
                  DirectoryEntry("etc"), FileEntry("etc/hosts"), FileEntry("etc/resolv.conf")}),
       MakeIndex({DirectoryEntry("etc"), WhiteoutEntry("etc/hosts")})});
  EXPECT_THAT(MissingMountPoints(view), IsOkAndHolds(ElementsAre("etc/hosts")));
}

}  // namespace
}  // namespace zlayer
