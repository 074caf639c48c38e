#include "base/default_address.h"

#include <gtest/gtest.h>

namespace zlayer {
namespace {

TEST(DefaultAddressTest, RootHasOneForTheMachine) {
  EXPECT_EQ(DefaultAddressFor(0, "/run/user/0"), "unix:///run/zlayer/zlayerd.sock");
}

TEST(DefaultAddressTest, OthersHaveTheirOwn) {
  EXPECT_EQ(DefaultAddressFor(1000, "/run/user/1000"), "unix:///run/user/1000/zlayer/zlayerd.sock");
}

TEST(DefaultAddressTest, WithoutARuntimeDirectoryItIsBelowTmp) {
  EXPECT_EQ(DefaultAddressFor(1000, nullptr), "unix:///tmp/zlayer-1000/zlayerd.sock");
  EXPECT_EQ(DefaultAddressFor(1000, ""), "unix:///tmp/zlayer-1000/zlayerd.sock");
  EXPECT_EQ(DefaultAddressFor(1000, "run"), "unix:///tmp/zlayer-1000/zlayerd.sock");
}

}  // namespace
}  // namespace zlayer
