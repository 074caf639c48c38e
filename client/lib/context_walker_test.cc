#include "client/lib/context_walker.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ContextWalkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "walk"));
  }

  std::string At(const std::string& path) { return directory_.path() + "/" + path; }
  void Write(const std::string& path, std::string_view content = "x") {
    size_t slash = At(path).rfind('/');
    ASSERT_OK(MakeDirectories(At(path).substr(0, slash)));
    ASSERT_OK(WriteFileAtomically(At(path), content));
  }

  absl::Status Walk(const std::string& ignore = "") {
    entries_.clear();
    auto rules = IgnoreRules::Parse(ignore, ".dockerignore");
    if (!rules.ok()) {
      return rules.status();
    }
    auto root = OpenContext(directory_.path());
    if (!root.ok()) {
      return root.status();
    }
    WalkOptions options;
    options.ignore = &*rules;
    options.digests = &digests_;
    options.now_ns = now_ns_;
    return WalkContext(
        root->get(), options,
        [this](v1::ContextEntry entry, const FileIdentity& file) {
          entries_.push_back(std::move(entry));
          last_identity_ = file;
          return absl::OkStatus();
        },
        stop_.get_token());
  }

  std::vector<std::string> Paths() const {
    std::vector<std::string> paths;
    for (const v1::ContextEntry& entry : entries_) {
      paths.push_back(entry.path());
    }
    return paths;
  }

  const v1::ContextEntry& Entry(const std::string& path) const {
    for (const v1::ContextEntry& entry : entries_) {
      if (entry.path() == path) {
        return entry;
      }
    }
    ADD_FAILURE() << path << " is not there";
    return v1::ContextEntry::default_instance();
  }

  ScopedDirectory directory_;
  DigestCache digests_;
  int64_t now_ns_ = SystemClock()->NowNs() + 3'000'000'000;
  std::stop_source stop_;
  std::vector<v1::ContextEntry> entries_;
  FileIdentity last_identity_;
};

TEST_F(ContextWalkerTest, SortsWithTheSlashLowest) {
  for (const char* path : {"a/b", "a-b", "a.b", "a/c/d", "B", "a/\xff", "a!", "z"}) {
    Write(path);
  }
  ASSERT_OK(Walk());
  EXPECT_THAT(Paths(),
              ElementsAre("B", "a", "a/b", "a/c", "a/c/d", "a/\xff", "a!", "a-b", "a.b", "z"));
}

TEST_F(ContextWalkerTest, AnEmptyContextHasNoEntries) {
  ASSERT_OK(Walk());
  EXPECT_THAT(Paths(), ElementsAre());
}

