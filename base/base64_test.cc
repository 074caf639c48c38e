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

}  // namespace
}  // namespace zlayer
