#include "daemon/frontend/dockerfile/go_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace zlayer {
namespace {

using ::testing::Eq;
using ::testing::Optional;

TEST(GoTextTest, AByteOrderMarkIsLeftOutOnce) {
  EXPECT_EQ(WithoutByteOrderMark("\xef\xbb\xbf"
                                 "a\xef\xbb\xbf"),
            "a\xef\xbb\xbf");
  EXPECT_EQ(WithoutByteOrderMark("\xef\xbb"), "\xef\xbb");
}

TEST(GoTextTest, TrimsUnicodeSpace) {
  EXPECT_EQ(TrimGoSpace(" \t\u00a0a b\u3000\r\n"), "a b");
  EXPECT_EQ(TrimGoSpaceLeft("\u2003 x "), "x ");
  EXPECT_EQ(TrimGoSpace(" \n"), "");
}

TEST(GoTextTest, KnowsLetters) {
  EXPECT_TRUE(IsGoLetter('a'));
  EXPECT_TRUE(IsGoLetter(0xd55c));  // a Hangul syllable
  EXPECT_TRUE(IsGoLetter(0xe9));
  EXPECT_FALSE(IsGoLetter('1'));
  EXPECT_FALSE(IsGoLetter('.'));
  EXPECT_FALSE(IsGoLetter(0x2014));  // a dash
  EXPECT_FALSE(IsGoLetter(0x110000 + 0xff));
}

TEST(GoTextTest, QuotesAsGo) {
  EXPECT_EQ(GoQuote("a\"b\\c\n\x01\x7f"), R"("a\"b\\c\n\x01\x7f")");
  EXPECT_EQ(GoQuote("\xed\x95\x9c\xff\u200b"), "\"\xed\x95\x9c\\xff\\u200b\"");
  EXPECT_EQ(GoQuoteList({"a", "b c"}), R"(["a" "b c"])");
  EXPECT_EQ(GoQuoteList({}), "[]");
}

TEST(GoTextTest, CleansPaths) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "."},       {".", "."},    {"a//b/./c/", "a/b/c"},
      {"a/../b", "b"}, {"a/..", "."}, {"../../a", "../../a"},
      {"/../a", "/a"}, {"/", "/"},    {"//", "/"},
      {"./a", "a"},
  };
  for (const auto& [path, clean] : cases) {
    EXPECT_EQ(GoCleanPath(path), clean) << path;
  }
}

TEST(GoTextTest, ReadsDurations) {
  EXPECT_THAT(ParseGoDuration("1h30m"), Optional(Eq(5'400'000'000'000)));
  EXPECT_THAT(ParseGoDuration("1.5s"), Optional(Eq(1'500'000'000)));
  EXPECT_THAT(ParseGoDuration(".5s"), Optional(Eq(500'000'000)));
  EXPECT_THAT(ParseGoDuration("100ms"), Optional(Eq(100'000'000)));
  EXPECT_THAT(ParseGoDuration("3us2ns"), Optional(Eq(3'002)));
  EXPECT_THAT(ParseGoDuration("-2s"), Optional(Eq(-2'000'000'000)));
  EXPECT_THAT(ParseGoDuration("0"), Optional(Eq(0)));
  for (const char* bad : {"", "5", "s", ".s", "5x", "1h-5m", "99999999999h", "1s ", "+", "5 s"}) {
    EXPECT_EQ(ParseGoDuration(bad), std::nullopt) << bad;
  }
}

TEST(GoTextTest, PrintsDurations) {
  EXPECT_EQ(FormatGoDuration(0), "0s");
  EXPECT_EQ(FormatGoDuration(5'000'000'000), "5s");
  EXPECT_EQ(FormatGoDuration(1'500'000'000), "1.5s");
  EXPECT_EQ(FormatGoDuration(90'000'000'000), "1m30s");
  EXPECT_EQ(FormatGoDuration(3'600'000'000'000), "1h0m0s");
  EXPECT_EQ(FormatGoDuration(2'500'000), "2.5ms");
}

TEST(GoTextTest, QuotesRunes) {
  const std::pair<uint32_t, const char*> cases[] = {{0, "'\\x00'"},       {3, "'\\x03'"},
                                                    {10, "'\\n'"},        {39, "'\\''"},
                                                    {34, "'\"'"},         {65, "'A'"},
                                                    {92, "'\\\\'"},       {233, "'\u00e9'"},
                                                    {0x20ac, "'\u20ac'"}, {0x1f600, "'\U0001f600'"},
                                                    {0xd800, "'\ufffd'"}, {0x7fffffff, "'\ufffd'"},
                                                    {0x200b, "'\\u200b'"}};
  for (const auto& [rune, quoted] : cases) {
    EXPECT_EQ(GoQuoteRune(rune), quoted) << rune;
  }
}

TEST(GoTextTest, SplitsCsv) {
  using Fields = std::vector<std::string>;
  EXPECT_EQ(SplitCsv("a,b=c,"), (Fields{"a", "b=c", ""}));
  EXPECT_EQ(SplitCsv("\"a,\"\"b\"\"\", c"), (Fields{"a,\"b\"", " c"}));
  for (const char* bad : {"", "a\"b", "\"a", "\"a\"b"}) {
    EXPECT_EQ(SplitCsv(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace zlayer
