#include "client/lib/digest_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

FileIdentity File(uint64_t inode, uint64_t size = 10) {
  FileIdentity identity;
  identity.device = 7;
  identity.inode = inode;
  identity.size = size;
  identity.mtime_ns = 1'700'000'000'000'000'001;
  identity.ctime_ns = -5;
  return identity;
}

class DigestCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "digests"));
    path_ = directory_.path() + "/deep/er/digests";
  }

  // Saves a cache of the files 1, 2 and 3 with the digests of "1", "2" and "3".
  void SaveThree() {
    DigestCache cache = DigestCache::Open(path_);
    for (uint64_t inode : {2, 3, 1}) {
      cache.Add(File(inode), Digest::Of(std::to_string(inode)));
    }
    ASSERT_OK(cache.Save());
  }

  ScopedDirectory directory_;
  std::string path_;
};

TEST_F(DigestCacheTest, FindsWhatWasSaved) {
  SaveThree();
  DigestCache cache = DigestCache::Open(path_);
  for (uint64_t inode : {1, 2, 3}) {
    EXPECT_EQ(cache.Find(File(inode)), Digest::Of(std::to_string(inode))) << inode;
  }
  EXPECT_EQ(cache.Find(File(0)), std::nullopt);
  EXPECT_EQ(cache.Find(File(4)), std::nullopt);
}

TEST_F(DigestCacheTest, EveryPartOfTheIdentityCounts) {
  SaveThree();
  DigestCache cache = DigestCache::Open(path_);
  for (int part = 0; part < 5; ++part) {
    FileIdentity other = File(2);
    (part == 0 ? other.device : part == 1 ? other.inode : other.size) += part < 3 ? 7 : 0;
    other.mtime_ns += part == 3 ? 1 : 0;
    other.ctime_ns += part == 4 ? 1 : 0;
    EXPECT_EQ(cache.Find(other), std::nullopt) << part;
  }
  EXPECT_EQ(cache.Find(File(2)), Digest::Of("2"));
}

TEST_F(DigestCacheTest, ANewDigestReplacesTheOldAndKeepsTheOthers) {
  SaveThree();
  DigestCache cache = DigestCache::Open(path_);
  cache.Add(File(2, 11), Digest::Of("new"));
  cache.Add(File(9), Digest::Of("9"));
  cache.Add(File(0), Digest::Of("0"));
  EXPECT_EQ(cache.Find(File(2, 11)), Digest::Of("new"));
  ASSERT_OK(cache.Save());
  DigestCache again = DigestCache::Open(path_);
  EXPECT_EQ(again.Find(File(2)), std::nullopt);
  EXPECT_EQ(again.Find(File(2, 11)), Digest::Of("new"));
  EXPECT_EQ(again.Find(File(1)), Digest::Of("1"));
  EXPECT_EQ(again.Find(File(3)), Digest::Of("3"));
  EXPECT_EQ(again.Find(File(9)), Digest::Of("9"));
  EXPECT_EQ(again.Find(File(0)), Digest::Of("0"));
}

TEST_F(DigestCacheTest, NothingIsWrittenWhereNothingIsNew) {
  DigestCache cache = DigestCache::Open(path_);
  EXPECT_EQ(cache.Find(File(1)), std::nullopt);
  ASSERT_OK(cache.Save());
  EXPECT_THAT(ReadFile(path_), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DigestCacheTest, IsForItsOwnerOnly) {
  SaveThree();
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(DigestCacheTest, ABrokenRecordIsIgnored) {
  SaveThree();
  ASSERT_OK_AND_ASSIGN(std::string content, ReadFile(path_));
  content[16 + 80 + 45] ^= 1;  // in the digest of file 2
  ASSERT_OK(WriteFileAtomically(path_, content));
  DigestCache cache = DigestCache::Open(path_);
  EXPECT_EQ(cache.Find(File(2)), std::nullopt);
  EXPECT_EQ(cache.Find(File(1)), Digest::Of("1"));
}

TEST_F(DigestCacheTest, ABrokenFileCountsAsEmptyAndIsReplaced) {
  SaveThree();
  ASSERT_OK_AND_ASSIGN(std::string content, ReadFile(path_));
  for (std::string broken : {content.substr(0, content.size() - 1), std::string("ZLDIGEST"),
                             std::string(), "X" + content.substr(1), std::string(16, '\0')}) {
    ASSERT_OK(WriteFileAtomically(path_, broken));
    DigestCache cache = DigestCache::Open(path_);
    EXPECT_EQ(cache.Find(File(1)), std::nullopt);
    cache.Add(File(5), Digest::Of("5"));
    ASSERT_OK(cache.Save());
    EXPECT_EQ(DigestCache::Open(path_).Find(File(5)), Digest::Of("5"));
  }
}

TEST_F(DigestCacheTest, WithoutAPathItOnlyRemembers) {
  DigestCache cache;
  cache.Add(File(1), Digest::Of("1"));
  EXPECT_EQ(cache.Find(File(1)), Digest::Of("1"));
  EXPECT_OK(cache.Save());
}

TEST(IsSettledTest, BothTimesMustBeTwoSecondsOld) {
  FileIdentity identity;
  identity.mtime_ns = identity.ctime_ns = 1'000'000'000'000;
  int64_t edge = identity.mtime_ns + 2'000'000'000;
  EXPECT_FALSE(IsSettled(identity, edge));
  EXPECT_TRUE(IsSettled(identity, edge + 1));
  identity.ctime_ns += 1;
  EXPECT_FALSE(IsSettled(identity, edge + 1));
  identity.ctime_ns -= 1;
  identity.mtime_ns += 1;
  EXPECT_FALSE(IsSettled(identity, edge + 1));
}

TEST(DigestCachePathTest, FollowsTheEnvironment) {
  setenv("HOME", "/home/u", 1);
  unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(DigestCache::DefaultPath(), "/home/u/.cache/zlayer/digests");
  setenv("XDG_CACHE_HOME", "/c", 1);
  EXPECT_EQ(DigestCache::DefaultPath(), "/c/zlayer/digests");
  setenv("XDG_CACHE_HOME", "relative", 1);
  unsetenv("HOME");
  EXPECT_EQ(DigestCache::DefaultPath(), "");
}

}  // namespace
}  // namespace zlayer
