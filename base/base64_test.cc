#include "base/base64.h"

#include <gtest/gtest.h>

namespace zlayer {
namespace {

TEST(Base64Test, Encodes) {
  EXPECT_EQ(EncodeBase64(""), "");
  EXPECT_EQ(EncodeBase64("a"), "YQ==");
  EXPECT_EQ(EncodeBase64("abc"), "YWJj");
  EXPECT_EQ(EncodeBase64(std::string("\xff\x00\xfe\x01", 4)), "/wD+AQ==");
}

TEST(Base64Test, Decodes) {
  EXPECT_EQ(DecodeBase64(""), "");
  EXPECT_EQ(DecodeBase64("YQ=="), "a");
  EXPECT_EQ(DecodeBase64("YWI="), "ab");
  EXPECT_EQ(DecodeBase64("YWJj"), "abc");
  EXPECT_EQ(DecodeBase64("/wD+AQ=="), std::string("\xff\x00\xfe\x01", 4));
}

TEST(Base64Test, RefusesWhatIsNotBase64) {
  for (const char* text :
       {"Y", "YQ", "YQ=", "YQ===", "Y===", "====", "YQ==YQ==", "YQ!=", " YQ=", "YWJ\n", "_wD-"}) {
    EXPECT_EQ(DecodeBase64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace zlayer
