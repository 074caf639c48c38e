#include "daemon/frontend/dockerfile/git_url.h"

#include <gtest/gtest.h>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

// "remote ref subdirectory checksum", or empty where it is no repository.
std::string Read(std::string_view text, bool known_git = false) {
  const absl::StatusOr<std::optional<GitUrl>> git = ParseGitUrl(text, known_git);
  EXPECT_OK(git) << text;
  if (!git.ok() || !git->has_value()) {
    return "";
  }
  return (*git)->remote + "|" + (*git)->ref + "|" + (*git)->subdirectory + "|" + (*git)->checksum;
}

TEST(GitUrlTest, ReadsRepositories) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://example.com/foo.git", "https://example.com/foo.git|||"},
      {"HTTP://u:p@h:80/a/foo.git#v1", "HTTP://u:p@h:80/a/foo.git|v1||"},
      {"https://h/f.git#release/1.2:a/b", "https://h/f.git|release/1.2|a/b|"},
      {"https://h/f.git#:sub%20dir", "https://h/f.git||sub dir|"},
      {"git://example.com/foo", "git://example.com/foo|||"},
      {"ssh://git@h:22/f#main", "ssh://git@h:22/f|main||"},
      {"git@github.com:moby/buildkit.git#master:docs",
       "git@github.com:moby/buildkit.git|master|docs|"},
      {"me@h:x?branch=b&subdir=s", "me@h:x|refs/heads/b|s|"},
      {"https://h/f.git?tag=v1.0&commit=abc", "https://h/f.git|refs/tags/v1.0||abc"},
      {"https://h/f.git?tag=refs/tags/v1", "https://h/f.git|refs/tags/v1||"},
      {"https://h/f.git?ref=a%2Fb&keep-git-dir&submodules=true", "https://h/f.git|a/b||"},
      {"https://h/f.git?checksum=abc", "https://h/f.git|abc||abc"},
      {"https://h/f.git?ref=a&fetch-by-commit=1&mtime=checkout#a", "https://h/f.git|a||"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(Read(text), expected);
  }
  EXPECT_EQ((*ParseGitUrl("git://h/f?keep-git-dir=false"))->keep_git_directory, false);
  EXPECT_EQ((*ParseGitUrl("git://h/f?keep-git-dir"))->keep_git_directory, true);
  EXPECT_EQ((*ParseGitUrl("git://h/f"))->keep_git_directory, std::nullopt);
}

TEST(GitUrlTest, KnowsWhatIsNone) {
  for (const char* text :
       {"https://example.com/", "https://h/foo", "https://h/foo.git/", "https://h/foo.git.bar",
        "https://foo.git", "http://h/d.git:#branch", "github.com/moby/buildkit", "./.git", ".git",
        "host:path", "a b@h:x", "ftp://h/x.git", "https://h/%zz.git", "", "a/b@c:d", "@h:x"}) {
    EXPECT_EQ(Read(text), "") << text;
  }
  EXPECT_EQ(Read("https://h/foo", true), "https://h/foo|||");
  EXPECT_EQ(Read("foo", true), "");
}

TEST(GitUrlTest, RefusesBadQueries) {
  const std::pair<const char*, const char*> cases[] = {
      {"?ref=a&ref=b", "two values"},   {"?ref=a#b", "two refs"},
      {"?tag=a&branch=b", "a tag and"}, {"?tag=a&ref=b", "two refs"},
      {"?subdir=a#x:b", "two subdir"},  {"?ref", "no value"},
      {"?what=1", "is unknown"},        {"?keep-git-dir=maybe", "true or false"},
      {"?ref=%2", "hexadecimal"},
  };
  for (const auto& [query, message] : cases) {
    EXPECT_THAT(ParseGitUrl(std::string("git://h/f") + query),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << query;
  }
  EXPECT_THAT(ParseGitUrl("git://h/f?submodules=false"),
              StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(ParseGitUrl("git://h/f?mtime=commit"), StatusIs(absl::StatusCode::kUnimplemented));
}

TEST(GitUrlTest, NamesDownloads) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://h/a/b.tar.gz?x=1#y", "b.tar.gz"},
      {"https://h/a%20b", "a b"},
      {"https://h/a/", "a"},
      {"https://h", "__unnamed__"},
      {"https://h/?q", "__unnamed__"},
      {"https://h/..", "__unnamed__"},
      {"https://h/%zz", "__unnamed__"},
      {"https://h/%00", "__unnamed__"},
      {"https://h/a%2Fb", "b"},
  };
  for (const auto& [url, name] : cases) {
    EXPECT_EQ(UrlFileName(url), name) << url;
  }
}

}  // namespace
}  // namespace zlayer
