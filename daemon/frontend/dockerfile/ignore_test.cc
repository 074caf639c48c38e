#include "daemon/frontend/dockerfile/ignore.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

IgnoreRules Rules(std::string_view text) {
  absl::StatusOr<IgnoreRules> rules = IgnoreRules::Parse(text, ".dockerignore");
  EXPECT_OK(rules);
  return rules.ok() ? *std::move(rules) : IgnoreRules();
}

bool Ignored(std::string_view text, std::string_view path) {
  return Rules(text).Matches(path).ignored;
}

struct Case {
  const char* pattern;
  const char* path;
  bool ignored;
};

TEST(IgnoreTest, MatchesAsPatternmatcherDoes) {
  const Case cases[] = {
      {"**", "file", true},
      {"**", "dir/file", true},
      {"**/", "file", true},
      {"**/", "dir/file", true},
      {"**/**", "dir/file", true},
      {"dir/**", "dir/file", true},
      {"dir/**", "dir/dir2/file", true},
      {"dir/**", "dir", false},
      {"dir/**/", "dir/file", true},
      {"**/dir", "dir", true},
      {"**/dir", "dir/file", true},
      {"**/dir2/*", "dir/dir2/file", true},
      {"**/dir2/*", "dir/dir2/dir2/file", true},
      {"**/dir2/**", "dir/dir2/dir2/file", true},
      {"**file", "file", true},
      {"**file", "dir/file", true},
      {"**file", "dir/myfile", true},
      {"**/file", "dir/myfile", false},
      {"**/file", "dir/dir/file", true},
      {"**/file*", "dir/dir/file.txt", true},
      {"**/file*txt", "dir/dir/file.txt", true},
      {"**/file*.txt*", "dir/dir/file.txt", true},
      {"**/**/*.txt", "dir/dir/file.txt", true},
      {"**/**/*.txt2", "dir/dir/file.txt", false},
      {"**/*.txt", "file.txt", true},
      {"**/**/*.txt", "file.txt", true},
      {"a**/*.txt", "a/file.txt", true},
      {"a**/*.txt", "a/dir/file.txt", true},
      {"a**/*.txt", "a/dir/dir/file.txt", true},
      {"a/*.txt", "a/dir/file.txt", false},
      {"a/*.txt", "a/file.txt", true},
      {"a/*.txt**", "a/file.txt", true},
      {"a**b", "a/x/b", true},
      {"foo**", "foobar/x", true},
      {"a[b-d]e", "ae", false},
      {"a[b-d]e", "ace", true},
      {"a[^b-d]e", "aze", true},
      {"a[\\]b]e", "a]e", true},
      {".*", ".foo", true},
      {".*", "foo", false},
      {"abc.def", "abcdef", false},
      {"abc?def", "abcZdef", true},
      {"abc?def", "abc/def", false},
      {"a\\\\", "a\\", true},
      {"a\\*", "a*", true},
      {"a\\*", "ab", false},
      {"**/foo/bar", "foo/bar", true},
      {"**/foo/bar", "dir/foo/bar", true},
      {"**/foo/bar", "dir/dir2/foo/bar", true},
      {"abc/**", "abc/def/ghi", true},
      {"**/.foo", ".foo", true},
      {"**/.foo", "bar.foo", false},
      {"a?c", "a한c", true},
      {"[^한]", "글", true},
      {"*", "a/b", true},
      {"/a", "a", true},
      {"./a//b/", "a/b/c", true},
      {"a/../b", "b", true},
      {"../a", "a", false},
      {"  a  ", "a", true},
      {".", "a", false},
      {"/", "a", false},
      {"a", "ab", false},
      {"a/b", "a", false},
      {"a+b(c)|$", "a+b(c)|$", true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Ignored(c.pattern, c.path), c.ignored) << c.pattern << " against " << c.path;
  }
}

TEST(IgnoreTest, TheLastMatchDecides) {
  const std::string_view text = "*.md\n!README*.md\nREADME-secret.md\n";
  EXPECT_TRUE(Ignored(text, "a.md"));
  EXPECT_FALSE(Ignored(text, "README.md"));
  EXPECT_TRUE(Ignored(text, "README-secret.md"));
  EXPECT_EQ(Rules(text).Matches("README-secret.md").line, 3);
  EXPECT_EQ(Rules(text).Matches("README.md").line, 2);
  EXPECT_EQ(Rules(text).Matches("x").line, 0);
  EXPECT_TRUE(Ignored("!a\na", "a"));
}

TEST(IgnoreTest, KeepsBelowIgnoredDirectories) {
  const std::string_view text = "dir\n!dir/keep\n";
  EXPECT_TRUE(Ignored(text, "dir"));
  EXPECT_TRUE(Ignored(text, "dir/other/x"));
  EXPECT_FALSE(Ignored(text, "dir/keep"));
  EXPECT_FALSE(Ignored(text, "dir/keep/below"));
}

TEST(IgnoreTest, AllowListWorks) {
  const std::string_view text = "**\n!src/**/*.cc\n!Makefile";
  EXPECT_TRUE(Ignored(text, "src"));
  EXPECT_FALSE(Ignored(text, "src/a.cc"));
  EXPECT_FALSE(Ignored(text, "src/x/y/a.cc"));
  EXPECT_TRUE(Ignored(text, "src/x/a.h"));
  EXPECT_FALSE(Ignored(text, "Makefile"));
}