TEST_F(ContextWalkerTest, DescribesFilesAndDirectories) {
  Write("file", "12345");
  ASSERT_EQ(chmod(At("file").c_str(), 04751), 0);
  timespec times[2] = {{1, 2}, {1'600'000'000, 123'456'789}};
  ASSERT_EQ(utimensat(AT_FDCWD, At("file").c_str(), times, 0), 0);
  ASSERT_EQ(mkdir(At("dir").c_str(), 0700), 0);
  ASSERT_EQ(chmod(At("dir").c_str(), 01777), 0);
  ASSERT_OK(Walk());
  EXPECT_EQ(Entry("file").type(), v1::ContextEntry::FILE);
  EXPECT_EQ(Entry("file").mode(), 04751u);
  EXPECT_EQ(Entry("file").size(), 5u);
  EXPECT_EQ(Entry("file").mtime_ns(), 1'600'000'000'123'456'789);
  EXPECT_EQ(Entry("file").hard_link_group(), 0u);
  EXPECT_EQ(Entry("dir").type(), v1::ContextEntry::DIRECTORY);
  EXPECT_EQ(Entry("dir").mode(), 01777u);
  EXPECT_EQ(Entry("dir").size(), 0u);
}

TEST_F(ContextWalkerTest, LinksAreDescribedAndNeverFollowed) {
  Write("real/file");
  ASSERT_EQ(symlink("real", At("link").c_str()), 0);
  ASSERT_EQ(symlink("/nowhere\xff", At("dangling").c_str()), 0);
  ASSERT_OK(Walk());
  EXPECT_THAT(Paths(), ElementsAre("dangling", "link", "real", "real/file"));
  EXPECT_EQ(Entry("link").type(), v1::ContextEntry::SYMLINK);
  EXPECT_EQ(Entry("link").link_target(), "real");
  EXPECT_EQ(Entry("dangling").link_target(), "/nowhere\xff");
}

TEST_F(ContextWalkerTest, HardLinksShareAGroup) {
  Write("a");
  Write("b");
  Write("c");
  ASSERT_EQ(link(At("a").c_str(), At("a2").c_str()), 0);
  ASSERT_EQ(link(At("b").c_str(), At("b2").c_str()), 0);
  ASSERT_OK(Walk());
  EXPECT_GT(Entry("a").hard_link_group(), 0u);
  EXPECT_EQ(Entry("a").hard_link_group(), Entry("a2").hard_link_group());
  EXPECT_EQ(Entry("b").hard_link_group(), Entry("b2").hard_link_group());
  EXPECT_NE(Entry("a").hard_link_group(), Entry("b").hard_link_group());
  EXPECT_EQ(Entry("c").hard_link_group(), 0u);
}

TEST_F(ContextWalkerTest, FifosAreThereAndSocketsAreNot) {
  ASSERT_EQ(mkfifo(At("fifo").c_str(), 0600), 0);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  ASSERT_EQ(chdir(directory_.path().c_str()), 0);
  std::string("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(fd);
  ASSERT_EQ(chdir("/"), 0);
  ASSERT_OK(Walk());
  EXPECT_THAT(Paths(), ElementsAre("fifo"));
  EXPECT_EQ(Entry("fifo").type(), v1::ContextEntry::FIFO);
}

TEST_F(ContextWalkerTest, UserAttributesAreKept) {
  Write("file");
  if (setxattr(At("file").c_str(), "user.b", "2\0z", 3, 0) != 0) {
    GTEST_SKIP() << "no user attributes here";
  }
  ASSERT_EQ(setxattr(At("file").c_str(), "user.a", "1", 1, 0), 0);
  setxattr(At("file").c_str(), "trusted.c", "3", 1, 0);  // needs privileges
  ASSERT_OK(Walk());
  ASSERT_EQ(Entry("file").xattrs_size(), 2);
  EXPECT_EQ(Entry("file").xattrs(0).name(), "user.a");
  EXPECT_EQ(Entry("file").xattrs(1).name(), "user.b");
  EXPECT_EQ(Entry("file").xattrs(1).value(), std::string("2\0z", 3));
}

TEST_F(ContextWalkerTest, IgnoredTreesAreLeftOut) {
  Write("keep");
  Write("node_modules/deep/file");
  Write("src/a.o");
  Write("src/a.c");
  ASSERT_OK(Walk("node_modules\n**/*.o\n"));
  EXPECT_THAT(Paths(), ElementsAre("keep", "src", "src/a.c"));
}

TEST_F(ContextWalkerTest, AnIgnoredDirectoryIsEnteredOnlyWhereSomethingMayBeKept) {
  Write("secret/file");
  ASSERT_EQ(chmod(At("secret").c_str(), 0), 0);
  EXPECT_OK(Walk("secret\n"));
  EXPECT_THAT(Paths(), ElementsAre());
}

TEST_F(ContextWalkerTest, ParentsOfWhatIsKeptComeFirst) {
  Write("a/b/keep");
  Write("a/b/other");
  Write("a/c/other");
  Write("d/other");
  ASSERT_OK(Walk("*\n!a/b/keep\n"));
  EXPECT_THAT(Paths(), ElementsAre("a", "a/b", "a/b/keep"));
}

TEST_F(ContextWalkerTest, AWithheldParentIsGivenOnce) {
  Write("a/b/1");
  Write("a/b/2");
  Write("a/c/3");
  ASSERT_OK(Walk("*\n!a/*/1\n!a/*/2\n!a/*/3\n"));
  EXPECT_THAT(Paths(), ElementsAre("a", "a/b", "a/b/1", "a/b/2", "a/c", "a/c/3"));
}

TEST_F(ContextWalkerTest, SettledFilesHaveTheDigestThatIsKnown) {
  Write("file", "12345");
  ASSERT_OK(Walk());
  EXPECT_EQ(Entry("file").sha256(), "");
  digests_.Add(last_identity_, Digest::Of("12345"));
  ASSERT_OK(Walk());
  EXPECT_EQ(Entry("file").sha256(), Digest::Of("12345").Bytes());
  now_ns_ -= 3'000'000'000;
  ASSERT_OK(Walk());
  EXPECT_EQ(Entry("file").sha256(), "") << "a file of this moment may change unseen";
}

TEST_F(ContextWalkerTest, AChangedFileHasNoDigest) {
  Write("file", "12345");
  ASSERT_OK(Walk());
  digests_.Add(last_identity_, Digest::Of("12345"));
  Write("file", "54321");
  ASSERT_OK(Walk());
  EXPECT_EQ(Entry("file").sha256(), "");
}

TEST_F(ContextWalkerTest, StopsWhenTold) {
  Write("file");
  stop_.request_stop();
  EXPECT_THAT(Walk(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ContextWalkerTest, TheFirstErrorOfTheSinkEndsTheWalk) {
  Write("a");
  Write("b");
  ASSERT_OK_AND_ASSIGN(UniqueFd root, OpenContext(directory_.path()));
  int calls = 0;
  absl::Status status = WalkContext(
      root.get(), WalkOptions(),
      [&calls](v1::ContextEntry, const FileIdentity&) {
        ++calls;
        return absl::DataLossError("no more");
      },
      std::stop_token());
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, "no more"));
  EXPECT_EQ(calls, 1);
}

TEST_F(ContextWalkerTest, FilesOpenBelowTheRootOnly) {
  Write("dir/file", "content");
  ASSERT_EQ(symlink("dir", At("link").c_str()), 0);
  ASSERT_EQ(symlink("/etc/passwd", At("out").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(UniqueFd root, OpenContext(directory_.path()));
  ASSERT_OK_AND_ASSIGN(UniqueFd file, OpenContextFile(root.get(), "dir/file"));
  EXPECT_THAT(ReadAll(file.get()), IsOkAndHolds("content"));
  for (const char* path : {"link/file", "out", "../x", "/etc/passwd", "missing"}) {
    EXPECT_THAT(OpenContextFile(root.get(), path),
                StatusIs(absl::StatusCode::kAborted, HasSubstr(path)));
  }
}

TEST_F(ContextWalkerTest, AMissingContextIsNamed) {
  EXPECT_THAT(OpenContext(At("nothing")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing\" does not exist")));
  Write("file");
  EXPECT_THAT(OpenContext(At("file")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not a directory")));
}

}  // namespace
}  // namespace zlayer
