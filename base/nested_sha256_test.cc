#include "base/nested_sha256.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace zlayer {
namespace {

std::string RandomBytes(size_t size) {
  std::mt19937 random(static_cast<unsigned>(size));
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(random());
  }
  return bytes;
}

TEST(NestedSha256Test, DigestsStreamAndPartsAsIfAlone) {
  // Where a part begins, how long it is, and in what pieces it comes.
  for (size_t before : {0, 1, 63, 64, 512, 513}) {
    for (size_t size : {0, 1, 63, 64, 65, 128, 1000, 100'000}) {
      for (size_t piece : {1, 64, 100, 4096, 100'000}) {
        const std::string stream = RandomBytes(before + size + 7);
        NestedSha256 hasher;
        hasher.Update(std::string_view(stream).substr(0, before));
        hasher.Begin(size);
        for (size_t at = 0; at < size; at += piece) {
          hasher.Update(std::string_view(stream).substr(before + at, std::min(piece, size - at)));
        }
        hasher.Update(std::string_view(stream).substr(before + size));
        EXPECT_EQ(hasher.End(), Digest::Of(stream.substr(before, size)))
            << before << " " << size << " " << piece;
        EXPECT_EQ(hasher.Finish(), Digest::Of(stream)) << before << " " << size << " " << piece;
      }
    }
  }
}

TEST(NestedSha256Test, HasManyPartsAndDropsOneThatDidNotEnd) {
  NestedSha256 hasher;
  const std::string part = RandomBytes(640);
  std::string stream;
  for (int i = 0; i < 3; ++i) {
    hasher.Begin(part.size());
    hasher.Update(part + "between");
    stream += part + "between";
  }
  EXPECT_EQ(hasher.End(), Digest::Of(part));
  hasher.Begin(100);
  EXPECT_EQ(hasher.End(), Digest::Of(""));
  EXPECT_EQ(hasher.Finish(), Digest::Of(stream));
}

}  // namespace
}  // namespace zlayer
