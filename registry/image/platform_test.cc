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

TEST(PlatformTest, AVariantRunsWhatIsForThoseBeforeIt) {
  EXPECT_TRUE(PlatformMatches(Make("linux", "arm64", "v8"), Make("linux", "arm64", "")));
  EXPECT_TRUE(PlatformMatches(Make("linux", "arm64", "v8"), Make("linux", "arm64", "v8")));
  EXPECT_TRUE(PlatformMatches(Make("linux", "arm", ""), Make("linux", "arm", "v7")));
  EXPECT_TRUE(PlatformMatches(Make("linux", "arm", "v6"), Make("linux", "arm", "v7")));
  EXPECT_TRUE(PlatformMatches(Make("linux", "arm", "v6"), Make("linux", "arm", "")));
  EXPECT_FALSE(PlatformMatches(Make("linux", "arm", "v7"), Make("linux", "arm", "v6")));
  EXPECT_FALSE(PlatformMatches(Make("linux", "arm", ""), Make("linux", "arm", "v6")));
  EXPECT_TRUE(PlatformMatches(Make("linux", "amd64", ""), Make("linux", "amd64", "v3")));
  EXPECT_FALSE(PlatformMatches(Make("linux", "amd64", "v3"), Make("linux", "amd64", "")));
  EXPECT_TRUE(PlatformMatches(Make("linux", "ppc64le", "power9"), Make("linux", "ppc64le", "")));
  EXPECT_FALSE(
      PlatformMatches(Make("linux", "ppc64le", "power9"), Make("linux", "ppc64le", "power8")));
  EXPECT_FALSE(PlatformMatches(Make("linux", "arm64", ""), Make("linux", "amd64", "")));
  EXPECT_FALSE(PlatformMatches(Make("windows", "amd64", ""), Make("linux", "amd64", "")));
}

TEST(PlatformTest, TheHighestVariantOfAnIndexThatRuns) {
  const std::vector<v1::Platform> index = {
      Make("", "", ""),           Make("linux", "amd64", "v3"), Make("linux", "amd64", "v2"),
      Make("linux", "amd64", ""), Make("linux", "arm", "v6"),   Make("linux", "amd64", "v1")};
  EXPECT_EQ(ChoosePlatform(index, Make("linux", "amd64", "")), 3u);
  EXPECT_EQ(ChoosePlatform(index, Make("linux", "amd64", "v2")), 2u);
  EXPECT_EQ(ChoosePlatform(index, Make("linux", "amd64", "v4")), 1u);
  EXPECT_EQ(ChoosePlatform(index, Make("linux", "arm", "v7")), 4u);
  EXPECT_EQ(ChoosePlatform(index, Make("linux", "s390x", "")), 0u);
  EXPECT_EQ(ChoosePlatform({Make("linux", "arm", "v7")}, Make("linux", "arm", "v6")), std::nullopt);
}

TEST(PlatformTest, Formats) {
  EXPECT_EQ(FormatPlatform(Make("linux", "arm", "v7")), "linux/arm/v7");
  EXPECT_EQ(FormatPlatform(Make("linux", "amd64", "")), "linux/amd64");
}

}  // namespace
}  // namespace zlayer
