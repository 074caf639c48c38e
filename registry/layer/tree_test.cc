#include "registry/layer/tree.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "base/errors.h"
#include "base/files.h"
#include "registry/layer/testing/entries.h"
#include "registry/layer/testing/odd_tree.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(scratch_, ScopedDirectory::Make("/tmp", "tree-test-"));
    if (!CanMakeTrees(scratch_.path())) {
      GTEST_SKIP() << "needs root";
    }
    tree_ = scratch_.path() + "/tree";
    copy_ = scratch_.path() + "/copy";
    ASSERT_OK(MakeDirectories(tree_));
    ASSERT_OK(MakeDirectories(copy_));
  }

  std::shared_ptr<const LayerIndex> Scan(const std::string& directory) {
    LayerIndexBuilder builder;
    EXPECT_OK(ScanTree(directory, &builder, {}));
    auto bytes = builder.Serialize();
    EXPECT_OK(bytes);
    auto index = LayerIndex::FromBytes(*bytes);
    EXPECT_OK(index);
    return *index;
  }

  ScopedDirectory scratch_;
  std::string tree_;
  std::string copy_;
};

TEST_F(TreeTest, ScanSeesEverything) {
  MakeOddTree(tree_, true);
  auto index = Scan(tree_);
  EXPECT_GT(index->size(), 100u);
  Entry file = index->At(index->Find("owners/setuid"));
  EXPECT_EQ(file.mode, 06755u);
  EXPECT_EQ(file.uid, 5u);
  EXPECT_EQ(file.gid, 6u);
  EXPECT_EQ(file.content, Digest::Of("kept through a change of owner"));
  EXPECT_EQ(file.mtime_ns % 1'000'000'000, 0);
  EXPECT_EQ(index->At(index->Find("links/s3")).link_target, "../../../../etc/passwd");
  EXPECT_EQ(index->At(index->Find("hard/link")).hard_link, "");
  EXPECT_EQ(index->At(index->Find("links/z-leader")).hard_link, "hard/link");
  EXPECT_EQ(index->At(index->Find("xattrs/many")).xattrs.size(), 3u);
  EXPECT_EQ(index->At(index->Find("xattrs/link")).xattrs.count("trusted.link"), 1u);
  EXPECT_EQ(index->TypeAt(index->Find("marks/gone")), EntryType::kWhiteout);
  Entry opaque = index->At(index->Find("marks/opaque"));
  EXPECT_TRUE(opaque.opaque);
  EXPECT_TRUE(opaque.xattrs.empty());
  EXPECT_FALSE(index->At(index->Find("marks")).opaque);
}

TEST_F(TreeTest, WrittenTreesScanAsTheSameLayer) {
  MakeOddTree(tree_, true);
  auto index = Scan(tree_);
  ASSERT_OK(WriteTree(*index, TreeOpener(tree_), copy_, {}));
  auto again = Scan(copy_);
  EXPECT_EQ(EntriesOf(*again), EntriesOf(*index));
  EXPECT_EQ(again->id(), index->id());
  struct stat root, whiteout;
  ASSERT_EQ(stat(copy_.c_str(), &root), 0);
  EXPECT_EQ(root.st_mode & 07777, 0755u);
  ASSERT_EQ(lstat((copy_ + "/marks/gone").c_str(), &whiteout), 0);
  EXPECT_TRUE(S_ISCHR(whiteout.st_mode));
  EXPECT_EQ(whiteout.st_rdev, 0u);
  char mark[8];
  EXPECT_EQ(getxattr((copy_ + "/marks/opaque").c_str(), "trusted.overlay.opaque", mark, 8), 1);
}

TEST_F(TreeTest, TimesKeepTheirNanoseconds) {
  Entry directory = DirectoryEntry("d");
  directory.mtime_ns = 1'234'567'890'123'456'789;
  Entry before = FileEntry("d/f", "");
  before.mtime_ns = -1;
  auto index = MakeIndex({directory, before});
  ASSERT_OK(WriteTree(*index, TreeOpener(tree_), copy_, {}));
  EXPECT_EQ(Scan(copy_)->At(0).mtime_ns, directory.mtime_ns);
  EXPECT_EQ(Scan(copy_)->At(1).mtime_ns, -1);
}

TEST_F(TreeTest, TheRootEntryGoesToTheDirectoryItself) {
  Entry root = DirectoryEntry("", 0751);
  root.uid = 42;
  root.mtime_ns = 5'000'000'000;
  ASSERT_OK(WriteTree(*MakeIndex({root, FileEntry("f")}), TreeOpener(tree_), copy_, {}));
  struct stat info;
  ASSERT_EQ(stat(copy_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0751u);
  EXPECT_EQ(info.st_uid, 42u);
  EXPECT_EQ(info.st_mtime, 5);
}

TEST_F(TreeTest, SocketsAreLeftOut) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  tree_.copy(address.sun_path, sizeof(address.sun_path) - 3);
  std::string(address.sun_path).append("/s").copy(address.sun_path, sizeof(address.sun_path) - 1);
  UniqueFd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_OK(WriteFileAtomically(tree_ + "/f", ""));
  EXPECT_THAT(PathsOf(*Scan(tree_)), ElementsAre("f"));
}

TEST_F(TreeTest, NamesThatMarkRemovalsAreRefused) {
  ASSERT_OK(MakeDirectories(tree_ + "/d"));
  ASSERT_OK(WriteFileAtomically(tree_ + "/d/.wh.x", ""));
  LayerIndexBuilder builder;
  EXPECT_THAT(ScanTree(tree_, &builder, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("d/.wh.x")));
}

TEST_F(TreeTest, ScanFollowsNoLinks) {
  ASSERT_OK(MakeDirectories(scratch_.path() + "/outside/x"));
  ASSERT_EQ(symlink("../outside", (tree_ + "/link").c_str()), 0);
  EXPECT_THAT(PathsOf(*Scan(tree_)), ElementsAre("link"));
}

TEST_F(TreeTest, DamagedContentIsNotWritten) {
  ASSERT_OK(WriteFileAtomically(tree_ + "/f", "other"));
  EXPECT_THAT(WriteTree(*MakeIndex({FileEntry("f", "bytes")}), TreeOpener(tree_), copy_, {}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'f'")));
}

TEST_F(TreeTest, WhatIsVerifiedIsNotDigestedAgain) {
  ASSERT_OK(WriteFileAtomically(tree_ + "/f", "other"));
  const ContentOpener opener = [open = TreeOpener(tree_)](const Entry& file) {
    absl::StatusOr<ContentFile> content = open(file);
    content->verified = true;
    return content;
  };
  ASSERT_OK(WriteTree(*MakeIndex({FileEntry("f", "bytes")}), opener, copy_, {}));
  EXPECT_THAT(ReadFile(copy_ + "/f"), IsOkAndHolds("other"));
}

TEST_F(TreeTest, ErrorsOfTheOpenerAreReturned) {
  EXPECT_THAT(WriteTree(*MakeIndex({FileEntry("f", "bytes")}), TreeOpener(tree_), copy_, {}),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(TreeTest, BothDirectionsStop) {
  MakeOddTree(tree_, false);
  auto index = Scan(tree_);
  std::stop_source source;
  source.request_stop();
  LayerIndexBuilder builder;
  EXPECT_THAT(ScanTree(tree_, &builder, source.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(WriteTree(*index, TreeOpener(tree_), copy_, source.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(TreeTest, DeepTreesNeedFewDescriptors) {
  std::vector<Entry> entries;
  std::string path;
  for (int level = 0; level < 100; ++level) {
    path += level == 0 ? "d" : "/d";
    entries.push_back(DirectoryEntry(path));
  }
  auto index = MakeIndex(entries);
  rlimit before, few;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  few = before;
  few.rlim_cur = 50;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  EXPECT_OK(WriteTree(*index, TreeOpener(tree_), copy_, {}));
  EXPECT_EQ(Scan(copy_)->id(), index->id());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace zlayer
