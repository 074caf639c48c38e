#include "backends/native/net/git_fetch.h"

#include "backends/native/net/git_settings.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kA(40, 'a');
const std::string kB(40, 'b');
const std::string kC(40, 'c');

TEST(GitFetchTest, KnowsWholeCommitIds) {
  EXPECT_TRUE(IsCommitId(kA));
  EXPECT_TRUE(IsCommitId(std::string(64, '0')));
  EXPECT_FALSE(IsCommitId(kA.substr(1)));
  EXPECT_FALSE(IsCommitId(std::string(40, 'g')));
  EXPECT_FALSE(IsCommitId(std::string(40, 'A')));
}

TEST(GitFetchTest, RefusesRefsThatMeanSomethingElse) {
  for (const char* ref : {"main", "v1.0", "feature/x", "refs/pull/1/head", "a@b"}) {
    EXPECT_OK(CheckGitRef(ref)) << ref;
  }
  for (const char* ref : {"--upload-pack=touch /x", "-x", "a b", "a..b", "*", "a:b", "a^{}", "a~1",
                          "a?", "[a]", "a\nb", "/a", "a/", "a@{1}", "a\\b", "a//b", "a."}) {
    EXPECT_THAT(CheckGitRef(ref), StatusIs(absl::StatusCode::kInvalidArgument)) << ref;
  }
}

TEST(GitFetchTest, PrefersFullNamesThenBranchesThenTags) {
  const std::string listing =
      kA + "\trefs/heads/x\n" + kB + "\trefs/tags/x\n" + kC + "\trefs/tags/x^{}\n";
  ASSERT_OK_AND_ASSIGN(GitTarget branch, ChooseGitTarget(listing, "x"));
  EXPECT_EQ(branch.ref, "refs/heads/x");
  EXPECT_EQ(branch.commit, kA);
  for (const char* name : {"tags/x", "refs/tags/x"}) {
    ASSERT_OK_AND_ASSIGN(GitTarget tag, ChooseGitTarget(listing, name));
    EXPECT_EQ(tag.ref, "refs/tags/x");
    EXPECT_EQ(tag.object, kB);
    EXPECT_EQ(tag.commit, kC);
  }
  EXPECT_EQ(ChooseGitTarget(listing, "heads/x")->commit, kA);
}

TEST(GitFetchTest, DoesNotTakeTheEndOfANameForIt) {
  EXPECT_THAT(ChooseGitTarget(kA + "\trefs/heads/other/x\n", "x"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no branch or tag x")));
  EXPECT_THAT(ChooseGitTarget("garbage\n\n\t\n", "x"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(ChooseGitTarget(kA + "\tHEAD\n" + kB + "\trefs/remotes/origin/HEAD\n", "HEAD")->commit,
            kA);
}

TEST(GitFetchTest, CredentialsAreForTheirHostAlone) {
  ASSERT_OK_AND_ASSIGN(RemoteUrl url, ParseRemoteUrl("https://u:p@host/a/b.git", {"https"}));
  EXPECT_THAT(GitConfig(url), HasSubstr("[http \"https://host/\"]\n\textraHeader = "
                                        "\"Authorization: Basic dTpw\"\n"));
  ASSERT_OK_AND_ASSIGN(RemoteUrl plain, ParseRemoteUrl("https://host/a/b.git", {"https"}));
  EXPECT_THAT(GitConfig(plain), AllOf(HasSubstr("hooksPath"), Not(HasSubstr("extraHeader"))));
}

}  // namespace
}  // namespace zlayer
