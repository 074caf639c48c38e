#include "backends/graph/file_mode.h"

#include <gtest/gtest.h>

namespace zlayer {
namespace {

TEST(ChangeModeTest, OctalReplacesAllBits) {
  EXPECT_EQ(ChangeMode("755", 0, false), 0755u);
  EXPECT_EQ(ChangeMode("0600", 0777, false), 0600u);
  EXPECT_EQ(ChangeMode("1777", 0, true), 01777u);
  EXPECT_EQ(ChangeMode("04755", 0, false), 04755u);
}

TEST(ChangeModeTest, SymbolicChangesWhatItNames) {
  EXPECT_EQ(ChangeMode("u=rwx,go=rx", 0, false), 0755u);
  EXPECT_EQ(ChangeMode("go-w", 0666, false), 0644u);
  EXPECT_EQ(ChangeMode("+x", 0644, false), 0755u);
  EXPECT_EQ(ChangeMode("a=", 0777, false), 0u);
  EXPECT_EQ(ChangeMode("u+s,g+s,+t", 0755, false), 07755u);
  EXPECT_EQ(ChangeMode("g=u", 0700, false), 0770u);
  EXPECT_EQ(ChangeMode("o+r-w", 0772, false), 0774u);
}

TEST(ChangeModeTest, CapitalXIsForDirectoriesAndWhatIsExecutable) {
  EXPECT_EQ(ChangeMode("a+X", 0644, false), 0644u);
  EXPECT_EQ(ChangeMode("a+X", 0644, true), 0755u);
  EXPECT_EQ(ChangeMode("a+X", 0744, false), 0755u);
}

TEST(ChangeModeTest, RefusesWhatIsNoMode) {
  for (const char* text : {"", "8", "99", "77777", "17777", "rwx", "u", "u=q", "u=rw,", "u~r",
                           "0x7", "-1", "z+x"}) {
    EXPECT_EQ(ChangeMode(text, 0644, false), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace zlayer
