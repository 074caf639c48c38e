#include "registry/layer/tar_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/tar_writer.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string TarOf(const TarHeader& header, const std::string& data) {
  std::string tar;
  TarWriter writer([&tar](std::string_view piece) {
    tar += piece;
    return absl::OkStatus();
  });
  EXPECT_TRUE(writer.Entry(header).ok());
  EXPECT_TRUE(data.empty() || writer.Data(data).ok());
  EXPECT_TRUE(writer.Finish().ok());
  return tar;
}

std::optional<RawTarHeader> Read(const std::string& tar, uint64_t offset = 0) {
  return ReadRawTarHeader(offset, [&tar](uint64_t at, size_t size) -> std::optional<std::string> {
    if (at > tar.size() || size > tar.size() - at) {
      return std::nullopt;
    }
    return tar.substr(at, size);
  });
}

TEST(TarHeaderTest, FindsTheDataBehindExtensions) {
  TarHeader header;
  header.path = std::string(200, 'p');
  header.size = 4;
  header.pax = {{"MSWINDOWS.rawsd", "AQ=="}, {"comment", "dropped"}, {"vendor.x", "a=b\n"}};
  header.xattrs = {{"user.a", "b"}};
  std::string tar = TarOf(header, "data");
  auto raw = Read(tar);
  ASSERT_TRUE(raw.has_value());
  EXPECT_EQ(raw->data_offset, TarHeaderSize(header));
  EXPECT_EQ(tar.substr(raw->data_offset, 4), "data");
  EXPECT_THAT(raw->pax, ElementsAre(Pair("MSWINDOWS.rawsd", "AQ=="), Pair("vendor.x", "a=b\n")));
  EXPECT_FALSE(raw->sparse);
}

TEST(TarHeaderTest, PlainHeaderAtAnOffset) {
  TarHeader header;
  header.path = "f";
  auto raw = Read(std::string(512, 'x') + TarOf(header, ""), 512);
  ASSERT_TRUE(raw.has_value());
  EXPECT_EQ(raw->data_offset, 1024u);
  EXPECT_THAT(raw->pax, IsEmpty());
}

TEST(TarHeaderTest, SparseFilesAreSeen) {
  TarHeader header;
  header.path = "f";
  header.pax = {{"GNU.sparse.major", "1"}};
  EXPECT_TRUE(Read(TarOf(header, ""))->sparse);
  std::string old = TarOf(TarHeader{}, "");
  old[156] = 'S';
  EXPECT_TRUE(Read(old)->sparse);
}

TEST(TarHeaderTest, DamageIsHarmless) {
  TarHeader header;
  header.path = std::string(200, 'p');
  header.pax = {{"vendor.x", "value"}};
  std::string tar = TarOf(header, "");
  for (size_t i = 0; i < tar.size(); ++i) {
    for (char c : {'\0', '9', ' ', '\xff'}) {
      std::string damaged = tar;
      damaged[i] = c;
      auto raw = Read(damaged);
      EXPECT_TRUE(!raw || raw->data_offset <= tar.size() + 1024);
    }
    Read(tar.substr(0, i));
  }
  std::string endless;
  for (int i = 0; i < 100; ++i) {
    endless += std::string(156, '\0') + "g" + std::string(355, '\0');
  }
  EXPECT_FALSE(Read(endless).has_value());
}

}  // namespace
}  // namespace zlayer
