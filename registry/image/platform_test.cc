#include "registry/image/platform.h"

#include <gtest/gtest.h>

namespace zlayer {
namespace {

v1::Platform Make(const std::string& os, const std::string& architecture,
                  const std::string& variant) {
  v1::Platform platform;
  platform.set_os(os);
  platform.set_architecture(architecture);
  platform.set_variant(variant);
  return platform;
}

TEST(PlatformTest, HostIsInOcisNames) {
  v1::Platform host = HostPlatform();
  EXPECT_EQ(host.os(), "linux");
#if defined(__x86_64__)
  EXPECT_EQ(FormatPlatform(host), "linux/amd64");
#elif defined(__aarch64__)
  EXPECT_EQ(FormatPlatform(host), "linux/arm64");
#endif
  EXPECT_TRUE(PlatformMatches(host, host));
}

TEST(PlatformTest, VariantsCountWhereBothHaveOne) {
  EXPECT_TRUE(PlatformMatches(Make("linux", "arm64", "v8"), Make("linux", "arm64", "")));
  EXPECT_TRUE(PlatformMatches(Make("linux", "arm64", "v8"), Make("linux", "arm64", "v8")));
  EXPECT_TRUE(PlatformMatches(Make("linux", "arm", ""), Make("linux", "arm", "v7")));
  EXPECT_FALSE(PlatformMatches(Make("linux", "arm", "v6"), Make("linux", "arm", "v7")));
  EXPECT_FALSE(PlatformMatches(Make("linux", "arm64", ""), Make("linux", "amd64", "")));
  EXPECT_FALSE(PlatformMatches(Make("windows", "amd64", ""), Make("linux", "amd64", "")));
}

TEST(PlatformTest, Formats) {
  EXPECT_EQ(FormatPlatform(Make("linux", "arm", "v7")), "linux/arm/v7");
  EXPECT_EQ(FormatPlatform(Make("linux", "amd64", "")), "linux/amd64");
}

}  // namespace
}  // namespace zlayer
