#include "backends/graph/sources.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "registry/layer/testing/entries.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::shared_ptr<const LayerIndex> Context() {
  return MakeIndex({DirectoryEntry("src"), FileEntry("src/a.c", "a"), FileEntry("src/b.c", "b"),
                    FileEntry("src/c.h", "c"), DirectoryEntry("src/deep"),
                    FileEntry("src/deep/d.c", "d"), FileEntry("top.txt", "t"),
                    FileEntry("odd[1]", "o"), SymlinkEntry("link", "src/deep"),
                    SymlinkEntry("escape", "../../../top.txt"), SymlinkEntry("broken", "nowhere"),
                    SymlinkEntry("loop", "loop")});
}

std::vector<std::string> Match(const std::string& pattern) {
  const auto matches = MatchSource(Rootfs({Context()}), pattern);
  EXPECT_OK(matches);
  std::vector<std::string> text;
  for (const SourceMatch& match : matches.ok() ? *matches : std::vector<SourceMatch>()) {
    text.push_back(match.name + "=" + match.path);
  }
  return text;
}

TEST(MatchSourceTest, PlainPaths) {
  EXPECT_THAT(Match("src/a.c"), ElementsAre("a.c=src/a.c"));
  EXPECT_THAT(Match("/src/../top.txt"), ElementsAre("top.txt=top.txt"));
  EXPECT_THAT(Match("../../src/"), ElementsAre("src=src"));
  EXPECT_THAT(Match("."), ElementsAre("="));
  EXPECT_THAT(Match("/"), ElementsAre("="));
}

TEST(ShownPathTest, IsWhatTheUserKnows) {
  v1::Input input;
  input.set_context("");
  EXPECT_EQ(ShownPath(input, "src/a.c"), "src/a.c");
  EXPECT_EQ(ShownPath(input, ""), ".");
  input.set_directory("deps");
  EXPECT_EQ(ShownPath(input, "a.c"), "deps/a.c");
  EXPECT_EQ(ShownPath(input, ""), "deps");
  v1::Input stage;
  stage.set_stage(0);
  EXPECT_EQ(ShownPath(stage, "out/a.o"), "/out/a.o");
}

TEST(MatchSourceTest, WildcardsMatchWithinOneComponent) {
  EXPECT_THAT(Match("src/*.c"), ElementsAre("a.c=src/a.c", "b.c=src/b.c"));
  EXPECT_THAT(Match("s*/[ab].?"), ElementsAre("a.c=src/a.c", "b.c=src/b.c"));
  EXPECT_THAT(Match("*.c"), IsEmpty());
  EXPECT_THAT(Match("src/*/d.c"), ElementsAre("d.c=src/deep/d.c"));
}

TEST(MatchSourceTest, BackslashTakesTheMeaningOfWildcards) {
  EXPECT_THAT(Match("odd\\[1]"), ElementsAre("odd[1]=odd[1]"));
}

TEST(MatchSourceTest, LinksAreFollowedAndStayBelowTheRoot) {
  EXPECT_THAT(Match("link"), ElementsAre("link=src/deep"));
  EXPECT_THAT(Match("link/d.c"), ElementsAre("d.c=src/deep/d.c"));
  EXPECT_THAT(Match("escape"), ElementsAre("escape=top.txt"));
}

TEST(MatchSourceTest, WhatIsMissingIsNamed) {
  const Rootfs view({Context()});
  for (const char* path : {"nope", "src/nope", "top.txt/x", "broken"}) {
    EXPECT_THAT(MatchSource(view, path), StatusIs(absl::StatusCode::kNotFound, HasSubstr(path)))
        << path;
  }
  EXPECT_FALSE(MatchSource(view, "loop").ok());
  EXPECT_THAT(MatchSource(view, "src/[a"), StatusIs(absl::StatusCode::kInvalidArgument));
}

