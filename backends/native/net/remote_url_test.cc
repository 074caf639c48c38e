#include "backends/native/net/remote_url.h"

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<RemoteUrl> Parse(const std::string& text) {
  return ParseRemoteUrl(text, {"https", "http"});
}

TEST(RemoteUrlTest, TakesAUrlApart) {
  ASSERT_OK_AND_ASSIGN(RemoteUrl url, Parse("HTTPS://u%40x:p%3Aw@host:8443/a/b%20c.tar?q=1#top"));
  EXPECT_EQ(url.text, "https://host:8443/a/b%20c.tar?q=1");
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.user, "u@x");
  EXPECT_EQ(url.password, "p:w");
  EXPECT_EQ(url.base, "https://host:8443/");
  EXPECT_EQ(url.file_name, "b c.tar");
}

TEST(RemoteUrlTest, NamesAFileAsThePathEnds) {
  EXPECT_EQ(Parse("http://h/dir/")->file_name, "dir");
  EXPECT_EQ(Parse("http://h/")->file_name, "");
  EXPECT_EQ(Parse("http://h")->file_name, "");
  EXPECT_EQ(Parse("http://h?x=/y")->file_name, "");
}

TEST(RemoteUrlTest, RefusesWhatItCannotFetch) {
  for (const char* text : {"file:///etc/passwd", "ftp://h/x", "gopher://h", "http://", "x", "",
                           "http://h/a b", "http://h/a\r\nX: y", "//h/x"}) {
    EXPECT_THAT(Parse(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(RemoteUrlTest, ShowsNoCredentialsInErrors) {
  for (const char* text : {"ftp://user:secret@h/x", "http://user:secret@h/ x",
                           "http://user:secret@h:port/", "user:secret@h/x"}) {
    EXPECT_THAT(Parse(text), StatusIs(absl::StatusCode::kInvalidArgument,
                                      AllOf(Not(HasSubstr("secret")), HasSubstr("h"))))
        << text;
  }
}

}  // namespace
}  // namespace zlayer
