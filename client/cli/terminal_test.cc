#include "client/cli/terminal.h"

#include <gtest/gtest.h>

namespace zlayer {
namespace {

TEST(FitTableTest, CutsTheFlexibleColumn) {
  EXPECT_EQ(FitTable({{"ID", "TITLE"}, {"b1", "a long title of it"}}, 1, 14),
            "ID  TITLE\nb1  a long ti…\n");
  EXPECT_EQ(FitTable({{"ID", "TITLE"}, {"b1", "fits here"}}, 1, 13), "ID  TITLE\nb1  fits here\n");
  EXPECT_EQ(FitTable({{"ID", "TITLE"}, {"b1", "ééééééééééé"}}, 1, 13),
            "ID  TITLE\nb1  éééééééé…\n");
}

TEST(FitTableTest, LeavesAFewCharacters) {
  EXPECT_EQ(FitTable({{"a-long-identifier", "a long title"}}, 1, 5),
            "a-long-identifier  a long …\n");
}

TEST(FitTableTest, WithoutAWidthAllIsThere) {
  EXPECT_EQ(FitTable({{"b1", "a \x1b[31m title"}}, 1, std::nullopt), "b1  a \x1b[31m title\n");
}

TEST(FitTableTest, ControlCharactersDoNotReachATerminal) {
  EXPECT_EQ(FitTable({{"b1", "a\x1b[31m\nb"}}, 1, 80), "b1  a?[31m?b\n");
}

}  // namespace
}  // namespace zlayer
