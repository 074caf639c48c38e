#include "base/field_digest.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace zlayer {
namespace {

// Keys that are stored were made so.
TEST(FieldDigest, ItsBytesStay) {
  FieldDigest digest;
  digest.Add("a");
  digest.Add("");
  digest.Add(uint64_t{258});
  digest.AddStrings(std::vector<std::string>{"x", "yz"});
  digest.AddMap(std::map<std::string, std::string>{{"k", "v"}});
  EXPECT_EQ(digest.Finish().Hex(),
            "24b0735c9ac374de67c83926aa436f7648c1f3d3a00fb1c4a54ddf89e18cff68");
}

TEST(FieldDigest, WhereAFieldEndsCounts) {
  FieldDigest one;
  one.Add("ab");
  one.Add("c");
  FieldDigest other;
  other.Add("a");
  other.Add("bc");
  EXPECT_NE(one.Finish(), other.Finish());
}

}  // namespace
}  // namespace zlayer
