#include "daemon/build/request_platform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "registry/image/platform.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::string> Read(const std::vector<std::string>& entries) {
  v1::BuildSpec spec;
  *spec.mutable_platforms() = {entries.begin(), entries.end()};
  const auto platforms = RequestPlatforms(spec);
  if (!platforms.ok()) {
    return platforms.status();
  }
  std::string text;
  for (const v1::Platform& platform : *platforms) {
    text += FormatPlatform(platform) + " ";
  }
  return text;
}

TEST(RequestPlatformTest, EntriesAreListsAndCanonical) {
  EXPECT_THAT(Read({}), IsOkAndHolds(""));
  EXPECT_THAT(Read({" linux/arm64/v8 "}), IsOkAndHolds("linux/arm64 "));
  EXPECT_THAT(Read({"linux/x86_64, linux/arm/v7,", "linux/amd64"}),
              IsOkAndHolds("linux/amd64 linux/arm/v7 "));
  EXPECT_THAT(Read({"linux/s390x,nonsense"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nonsense")));
}

}  // namespace
}  // namespace zlayer
