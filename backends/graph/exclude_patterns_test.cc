#include "backends/graph/exclude_patterns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

bool Excludes(const std::vector<std::string>& patterns, std::string_view path) {
  absl::StatusOr<ExcludePatterns> parsed = ExcludePatterns::Parse(patterns);
  EXPECT_OK(parsed);
  return parsed.ok() && parsed->Matches(path);
}

TEST(ExcludePatternsTest, AreRelativeAndHoldForWhatIsInADirectory) {
  EXPECT_TRUE(Excludes({"*.md"}, "a.md"));
  EXPECT_FALSE(Excludes({"*.md"}, "dir/a.md"));
  EXPECT_TRUE(Excludes({"**/*.md"}, "dir/a.md"));
  EXPECT_TRUE(Excludes({"dir"}, "dir/deep/a"));
  EXPECT_TRUE(Excludes({"./dir/"}, "dir/a"));
  EXPECT_FALSE(Excludes({}, "a"));
}

TEST(ExcludePatternsTest, TheLastMatchDecides) {
  EXPECT_FALSE(Excludes({"*.md", "!keep.md"}, "keep.md"));
  EXPECT_TRUE(Excludes({"*.md", "!keep.md"}, "other.md"));
  EXPECT_TRUE(Excludes({"!keep.md", "*.md"}, "keep.md"));
  EXPECT_FALSE(Excludes({"dir", "!dir/keep"}, "dir/keep"));
}

TEST(ExcludePatternsTest, SpacesGoAndALeadingSlashMatchesNothing) {
  EXPECT_TRUE(Excludes({"", "  ", " a "}, "a"));
  EXPECT_FALSE(Excludes({"/a"}, "a"));
}

TEST(ExcludePatternsTest, MalformedPatternsAreNamed) {
  EXPECT_THAT(ExcludePatterns::Parse(std::vector<std::string>{"a[b"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a[b")));
  EXPECT_THAT(ExcludePatterns::Parse(std::vector<std::string>{"!"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"!\"")));
}

}  // namespace
}  // namespace zlayer
