#include "base/strings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Optional;

TEST(SplitTest, KeepsEmptyPieces) {
  EXPECT_THAT(Split("a,,b", ','), ElementsAre("a", "", "b"));
  EXPECT_THAT(Split(",", ','), ElementsAre("", ""));
  EXPECT_THAT(Split("", ','), ElementsAre(""));
  EXPECT_THAT(Split("one", ','), ElementsAre("one"));
}

TEST(TrimTest, RemovesWhiteSpaceAtBothEndsOnly) {
  EXPECT_EQ(Trim(" \t\n\v\f\ra b\r\n"), "a b");
  EXPECT_EQ(Trim(" \n"), "");
  EXPECT_EQ(Trim(""), "");
  EXPECT_EQ(Trim("\xc2\xa0x"), "\xc2\xa0x");
}

TEST(JoinTest, PutsTheSeparatorBetween) {
  EXPECT_EQ(Join({"a", "", "b"}, ", "), "a, , b");
  EXPECT_EQ(Join({"a"}, ", "), "a");
  EXPECT_EQ(Join({}, ", "), "");
}

TEST(CaseTest, ChangesAsciiOnly) {
  EXPECT_EQ(ToLower("AZ[@`{az\xc3\x84"), "az[@`{az\xc3\x84");
  EXPECT_EQ(ToUpper("AZ[@`{az\xc3\xa4"), "AZ[@`{AZ\xc3\xa4");
}

TEST(ParseUintTest, TakesDigitsOnly) {
  EXPECT_THAT(ParseUint("0"), Optional(Eq(0u)));
  EXPECT_THAT(ParseUint("007"), Optional(Eq(7u)));
  EXPECT_THAT(ParseUint("18446744073709551615"), Optional(Eq(UINT64_MAX)));
  for (const char* text : {"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "18446744073709551616"}) {
    EXPECT_EQ(ParseUint(text), std::nullopt) << text;
  }
}

struct Utf8Case {
  std::string_view bytes;
  bool valid;
};

// The boundaries of table 3-7 of the Unicode standard.
class Utf8Test : public ::testing::TestWithParam<Utf8Case> {};

TEST_P(Utf8Test, IsRecognised) {
  const auto& [bytes, valid] = GetParam();
  EXPECT_EQ(IsUtf8(bytes), valid);
  EXPECT_TRUE(IsUtf8(ToUtf8(bytes)));
  EXPECT_EQ(ToUtf8(bytes) == bytes, valid);
}

INSTANTIATE_TEST_SUITE_P(
    Boundaries, Utf8Test,
    ::testing::Values(Utf8Case{"", true}, Utf8Case{"plain", true},
                      Utf8Case{std::string_view("\0", 1), true}, Utf8Case{"\x7f", true},
                      Utf8Case{"\x80", false}, Utf8Case{"\xc1\xbf", false},
                      Utf8Case{"\xc2\x80", true}, Utf8Case{"\xc2", false},
                      Utf8Case{"\xc2\x7f", false}, Utf8Case{"\xdf\xbf", true},
                      Utf8Case{"\xe0\x9f\xbf", false}, Utf8Case{"\xe0\xa0\x80", true},
                      Utf8Case{"\xe2\x82", false}, Utf8Case{"\xed\x9f\xbf", true},
                      Utf8Case{"\xed\xa0\x80", false}, Utf8Case{"\xef\xbf\xbf", true},
                      Utf8Case{"\xf0\x8f\xbf\xbf", false}, Utf8Case{"\xf0\x90\x80\x80", true},
                      Utf8Case{"\xf4\x8f\xbf\xbf", true}, Utf8Case{"\xf4\x90\x80\x80", false},
                      Utf8Case{"\xf5\x80\x80\x80", false}, Utf8Case{"\xff", false},
                      Utf8Case{"good \xe2\x82\xac then bad \xe2\x28\xa1", false}));

TEST(CutUtf8Test, CutsBetweenCharacters) {
  EXPECT_EQ(CutUtf8("abc", 3), "abc");
  EXPECT_EQ(CutUtf8("abcd", 3), "abc");
  EXPECT_EQ(CutUtf8("aé", 2), "a");
  EXPECT_EQ(CutUtf8("aé", 3), "aé");
  EXPECT_EQ(CutUtf8("日本", 5), "日");
  EXPECT_EQ(CutUtf8("日", 2), "");
  EXPECT_EQ(CutUtf8("\x80\x80", 1), "");
}

TEST(ToUtf8Test, ReplacesEachBadByteAndKeepsTheRest) {
  EXPECT_EQ(ToUtf8("a\xff\xfe z"), "a\xef\xbf\xbd\xef\xbf\xbd z");
  EXPECT_EQ(ToUtf8("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd");
}

}  // namespace
}  // namespace zlayer