TEST(IgnoreTest, TellsWhereAWalkMustDescend) {
  const IgnoreRules rules = Rules("**\n!src/**/*.cc\n!a/b/c\n!d*/x\n");
  EXPECT_TRUE(rules.MayContainKept("src"));
  EXPECT_TRUE(rules.MayContainKept("src/any/depth"));
  EXPECT_TRUE(rules.MayContainKept("a"));
  EXPECT_TRUE(rules.MayContainKept("a/b"));
  EXPECT_FALSE(rules.MayContainKept("a/c"));
  EXPECT_FALSE(rules.MayContainKept("a/bc"));
  EXPECT_TRUE(rules.MayContainKept("docs"));
  EXPECT_FALSE(rules.MayContainKept("node_modules"));
  EXPECT_FALSE(Rules("a\n!b").MayContainKept("a"));
  EXPECT_FALSE(Rules("!a/x\na").MayContainKept("a"));
  EXPECT_TRUE(Rules("a\n!**/x").MayContainKept("a/b"));
  EXPECT_TRUE(Rules("a\n!a/**").MayContainKept("a"));
}

TEST(IgnoreTest, WhatMayBeKeptAgreesWithWhatIsKept) {
  const IgnoreRules rules = Rules("*\n!a*/**/k?\n!**/z\nab/q\n!ab/q/[xy]\n");
  const char* names[] = {"ab", "q", "k1", "z", "x", "zz"};
  for (const char* first : names) {
    for (const char* second : names) {
      for (const char* third : names) {
        const std::string directory = std::string(first) + "/" + second;
        const bool kept = !rules.Matches(directory + "/" + third).ignored;
        if (kept && rules.Matches(directory).ignored) {
          EXPECT_TRUE(rules.MayContainKept(directory)) << directory << "/" << third;
        }
      }
    }
  }
}

TEST(IgnoreTest, SkipsCommentsAndBlankLines) {
  const std::string_view text = "\xef\xbb\xbf# a comment\r\n\r\n  \na\r\n #b\n";
  EXPECT_TRUE(Ignored(text, "a"));
  EXPECT_TRUE(Ignored(text, "#b"));
  EXPECT_FALSE(Ignored(text, "# a comment"));
  EXPECT_EQ(Rules(text).Matches("a").line, 4);
  EXPECT_TRUE(Rules("\n#x\n").empty());
}

TEST(IgnoreTest, NeverIgnoresTheRoot) {
  EXPECT_FALSE(Ignored("**", ""));
  EXPECT_FALSE(Ignored("**", "."));
}

TEST(IgnoreTest, RefusesWithFileAndLine) {
  EXPECT_THAT(IgnoreRules::Parse("a\n[b\n", "x/.dockerignore"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("x/.dockerignore:2: ")));
  EXPECT_THAT(IgnoreRules::Parse("!\n", "i"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("i:1: \"!\"")));
  EXPECT_THAT(IgnoreRules::Parse("a\\", "i"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(IgnoreRules::Parse(std::string(5000, 'a'), "i"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("4096")));
  EXPECT_THAT(IgnoreRules::Parse(std::string(2 << 20, '\n'), "i"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 MiB")));
  std::string many;
  for (int i = 0; i < 10'001; ++i) {
    many += "a\n";
  }
  EXPECT_THAT(IgnoreRules::Parse(many, "i"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("i:10001: ")));
}

TEST(IgnoreTest, StaysFastOnHostilePatterns) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) {
    pattern += "*a**/";
  }
  EXPECT_FALSE(Ignored(pattern + "b", std::string(4000, 'a')));
}

int LineOf(std::string_view text, std::string_view source) {
  const auto rules = IgnoreRules::Parse(text, "f");
  return rules.ok() ? rules->LineThatIgnores(source) : -1;
}

TEST(LineThatIgnoresTest, IsOfTheRuleThatDecides) {
  EXPECT_EQ(LineOf("a\n*.o\n", "x.o"), 2);
  EXPECT_EQ(LineOf("a\n", "a/b"), 1);
  EXPECT_EQ(LineOf("a\n", "./a/"), 1);
  EXPECT_EQ(LineOf("a\n", "/a"), 1);
  EXPECT_EQ(LineOf("a\n", "b"), 0);
  EXPECT_EQ(LineOf("", "b"), 0);
}

TEST(LineThatIgnoresTest, NothingIsSaidWhereSomethingMayBeKept) {
  EXPECT_EQ(LineOf("*\n!a\n", "a"), 0);
  EXPECT_EQ(LineOf("*\n!a/b\n", "a"), 0);
  EXPECT_EQ(LineOf("*\n!a/b\n", "a/*"), 0);
  EXPECT_EQ(LineOf("*\n!a/b\n", "*"), 0);
  EXPECT_EQ(LineOf("!a\n*\n", "a"), 2);
  EXPECT_EQ(LineOf("*\n!a\n", "b"), 1);
}

TEST(LineThatIgnoresTest, SourcesMayHaveWildcardsOrBeTheRoot) {
  EXPECT_EQ(LineOf("*.txt\n", "*.txt"), 1);
  EXPECT_EQ(LineOf("dir\n", "dir/*"), 1);
  EXPECT_EQ(LineOf("a.txt\n", "*.txt"), 0);
  EXPECT_EQ(LineOf("a\n*\n", "."), 2);
  EXPECT_EQ(LineOf("**\n", "/"), 1);
  EXPECT_EQ(LineOf("a\n", "."), 0);
}

}  // namespace
}  // namespace zlayer
