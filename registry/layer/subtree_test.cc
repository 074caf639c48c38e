#include "registry/layer/subtree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/layer/rootfs.h"
#include "registry/layer/testing/entries.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<const LayerIndex> Layer() {
  return MakeIndex({DirectoryEntry("deps"), FileEntry("deps/a", "a"), DirectoryEntry("deps/sub"),
                    FileEntry("deps/sub/b", "b"), SymlinkEntry("deps/up", "../secret"),
                    HardLinkEntry("deps/x", "above"), HardLinkEntry("deps/y", "above"),
                    FileEntry("above", "shared"), FileEntry("deps2", ""),
                    SymlinkEntry("link", "deps/sub"), FileEntry("secret", "s")});
}

TEST(SubtreeOfTest, HasWhatIsBelowWithTheSamePositions) {
  const auto layer = Layer();
  ASSERT_OK_AND_ASSIGN(const Subtree deps, SubtreeOf(layer, "deps"));
  EXPECT_THAT(PathsOf(*deps.index), ElementsAre("a", "sub", "sub/b", "up", "x", "y"));
  for (size_t i = 0; i < deps.index->size(); ++i) {
    EXPECT_EQ(layer->PathAt(deps.first + i), "deps/" + std::string(deps.index->PathAt(i)));
  }
  EXPECT_EQ(deps.index->At(2).content, Digest::Of("b"));
}

TEST(SubtreeOfTest, AllOfItIsTheLayerItself) {
  const auto layer = Layer();
  for (const char* all : {"", ".", "/"}) {
    ASSERT_OK_AND_ASSIGN(const Subtree subtree, SubtreeOf(layer, all));
    EXPECT_EQ(subtree.index, layer);
    EXPECT_EQ(subtree.first, 0U);
  }
}

TEST(SubtreeOfTest, LinksLeadToADirectoryButNotOutOfIt) {
  ASSERT_OK_AND_ASSIGN(const Subtree linked, SubtreeOf(Layer(), "link"));
  EXPECT_THAT(PathsOf(*linked.index), ElementsAre("b"));
  ASSERT_OK_AND_ASSIGN(const Subtree deps, SubtreeOf(Layer(), "deps"));
  const Rootfs view({deps.index});
  ASSERT_OK_AND_ASSIGN(const std::string up, view.Resolve("up"));
  EXPECT_FALSE(view.Lookup(up).has_value());
}

TEST(SubtreeOfTest, AHardLinkWhoseLeaderIsElsewhereHasAnother) {
  ASSERT_OK_AND_ASSIGN(const Subtree deps, SubtreeOf(Layer(), "deps"));
  const Entry x = deps.index->At(deps.index->Find("x"));
  EXPECT_EQ(x.hard_link, "");
  EXPECT_EQ(x.content, Digest::Of("shared"));
  EXPECT_EQ(deps.index->At(deps.index->Find("y")).hard_link, "x");
}

TEST(SubtreeOfTest, WhatIsNoDirectoryIsNamed) {
  EXPECT_THAT(SubtreeOf(Layer(), "nope"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("nope")));
  EXPECT_THAT(SubtreeOf(Layer(), "deps/a"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("deps/a")));
  EXPECT_FALSE(SubtreeOf(Layer(), "deps/a/b").ok());
}

}  // namespace
}  // namespace zlayer
