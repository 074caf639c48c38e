#include "backends/native/file/owner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/native/testing/store_fixture.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class OwnerTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    files_ = Files(
        {Dir("etc"),
         File("etc/passwd",
              "root:x:0:0:root:/root:/bin/sh\n"
              "broken line\n"
              "app:x:1000:1001:App:/home/app:/bin/sh\n"
              "1000:x:7:7::/weird:/bin/sh\n"
              "big:x:4294967295:1::/:/bin/sh\n"),
         File("etc/group", "root:x:0:\napp:x:1001:\nextra:x:2000:other,app\nmore:x:1500:app\n")});
  }

  void ExpectOwner(std::string_view text, uint32_t uid, uint32_t gid) {
    const auto owner = ResolveOwner(files_, text);
    ASSERT_OK(owner) << text;
    EXPECT_EQ(owner->uid, uid) << text;
    EXPECT_EQ(owner->gid, gid) << text;
  }
  Filesystem files_;
};

TEST_F(OwnerTest, NamesAndNumbers) {
  ExpectOwner("app", 1000, 1001);
  ExpectOwner("app:extra", 1000, 2000);
  ExpectOwner("app:9", 1000, 9);
  ExpectOwner("55", 55, 55);
  ExpectOwner("55:root", 55, 0);
  ExpectOwner("1:2", 1, 2);
  ExpectOwner(":2", 0, 2);
  ExpectOwner("4294967294", 4294967294u, 4294967294u);
}

TEST_F(OwnerTest, WhatIsUnknownIsNamed) {
  EXPECT_THAT(ResolveOwner(files_, "nobody"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"nobody\"")));
  EXPECT_THAT(ResolveOwner(files_, "app:none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"none\"")));
  EXPECT_THAT(ResolveOwner(files_, "big"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ResolveOwner(files_, "4294967295"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(OwnerTest, ProcessesGetTheirGroupsAndHome) {
  ASSERT_OK_AND_ASSIGN(const ProcessUser app, ResolveUser(files_, "app"));
  EXPECT_EQ(app.uid, 1000u);
  EXPECT_EQ(app.gid, 1001u);
  EXPECT_THAT(app.additional_gids, ElementsAre(1500, 2000));
  EXPECT_EQ(app.home, "/home/app");
}

TEST_F(OwnerTest, AnExplicitGroupIsTheOnlyOne) {
  ASSERT_OK_AND_ASSIGN(const ProcessUser app, ResolveUser(files_, "app:extra"));
  EXPECT_EQ(app.gid, 2000u);
  EXPECT_THAT(app.additional_gids, IsEmpty());
}

TEST_F(OwnerTest, NumbersWithoutAnEntryAreInGroupZero) {
  ASSERT_OK_AND_ASSIGN(const ProcessUser user, ResolveUser(files_, "4711"));
  EXPECT_EQ(user.uid, 4711u);
  EXPECT_EQ(user.gid, 0u);
  EXPECT_EQ(user.home, "/");
}

TEST_F(OwnerTest, ANameThatIsANumberWins) {
  ASSERT_OK_AND_ASSIGN(const ProcessUser user, ResolveUser(files_, "1000"));
  EXPECT_EQ(user.uid, 7u);
}

TEST_F(OwnerTest, EmptyIsRootEvenWithoutFiles) {
  const Filesystem empty{.view = Rootfs(), .layers = &store_->layers()};
  ASSERT_OK_AND_ASSIGN(const ProcessUser user, ResolveUser(empty, ""));
  EXPECT_EQ(user.uid, 0u);
  EXPECT_EQ(user.home, "/root");
  EXPECT_OK(ResolveUser(empty, "root"));
  EXPECT_THAT(ResolveUser(empty, "app"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(ParseNumericOwnerTest, TakesNumbersOnly) {
  ASSERT_OK_AND_ASSIGN(const Owner both, ParseNumericOwner("5:6"));
  EXPECT_EQ(both.uid, 5u);
  EXPECT_EQ(both.gid, 6u);
  ASSERT_OK_AND_ASSIGN(const Owner one, ParseNumericOwner("5"));
  EXPECT_EQ(one.gid, 5u);
  for (const char* text : {"root", "0:root", "app:0"}) {
    EXPECT_THAT(ParseNumericOwner(text),
                StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::HasSubstr(text)));
  }
}

}  // namespace
}  // namespace zlayer
