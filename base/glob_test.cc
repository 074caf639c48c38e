#include "base/glob.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* pattern;
  const char* name;
  bool matches;
};

// Most of these are the cases of Go's own tests of filepath.Match.
TEST(GlobTest, MatchesAsGoDoes) {
  const Case cases[] = {
      {"abc", "abc", true},
      {"*", "abc", true},
      {"*", "", true},
      {"*c", "abc", true},
      {"a*", "a", true},
      {"a*", "abc", true},
      {"a*", "ab/c", false},
      {"a*/b", "abc/b", true},
      {"a*/b", "a/c/b", false},
      {"a*b*c*d*e*/f", "axbxcxdxe/f", true},
      {"a*b*c*d*e*/f", "axbxcxdxexxx/f", true},
      {"a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false},
      {"a*b*c*d*e*/f", "axbxcxdxexxx/fff", false},
      {"a*b?c*x", "abxbbxdbxebxczzx", true},
      {"a*b?c*x", "abxbbxdbxebxczzy", false},
      {"ab[c]", "abc", true},
      {"ab[b-d]", "abc", true},
      {"ab[e-g]", "abc", false},
      {"ab[^c]", "abc", false},
      {"ab[^b-d]", "abc", false},
      {"ab[^e-g]", "abc", true},
      {"a\\*b", "a*b", true},
      {"a\\*b", "ab", false},
      {"a?b", "a☺b", true},
      {"a[^a]b", "a☺b", true},
      {"a???b", "a☺b", false},
      {"a[^a][^a][^a]b", "a☺b", false},
      {"[a-ζ]*", "α", true},
      {"*[a-ζ]", "A", false},
      {"a?b", "a/b", false},
      {"a*b", "a/b", false},
      {"[\\]a]", "]", true},
      {"[\\-]", "-", true},
      {"[x\\-]", "x", true},
      {"[x\\-]", "-", true},
      {"[x\\-]", "z", false},
      {"[\\-x]", "a", false},
      {"*x", "xxx", true},
      {"", "", true},
      {"", "a", false},
      {"a**b", "axxb", true},
      {"?", "\xff", true},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(GlobMatch(c.pattern, c.name), IsOkAndHolds(c.matches))
        << c.pattern << " against " << c.name;
  }
}

TEST(GlobTest, RefusesMalformedPatterns) {
  for (const char* pattern : {"[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "a[",
                              "\\", "a*\\", "[a", "[a-", "[\\", "[]"}) {
    EXPECT_THAT(GlobMatch(pattern, "a"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(pattern)));
    EXPECT_THAT(CheckGlob(pattern), StatusIs(absl::StatusCode::kInvalidArgument)) << pattern;
  }
  EXPECT_OK(CheckGlob("a/*/[a-z]?\\["));
}

TEST(GlobTest, StaysFastOnHostilePatterns) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) {
    pattern += "*a";
  }
  EXPECT_THAT(GlobMatch(pattern + "b", std::string(4000, 'a')), IsOkAndHolds(false));
}

TEST(GlobTest, FindsWildcards) {
  EXPECT_TRUE(HasGlob("a*"));
  EXPECT_TRUE(HasGlob("a?/b"));
  EXPECT_TRUE(HasGlob("[ab]"));
  EXPECT_TRUE(HasGlob("\\\\*"));
  EXPECT_FALSE(HasGlob("a/b.c"));
  EXPECT_FALSE(HasGlob("a\\*b\\[c"));
  EXPECT_FALSE(HasGlob("a\\"));
}

}  // namespace
}  // namespace zlayer
