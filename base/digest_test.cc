#include "base/digest.h"

#include <unordered_set>
#include <utility>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

// FIPS 180-2, appendix B.1 ("abc"), and the well-known digest of nothing.
constexpr char kAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kEmpty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(DigestTest, IsSha256) {
  EXPECT_EQ(Digest::Of("abc").Hex(), kAbc);
  EXPECT_EQ(Digest::Of("").Hex(), kEmpty);
  EXPECT_EQ(Digest::Of("abc").ToString(), std::string("sha256:") + kAbc);
}

TEST(DigestTest, EveryFormIsReadBack) {
  const Digest digest = Digest::Of("abc");
  EXPECT_THAT(Digest::Parse(digest.ToString()), IsOkAndHolds(digest));
  EXPECT_THAT(Digest::FromHex(digest.Hex()), IsOkAndHolds(digest));
  EXPECT_THAT(Digest::FromBytes(digest.Bytes()), IsOkAndHolds(digest));
  EXPECT_EQ(digest.Bytes().size(), Digest::kSize);
}

TEST(DigestTest, AnythingElseIsRefused) {
  const std::string hex = kAbc;
  std::string upper = hex;
  upper[0] = 'B';
  std::string other = hex;
  other[63] = 'g';
  for (const std::string& text :
       {std::string(), hex, "sha512:" + hex, "SHA256:" + hex, "sha256:" + hex + "0",
        "sha256:" + hex.substr(1), "sha256:" + upper, "sha256:" + other, "sha256: " + hex}) {
    EXPECT_THAT(Digest::Parse(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
  EXPECT_THAT(Digest::FromBytes("short"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not 5")));
}

TEST(DigestTest, AMessageAboutAHugeTextIsShort) {
  EXPECT_LT(Digest::Parse(std::string(1 << 20, 'x')).status().message().size(), 300u);
  EXPECT_LT(Digest::FromHex(std::string(1 << 20, 'a')).status().message().size(), 300u);
}

TEST(DigestTest, TheDefaultIsNone) {
  EXPECT_TRUE(Digest().IsNone());
  EXPECT_FALSE(Digest::Of("").IsNone());
}

TEST(DigestTest, IsOrderedAsItsBytesAndHashable) {
  const Digest small = *Digest::FromHex("00" + std::string(62, 'f'));
  const Digest large = *Digest::FromHex("80" + std::string(62, '0'));
  EXPECT_LT(small, large);
  std::unordered_set<Digest> set = {small, large, small};
  EXPECT_EQ(set.size(), 2u);
  EXPECT_TRUE(set.contains(large));
}

TEST(Sha256Test, DigestsAStreamAndMayBeUsedAgain) {
  Sha256 hasher;
  hasher.Update("a");
  hasher.Update("");
  hasher.Update("bc");
  EXPECT_EQ(hasher.Finish(), Digest::Of("abc"));
  EXPECT_EQ(hasher.Finish(), Digest::Of(""));
  hasher.Update("abc");
  EXPECT_EQ(hasher.Finish(), Digest::Of("abc"));
}

TEST(Sha256Test, MovesWithItsState) {
  Sha256 first;
  first.Update("ab");
  Sha256 second = std::move(first);
  second.Update("c");
  EXPECT_EQ(second.Finish(), Digest::Of("abc"));
  Sha256 third;
  third.Update("x");
  second.Update("ab");
  third = std::move(second);
  third.Update("c");
  EXPECT_EQ(third.Finish(), Digest::Of("abc"));
}

}  // namespace
}  // namespace zlayer
