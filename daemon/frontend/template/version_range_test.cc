#include "daemon/frontend/template/version_range.h"

#include <gtest/gtest.h>

#include <string>

namespace zlayer {
namespace {

// Which of the lines a range contains: "20 22".
std::string Of(std::string_view range, const std::vector<VersionNumbers>& lines) {
  const std::optional<VersionRange> parsed = VersionRange::Parse(range);
  if (!parsed.has_value()) {
    return "none";
  }
  std::string contained;
  for (const VersionNumbers& line : lines) {
    if (parsed->Contains(line)) {
      contained += (contained.empty() ? "" : " ") + std::to_string(line.back());
    }
  }
  return contained;
}

std::string Major(std::string_view range) { return Of(range, {{20}, {22}, {24}}); }
std::string Minor(std::string_view range) { return Of(range, {{3, 12}, {3, 13}, {3, 14}}); }

TEST(VersionRange, LinesOfOneNumber) {
  EXPECT_EQ(Major("22"), "22");
  EXPECT_EQ(Major("v22.1.0-rc.1"), "22");
  EXPECT_EQ(Major("22.*"), "22");
  EXPECT_EQ(Major("=22"), "22");
  EXPECT_EQ(Major("!=22"), "20 24");
  EXPECT_EQ(Major(">22"), "24");
  EXPECT_EQ(Major(">22.0.0"), "22 24");
  EXPECT_EQ(Major("<=22"), "20 22");
  EXPECT_EQ(Major("<22"), "20");
  EXPECT_EQ(Major(">=20<24"), "20 22");
  EXPECT_EQ(Major("20.1 - 22"), "20 22");
  EXPECT_EQ(Major("20||24"), "20 24");
  EXPECT_EQ(Major("*"), "20 22 24");
  EXPECT_EQ(Major("19"), "");
}

TEST(VersionRange, LinesOfTwoNumbers) {
  EXPECT_EQ(Minor("3"), "12 13 14");
  EXPECT_EQ(Minor(">3"), "12 13 14");
  EXPECT_EQ(Minor("<4"), "12 13 14");
  EXPECT_EQ(Minor("^3.13"), "13 14");
  EXPECT_EQ(Minor("~3.13"), "13");
  EXPECT_EQ(Minor("~=3.13"), "13 14");
  EXPECT_EQ(Minor("~=3.13.2"), "13");
  EXPECT_EQ(Minor("==3.13.*"), "13");
  EXPECT_EQ(Minor("===3.13.1"), "13");
  EXPECT_EQ(Minor("!=3.13.1"), "12 13 14");
  EXPECT_EQ(Minor(">=3.8, <3.13"), "12");
}

TEST(VersionRange, WhatIsNone) {
  for (const std::string& text :
       {std::string(), std::string("  "), std::string("lts/jod"), std::string("pypy3.10"),
        std::string(">="), std::string("||"), std::string("-"), std::string("22 -"),
        std::string("22 && 24"), std::string("99999999999999999999"), std::string(300, '1')}) {
    EXPECT_EQ(Major(text), "none") << text;
  }
}

TEST(VersionRange, TheFirstVersion) {
  EXPECT_EQ(VersionRange::Parse(">=3.9,<4")->First(), (VersionNumbers{3, 9}));
  EXPECT_EQ(VersionRange::Parse("*")->First(), VersionNumbers{});
}

}  // namespace
}  // namespace zlayer
