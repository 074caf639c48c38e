#include "client/cli/instant.h"

#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include <string>

namespace zlayer {
namespace {

constexpr int64_t kNowNs = int64_t{1'000'000} * 1'000'000'000;

std::string Parsed(std::string_view text) {
  auto instant = ParseInstant(text, kNowNs);
  return instant.has_value() ? google::protobuf::util::TimeUtil::ToString(*instant) : "none";
}

int64_t SecondsAgo(std::string_view text) {
  auto instant = ParseInstant(text, kNowNs);
  return instant.has_value() ? 1'000'000 - instant->seconds() : -1;
}

TEST(ParseInstantTest, Durations) {
  EXPECT_EQ(SecondsAgo("90s"), 90);
  EXPECT_EQ(SecondsAgo("30m"), 1800);
  EXPECT_EQ(SecondsAgo("1h30m"), 5400);
  EXPECT_EQ(SecondsAgo("7d"), 604'800);
  EXPECT_EQ(SecondsAgo("0s"), 0);
}

TEST(ParseInstantTest, Times) {
  EXPECT_EQ(Parsed("2026-11-21T10:00:00Z"), "2026-11-21T10:00:00Z");
  EXPECT_EQ(Parsed("2026-11-21T10:00:00.5+01:00"), "2026-11-21T09:00:00.500Z");
  EXPECT_EQ(Parsed("2026-11-21"), "2026-11-21T00:00:00Z");
}

TEST(ParseInstantTest, NothingElse) {
  for (std::string_view text :
       {"", "5", "h", "5y", "-5m", "1h x", "yesterday", "2026-13-41", "2026-11-21T10:00:00",
        "99999999999999999999s", "18446744073709551615d", "99999d"}) {
    EXPECT_EQ(Parsed(text), "none") << text;
  }
}

}  // namespace
}  // namespace zlayer
