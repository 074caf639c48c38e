#include "base/byte_size.h"

#include <gtest/gtest.h>

#include <utility>

namespace zlayer {
namespace {

TEST(ByteSizeTest, Units) {
  for (const auto& [text, bytes] : {std::pair<std::string_view, uint64_t>{"0", 0},
                                    {"4096", 4096},
                                    {"4096B", 4096},
                                    {"10GB", 10'000'000'000},
                                    {"10g", 10'000'000'000},
                                    {"512MiB", uint64_t{512} << 20},
                                    {"1kb", 1000},
                                    {"2KiB", 2048},
                                    {"1.5GB", 1'500'000'000},
                                    {"1.5KiB", 1536},
                                    {"3tib", uint64_t{3} << 40}}) {
    EXPECT_EQ(ParseByteSize(text), bytes) << text;
  }
}

TEST(ByteSizeTest, AnythingElseIsNone) {
  for (const std::string_view text :
       {"", "GB", "-1", "1 GB", "1XB", "1GiBs", "1.", ".5GB", "1.2.3", "1ii", "kk", "20%",
        "99999999999999999999", "9223372036854775809", "10000000TiB", "1kmB"}) {
    EXPECT_FALSE(ParseByteSize(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace zlayer