std::vector<std::string> Selected(const std::string& graph_text) {
  v1::Graph graph;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(graph_text, &graph));
  const auto index = Context();
  const std::vector<bool> selected = SelectFromContext(graph, "", index);
  std::vector<std::string> paths;
  for (size_t i = 0; i < index->size(); ++i) {
    if (selected[i] && index->TypeAt(i) != EntryType::kSymlink) {
      paths.emplace_back(index->PathAt(i));
    }
  }
  return paths;
}

TEST(SelectFromContextTest, SelectsWhatNeededStagesCopyWithItsParents) {
  EXPECT_THAT(Selected(R"(
    stages { operations { scratch {} }
      operations { copy { sources { from { context: "" } path: "top.txt" } destination: "/" } } }
    stages { operations { scratch {} }
      operations { copy { sources { from { context: "" } path: "link" } destination: "/" } }
      operations { copy { sources { from { context: "other" } path: "src" } destination: "/" } } }
    targets: 1)"),
              ElementsAre("src", "src/deep", "src/deep/d.c"));
}

TEST(SelectFromContextTest, SelectsOnlyWhatIncludesAndExcludesLeave) {
  EXPECT_THAT(Selected(R"(stages { operations { scratch {} }
      operations { copy { sources { from { context: "" } path: "src" } destination: "/"
                          exclude: "*.c" exclude: "!b.c" } } } targets: 0)"),
              ElementsAre("src", "src/b.c", "src/c.h", "src/deep", "src/deep/d.c"));
  EXPECT_THAT(Selected(R"(stages { operations { scratch {} }
      operations { copy { sources { from { context: "" } path: "src/./**/*.c" } destination: "/"
                          parents: true exclude: "a.c" } } } targets: 0)"),
              ElementsAre("src", "src/b.c", "src/deep", "src/deep/d.c"));
}

TEST(SelectFromContextTest, SelectsWhatIsMounted) {
  EXPECT_THAT(Selected(R"(stages { operations { scratch {} }
      operations { run { mounts { from { context: "" } source: "/link" } } }
      operations { run { mounts { from { context: "" } source: "odd[1]" } } }
      operations { run { mounts { from { context: "other" } source: "top.txt" } } } } targets: 0)"),
              ElementsAre("odd[1]", "src", "src/deep", "src/deep/d.c"));
}

TEST(SelectFromContextTest, SelectsBelowTheDirectoryOfAnInput) {
  EXPECT_THAT(Selected(R"(stages { operations { scratch {} }
      operations { copy { sources { from { context: "" directory: "src" } path: "*.h" }
                          destination: "/" } }
      operations { copy { sources { from { context: "" directory: "src" } path: "../top.txt" }
                          destination: "/" } }
      operations { run { mounts { from { context: "" directory: "link" } source: "d.c" } } }
      operations { run { mounts { from { context: "" directory: "nope" } source: "" } } }
      } targets: 0)"),
              ElementsAre("src", "src/c.h", "src/deep", "src/deep/d.c"));
}

TEST(SplitParentsSourceTest, TakesApartAtTheFirstPivot) {
  ASSERT_OK_AND_ASSIGN(const ParentsSource plain, SplitParentsSource("./a/b/."));
  EXPECT_EQ(plain.root, "");
  EXPECT_EQ(plain.include, "a/b");
  ASSERT_OK_AND_ASSIGN(const ParentsSource pivot, SplitParentsSource("/a/./b/./c"));
  EXPECT_EQ(pivot.root, "a");
  EXPECT_EQ(pivot.include, "b/c");
  EXPECT_FALSE(SplitParentsSource("a/./[b").ok());
}

TEST(SelectFromContextTest, SelectsNothingWhereNothingIsCopied) {
  EXPECT_THAT(Selected("stages { operations { scratch {} } } targets: 0"), IsEmpty());
}

TEST(SelectFromContextTest, LinksAreAlwaysThere) {
  const auto index = Context();
  v1::Graph graph;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "stages { operations { scratch {} } } targets: 0", &graph));
  EXPECT_TRUE(SelectFromContext(graph, "", index)[index->Find("link")]);
}

}  // namespace
}  // namespace zlayer
