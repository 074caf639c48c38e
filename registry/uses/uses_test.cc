#include "registry/uses/uses.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace zlayer {
namespace {

class UsesTest : public ::testing::Test {
 protected:
  bool MayGo(int thing, Uses::Stamp since) {
    const bool may = things_.StartRemoving(thing, since);
    if (may) {
      things_.EndRemoving(thing);
    }
    return may;
  }

  Uses uses_;
  UsedThings<int> things_{&uses_};
};

TEST_F(UsesTest, WhatNobodyAtWorkWasToldOfMayGo) {
  EXPECT_TRUE(things_.TryTouch(1));
  EXPECT_FALSE(things_.InUse(1));
  const Uses::Work collection = uses_.BeginCollection();
  EXPECT_TRUE(MayGo(1, collection.since()));
  EXPECT_TRUE(MayGo(2, collection.since()));
}

TEST_F(UsesTest, WhatWasHandedOutDuringWorkStays) {
  EXPECT_TRUE(things_.TryTouch(1));
  const Uses::Work build = uses_.Begin();
  EXPECT_TRUE(things_.TryTouch(2));
  EXPECT_FALSE(things_.InUse(1));
  EXPECT_TRUE(things_.InUse(2));
  const Uses::Work collection = uses_.BeginCollection();
  EXPECT_TRUE(MayGo(1, collection.since()));
  EXPECT_FALSE(MayGo(2, collection.since()));
}

// The rows that the work wrote at its end are not among those that the collection read.
TEST_F(UsesTest, WorkThatEndsDuringACollectionCounts) {
  Uses::Work build = uses_.Begin();
  EXPECT_TRUE(things_.TryTouch(1));
  const Uses::Work collection = uses_.BeginCollection();
  build = Uses::Work();
  for (int i = 100; i < 10'000; ++i) {
    EXPECT_TRUE(things_.TryTouch(i));  // many: what is old would be forgotten
  }
  EXPECT_FALSE(MayGo(1, collection.since()));
}

TEST_F(UsesTest, WorkThatBeginsDuringACollectionCounts) {
  const Uses::Work collection = uses_.BeginCollection();
  {
    const Uses::Work build = uses_.Begin();
    EXPECT_TRUE(things_.TryTouch(1));
  }
  EXPECT_FALSE(MayGo(1, collection.since()));
}

TEST_F(UsesTest, WhatIsBeingRemovedIsNotHandedOut) {
  const Uses::Work collection = uses_.BeginCollection();
  ASSERT_TRUE(things_.StartRemoving(1, collection.since()));
  EXPECT_FALSE(things_.StartRemoving(1, collection.since()));
  EXPECT_FALSE(things_.TryTouch(1));
  std::atomic<bool> removed{false};
  std::jthread maker([&] {
    things_.Touch(1);
    EXPECT_TRUE(removed);
  });
  removed = true;
  things_.EndRemoving(1);
  maker.join();
  EXPECT_FALSE(MayGo(1, collection.since()));
}

TEST_F(UsesTest, AMovedWorkEndsOnce) {
  Uses::Work first = uses_.Begin();
  {
    const Uses::Work second = std::move(first);
    EXPECT_TRUE(things_.TryTouch(1));
    EXPECT_TRUE(things_.InUse(1));
  }
  EXPECT_FALSE(things_.InUse(1));
}

}  // namespace
}  // namespace zlayer
