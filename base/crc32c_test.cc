#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace zlayer {
namespace {

// RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
TEST(Crc32cTest, KnownValues) {
  std::string ascending;
  for (int i = 0; i < 32; ++i) {
    ascending.push_back(static_cast<char>(i));
  }
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c(ascending), 0x46dd794eu);
}

TEST(Crc32cTest, GoesOnWhereItStopped) {
  std::string text = "a record that is checked in two pieces";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Crc32c(text.substr(cut), Crc32c(text.substr(0, cut))), Crc32c(text)) << cut;
  }
}

TEST(Crc32cTest, BothImplementationsAgree) {
  std::string text;
  for (size_t size = 0; size < 70; ++size) {
    EXPECT_EQ(PortableCrc32c(text, 7), Crc32c(text, 7)) << size;
    text.push_back(static_cast<char>(size * 37 + 200));
  }
}

}  // namespace
}  // namespace zlayer
