#include "base/url_text.h"

#include <gtest/gtest.h>

namespace zlayer {
namespace {

TEST(UrlTextTest, CutsOutWhatIsBeforeTheHost) {
  EXPECT_EQ(WithoutUrlCredentials("ADD https://me:secret@host/x?y=a@b git://token@h#z /d"),
            "ADD https://host/x?y=a@b git://h#z /d");
  EXPECT_EQ(WithoutUrlCredentials("http://a@b:c@host"), "http://host");
  EXPECT_EQ(WithoutUrlCredentials("http://a@http://b@c/"), "http://http://c/");
}

TEST(UrlTextTest, LeavesOtherTextAlone) {
  for (const char* text : {"", "a@b", "git@host:x/y", "https://host/a@b", "://", "x://", "@://@",
                           "see https://host and me@there"}) {
    EXPECT_EQ(WithoutUrlCredentials(text), std::string_view(text) == "@://@" ? "@://" : text);
  }
}

}  // namespace
}  // namespace zlayer
