#include "base/http_proxy.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace zlayer {
namespace {

TEST(HttpProxyTest, IsForPlainHttpWithoutTheLowerCaseName) {
  unsetenv("http_proxy");
  unsetenv("HTTP_PROXY");
  EXPECT_EQ(UpperCaseHttpProxy("http://x/"), nullptr);
  setenv("HTTP_PROXY", "http://proxy:3128", 1);
  EXPECT_STREQ(UpperCaseHttpProxy("http://x/"), "http://proxy:3128");
  EXPECT_EQ(UpperCaseHttpProxy("https://x/"), nullptr);
  setenv("http_proxy", "http://other:3128", 1);
  EXPECT_EQ(UpperCaseHttpProxy("http://x/"), nullptr);
}

}  // namespace
}  // namespace zlayer
