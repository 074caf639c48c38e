#include "backends/native/solver/url_file.h"

#include <gtest/gtest.h>

namespace zlayer {
namespace {

v1::Copy::Source Source(const std::string& path) {
  v1::Copy::Source source;
  source.mutable_from()->mutable_http()->set_url("https://host/x");
  source.set_path(path);
  return source;
}

TEST(UrlFileTest, IsNamedByThePath) {
  EXPECT_EQ(UrlFileName(Source("file.tar")), "file.tar");
  EXPECT_EQ(UrlFileName(Source("/a/../b/file")), "file");
  EXPECT_EQ(UrlFileName(Source("/")), "");
  EXPECT_EQ(UrlFileName(Source("")), "");
  v1::Copy::Source local;
  local.set_path("file");
  EXPECT_EQ(UrlFileName(local), "");
}

TEST(UrlFileTest, ItsNameIsNoPattern) {
  EXPECT_EQ(SourcePattern(Source("/a[1]*?\\")), "a\\[1]\\*\\?\\\\");
  EXPECT_EQ(SourcePattern(Source("/")), "/");
  v1::Copy::Source local;
  local.set_path("a*");
  EXPECT_EQ(SourcePattern(local), "a*");
}

TEST(UrlFileTest, IsUnpackedOnlyWhereDownloadsAre) {
  v1::Copy copy;
  v1::Copy::Source local, git;
  local.mutable_from()->set_context("");
  git.mutable_from()->mutable_git();
  EXPECT_FALSE(Unpacks(copy, local));
  copy.set_unpack(v1::Copy::LOCAL_ARCHIVES);
  EXPECT_TRUE(Unpacks(copy, local));
  EXPECT_FALSE(Unpacks(copy, Source("x")));
  copy.set_unpack(v1::Copy::ALL_ARCHIVES);
  EXPECT_TRUE(Unpacks(copy, local));
  EXPECT_TRUE(Unpacks(copy, Source("x")));
  EXPECT_FALSE(Unpacks(copy, git));
}

}  // namespace
}  // namespace zlayer
