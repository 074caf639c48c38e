#include "client/progress/screen_text.h"

#include <gtest/gtest.h>

#include <string>

namespace zlayer {
namespace {

TEST(PrintableTest, EscapeSequencesAreTakenOut) {
  EXPECT_EQ(Printable("\x1b[31;1mred\x1b[0m"), "red");
  EXPECT_EQ(Printable("a\x1b[2J\x1b[H\x1b[99Ab"), "ab");
  EXPECT_EQ(Printable("a\x1b]0;title\ab\x1b]8;;http://x\x1b\\c"), "abc");
  EXPECT_EQ(Printable("a\x1bP1$r\x1b\\b\x1b_x\x1b\\c\x1b^x\ad"), "abcd");
  EXPECT_EQ(Printable("a\x1b(0b\x1b#8c\x1b"
                      "7d"),
            "abcd");
  EXPECT_EQ(Printable("a\x1b[?1049hb\x1b[>0;1cc"), "abc");
}

TEST(PrintableTest, UnfinishedSequencesTakeNothingAfterThemAway) {
  EXPECT_EQ(Printable("a\x1b"), "a");
  EXPECT_EQ(Printable("a\x1b["), "a");
  EXPECT_EQ(Printable("a\x1b[31"), "a");
  EXPECT_EQ(Printable("a\x1b[3\x1b[1mb"), "ab");
  EXPECT_EQ(Printable("a\x1b]unfinished\x1b[1mb"), "ab");
  EXPECT_EQ(Printable("a\x1b\x1b[1mb"), "ab");
}

TEST(PrintableTest, ControlCharactersAreTakenOut) {
  EXPECT_EQ(Printable(std::string("a\0b\b\r\a\x0e\x7f", 8)), "ab");
  EXPECT_EQ(Printable("a\nb"), "a b");
  EXPECT_EQ(Printable("a\u009b31mb\u0085"), "a31mb");
  EXPECT_EQ(Printable("a\u2028b"), "a b");
}

TEST(PrintableTest, TabsGoToTheNextStop) {
  EXPECT_EQ(Printable("\tx"), "        x");
  EXPECT_EQ(Printable("abc\tx"), "abc     x");
  EXPECT_EQ(Printable("abcdefgh\tx"), "abcdefgh        x");
  EXPECT_EQ(Printable("中\tx"), "中      x");
}

TEST(PrintableTest, WhatIsNotUtf8IsReplaced) {
  EXPECT_EQ(Printable("a\xff\xfe"), "a\uFFFD\uFFFD");
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");  // a surrogate
}

TEST(PrintableTest, NothingTurnsTheDirectionOrHides) {
  EXPECT_EQ(Printable("a\u202eb\u2066c\u200b\ufeff\u00add"), "abcd");
  EXPECT_EQ(Printable("\u2764\ufe0f"), "\u2764");
}

TEST(PrintableTest, CombiningCharactersAreLimited) {
  EXPECT_EQ(Printable("e\u0301"), "e\u0301");
  std::string tower = "e";
  for (int i = 0; i < 100; ++i) {
    tower += "\u0301";
  }
  EXPECT_EQ(Printable(tower + "f"), "e\u0301\u0301\u0301\u0301f");
  EXPECT_EQ(Printable("\u0301a"), "a");  // would stand on what is before the text
}

TEST(ColumnsOfTest, CountsWhatTerminalsShow) {
  EXPECT_EQ(ColumnsOf(""), 0u);
  EXPECT_EQ(ColumnsOf("abc"), 3u);
  EXPECT_EQ(ColumnsOf("äöü…✓"), 5u);
  EXPECT_EQ(ColumnsOf("e\u0301"), 1u);
  EXPECT_EQ(ColumnsOf("中文"), 4u);
  EXPECT_EQ(ColumnsOf("한글"), 4u);
  EXPECT_EQ(ColumnsOf("🚀"), 2u);
  EXPECT_EQ(ColumnsOf("Ａ"), 2u);
  EXPECT_EQ(ColumnsOf("\U00020000"), 2u);
}

TEST(CutToTest, MarksWhatIsMissing) {
  EXPECT_EQ(CutTo("abc", 3), "abc");
  EXPECT_EQ(CutTo("abcd", 3), "ab…");
  EXPECT_EQ(CutTo("abcd", 1), "…");
  EXPECT_EQ(CutTo("abcd", 0), "");
  EXPECT_EQ(CutTo("", 0), "");
  EXPECT_EQ(CutTo("中文", 4), "中文");
  EXPECT_EQ(CutTo("中文", 3), "中…");
  EXPECT_EQ(CutTo("中文", 2), "…");
  EXPECT_EQ(CutTo("ae\u0301b", 2), "a…");
}

TEST(ToAsciiTest, KeepsTheWidth) {
  EXPECT_EQ(ToAscii("├ ✓ x…"), "| + x~");
  EXPECT_EQ(ToAscii("中ä"), "???");
  EXPECT_EQ(ToAscii("e\u0301"), "e");
}

}  // namespace
}  // namespace zlayer
