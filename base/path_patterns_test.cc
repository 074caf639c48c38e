#include "base/path_patterns.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* pattern;
  const char* path;
  bool matches;
};

void Check(std::initializer_list<Case> cases) {
  for (const Case& c : cases) {
    const absl::StatusOr<PathPattern> pattern = PathPattern::Parse(c.pattern);
    ASSERT_OK(pattern);
    EXPECT_EQ(pattern->MatchesOrParent(c.path), c.matches) << c.pattern << " against " << c.path;
  }
}

TEST(PathPatternTest, EscapesAreThoseOfRegularExpressions) {
  Check({
      {"\\a", "a", false},     {"\\a", "\a", true},       {"x\\ty", "x\ty", true},
      {"\\d\\d", "42", true},  {"\\d", "x", false},       {"\\D", "x", true},
      {"\\D", "4", false},     {"\\w*", "_b", true},      {"\\W", "-", true},
      {"\\W", "Z", false},     {"a\\sb", "a b", true},    {"a\\Sb", "a b", false},
      {"\\*", "*", true},      {"\\_", "_", true},        {"\\-\\.", "-.", true},
      {"[\\d-z]", "-", true},  {"[\\d_]", "7", true},     {"[\\D]", "7", false},
      {"[\\]-a]", "^", true},  {"[^\\d]", "7", false},    {"[a\\-z]", "-", true},
      {"[a\\-z]", "b", false}, {"[\\t-\\r]", "\n", true}, {"a\\S", "a/", true},
  });
}

TEST(PathPatternTest, ACaretIsTheStartOfThePath) {
  Check({
      {"^*.c", "a.c", true},
      {"a^*", "a^b", false},
      {"**/^a*", "ab", true},
      {"**/^a*", "x/ab", false},
      {"a^b", "a^b", true},  // no expression is made of these
      {"a^**", "a^b/c", true},
      {"**/a^", "x/a^", true},
  });
}

TEST(PathPatternTest, AWildcardEndsItsClass) {
  Check({
      {"[*]", "*", false},
      {"[*]", "]", true},
      {"[*]", "[^/]", true},
      {"[?]", "?", false},
      {"[?]", "/]", true},
      {"[a*b]", "aab]", true},
      {"[a**b]", "/", true},
      {"[a**b]", "c", false},
      {"[a\\*]", "*", true},
  });
}

TEST(PathPatternTest, RefusesWhatExpressionsWouldMakeOfIt) {
  for (const char* text : {"\\e", "a\\x41", "\\1", "\\b*", "\\é", "[\\z]", "[z-a]", "[a-\\d]",
                           "[[:alpha:]]", "[*[\\]", "a[", "\\"}) {
    EXPECT_THAT(PathPattern::Parse(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("malformed")))
        << text;
  }
}

PathPatterns Patterns(std::initializer_list<const char*> texts) {
  PathPatterns patterns;
  for (std::string_view text : texts) {
    const bool keeps = text.starts_with('!');
    patterns.Add(PathPattern::Parse(text.substr(keeps ? 1 : 0)).value(), keeps);
  }
  return patterns;
}

TEST(PathPatternsTest, TheLastOneDecides) {
  const PathPatterns patterns = Patterns({"*", "!a", "a/b", "!a/b/c"});
  EXPECT_EQ(patterns.Decide("x/y"), 0u);
  EXPECT_EQ(patterns.Decide("a"), 1u);
  EXPECT_EQ(patterns.Decide("a/x/y"), 1u);
  EXPECT_EQ(patterns.Decide("a/b/x"), 2u);
  EXPECT_EQ(patterns.Decide("a/b/c/d"), 3u);
  EXPECT_EQ(Patterns({"a"}).Decide("b"), std::nullopt);
}

TEST(PathPatternsTest, OneThatChangesNothingForADirectoryDoesNotHoldBelow) {
  EXPECT_TRUE(Patterns({"**/*.o", "!dir"}).LeavesOut("dir/x.o"));
  EXPECT_FALSE(Patterns({"**/*.o", "!dir/*"}).LeavesOut("dir/x.o"));
  const PathPatterns patterns = Patterns({"*", "!*/keep", "dir"});
  EXPECT_TRUE(patterns.LeavesOut("dir"));
  EXPECT_FALSE(patterns.LeavesOut("dir/keep"));
  EXPECT_TRUE(patterns.LeavesOut("dir/other"));
}

TEST(PathPatternsTest, TellsWhetherALaterOneMayKeep) {
  const PathPatterns patterns = Patterns({"*", "!*/keep", "dir", "!x/y"});
  EXPECT_TRUE(patterns.MayKeepBelow("dir", 0));
  EXPECT_FALSE(patterns.MayKeepBelow("dir", 2));
  EXPECT_TRUE(patterns.MayKeepBelow("x", 2));
  EXPECT_TRUE(patterns.MayKeepBelow("", 2));
  EXPECT_FALSE(patterns.MayKeepBelow("", 3));
}

}  // namespace
}  // namespace zlayer
