#include "registry/layer/unpack_view.h"

#include "registry/layer/testing/entries.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class UnpackViewTest : public ::testing::Test {
 protected:
  // Puts the entries as those of a layer above `below`.
  std::shared_ptr<const LayerIndex> Layer(const std::vector<Entry>& entries,
                                          const Rootfs* below = nullptr) {
    return Unpack(entries, true, below);
  }

  std::shared_ptr<const LayerIndex> Unpack(const std::vector<Entry>& entries, bool layer,
                                           const Rootfs* below) {
    LayerIndexBuilder builder;
    UnpackView view(layer, below, &builder);
    for (const Entry& entry : entries) {
      absl::Status put =
          entry.hard_link.empty() ? view.Put(entry) : view.PutHardLink(entry.path, entry.hard_link);
      EXPECT_OK(put) << entry.path;
    }
    auto bytes = builder.Serialize();
    EXPECT_OK(bytes);
    return *LayerIndex::FromBytes(bytes.value_or(""));
  }

  absl::Status Error(const std::vector<Entry>& entries, bool layer = true,
                     const Rootfs* below = nullptr) {
    LayerIndexBuilder builder;
    UnpackView view(layer, below, &builder);
    for (const Entry& entry : entries) {
      absl::Status put =
          entry.hard_link.empty() ? view.Put(entry) : view.PutHardLink(entry.path, entry.hard_link);
      if (!put.ok()) {
        return put;
      }
    }
    return builder.Serialize().status();
  }
};

Entry At(const std::shared_ptr<const LayerIndex>& index, std::string_view path) {
  size_t i = index->Find(path);
  EXPECT_LT(i, index->size()) << path;
  return i < index->size() ? index->At(i) : Entry();
}

TEST_F(UnpackViewTest, PathsStayBelowTheRoot) {
  auto index = Layer({FileEntry("/etc/passwd"), FileEntry("../../x"), FileEntry("a/../../y"),
                      DirectoryEntry("./d/"), DirectoryEntry(".", 0700)});
  EXPECT_THAT(PathsOf(*index), ElementsAre("", "d", "etc", "etc/passwd", "x", "y"));
  EXPECT_EQ(At(index, "").mode, 0700u);
}

TEST_F(UnpackViewTest, MissingParentsAreImplied) {
  auto index = Layer({FileEntry("a/b/c")});
  Entry parent = At(index, "a/b");
  EXPECT_TRUE(parent.implied_parent);
  EXPECT_EQ(parent.mode, 0755u);
  EXPECT_EQ(parent.uid, 0u);
  EXPECT_EQ(parent.mtime_ns, 0);
}

TEST_F(UnpackViewTest, MissingParentsComeFromBelow) {
  Entry tmp = OpaqueEntry("tmp");
  tmp.mode = 01777;
  tmp.uid = 7;
  tmp.mtime_ns = 99;
  tmp.xattrs = {{"user.a", "b"}};
  Rootfs below({MakeIndex({tmp})});
  Entry parent = At(Layer({FileEntry("tmp/new/x")}, &below), "tmp");
  tmp.opaque = false;
  tmp.implied_parent = true;
  EXPECT_EQ(parent, tmp);
}

TEST_F(UnpackViewTest, ALaterEntryReplacesAnImpliedParent) {
  auto index = Layer({FileEntry("a/b"), DirectoryEntry("a", 0700)});
  EXPECT_EQ(At(index, "a").mode, 0700u);
  EXPECT_FALSE(At(index, "a").implied_parent);
  EXPECT_FALSE(At(index, "a").opaque);
}

TEST_F(UnpackViewTest, ParentsThatAreLinksBelowAreFollowed) {
  Rootfs below({MakeIndex(
      {DirectoryEntry("usr"), DirectoryEntry("usr/lib", 0711), SymlinkEntry("lib", "usr/lib")})});
  auto index = Layer({FileEntry("lib/new/x")}, &below);
  EXPECT_THAT(PathsOf(*index), ElementsAre("usr", "usr/lib", "usr/lib/new", "usr/lib/new/x"));
  EXPECT_EQ(At(index, "usr/lib").mode, 0711u);
}

TEST_F(UnpackViewTest, LinksOfTheArchiveDoNotLeaveTheRoot) {
  auto index = Layer({SymlinkEntry("out", "/../../etc"), FileEntry("out/passwd"),
                      SymlinkEntry("up", ".."), FileEntry("up/up/x")});
  EXPECT_THAT(PathsOf(*index), ElementsAre("etc", "etc/passwd", "out", "up", "x"));
}

TEST_F(UnpackViewTest, ALinkInTheLastComponentIsReplaced) {
  Rootfs below({MakeIndex({DirectoryEntry("d"), SymlinkEntry("l", "d")})});
  auto index = Layer({DirectoryEntry("l", 0700)}, &below);
  EXPECT_THAT(PathsOf(*index), ElementsAre("l"));
  EXPECT_EQ(At(index, "l").type, EntryType::kDirectory);
}

TEST_F(UnpackViewTest, LoopsAndFilesAsParentsAreErrors) {
  EXPECT_THAT(Error({SymlinkEntry("a", "b"), SymlinkEntry("b", "a"), FileEntry("a/x")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("loop")));
  EXPECT_THAT(Error({FileEntry("f"), FileEntry("f/x")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a directory")));
  Rootfs below({MakeIndex({FileEntry("f")})});
  EXPECT_THAT(Error({FileEntry("f/x")}, true, &below),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(UnpackViewTest, Whiteouts) {
  auto index = Layer({FileEntry("d/.wh.gone"), FileEntry(".wh.top"), FileEntry("d/kept"),
                      FileEntry("d/.wh.kept")});
  EXPECT_EQ(At(index, "d/gone").type, EntryType::kWhiteout);
  EXPECT_EQ(At(index, "top").type, EntryType::kWhiteout);
  EXPECT_EQ(At(index, "d/kept").type, EntryType::kFile);
}

TEST_F(UnpackViewTest, WhiteoutAndDirectoryOfOneNameAreAnOpaqueDirectory) {
  for (const auto& entries :
       {std::vector<Entry>{FileEntry(".wh.d"), DirectoryEntry("d", 0700), FileEntry("d/x")},
        std::vector<Entry>{DirectoryEntry("d", 0700), FileEntry("d/x"), FileEntry(".wh.d")}}) {
    auto index = Layer(entries);
    EXPECT_TRUE(At(index, "d").opaque);
    EXPECT_EQ(At(index, "d").mode, 0700u);
    EXPECT_THAT(PathsOf(*index), ElementsAre("d", "d/x"));
  }
  EXPECT_TRUE(At(Layer({FileEntry(".wh.d"), FileEntry("d/x")}), "d").opaque);
  EXPECT_EQ(At(Layer({FileEntry(".wh.f"), FileEntry("f")}), "f").type, EntryType::kFile);
}

TEST_F(UnpackViewTest, OpaqueMarks) {
  auto index = Layer({DirectoryEntry("a"), FileEntry("a/.wh..wh..opq"), FileEntry("a/x"),
                      FileEntry("b/.wh..wh..opq"), DirectoryEntry("b", 0700)});
  EXPECT_THAT(PathsOf(*index), ElementsAre("a", "a/x", "b"));
  EXPECT_TRUE(At(index, "a").opaque);
  EXPECT_TRUE(At(index, "b").opaque);
  EXPECT_EQ(At(index, "b").mode, 0700u);
  EXPECT_TRUE(At(Layer({FileEntry(".wh..wh..opq")}), "").opaque);
}

TEST_F(UnpackViewTest, AnOpaqueDirectoryHidesLinksBelow) {
  Rootfs below(
      {MakeIndex({DirectoryEntry("d"), SymlinkEntry("d/l", "/other"), DirectoryEntry("other")})});
  auto index =
      Layer({DirectoryEntry("d"), FileEntry("d/.wh..wh..opq"), FileEntry("d/l/x")}, &below);
  EXPECT_THAT(PathsOf(*index), ElementsAre("d", "d/l", "d/l/x"));
}

TEST_F(UnpackViewTest, OddMarks) {
  EXPECT_EQ(Layer({FileEntry(".wh..wh.plnk/x"), FileEntry(".wh..wh.aufs")})->size(), 0u);
  for (const char* path : {".wh.", ".wh..", ".wh...", ".wh.d/x"}) {
    EXPECT_THAT(Error({FileEntry(path)}), StatusIs(absl::StatusCode::kInvalidArgument)) << path;
  }
}

TEST_F(UnpackViewTest, MarksAreRefusedOutsideOfLayers) {
  EXPECT_THAT(Error({FileEntry("d/.wh.x")}, false),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(".wh.")));
  EXPECT_THAT(Error({FileEntry(".wh..wh..opq")}, false),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(UnpackViewTest, ADirectoryOverAFileIsOpaqueInALayer) {
  EXPECT_TRUE(At(Layer({FileEntry("a"), DirectoryEntry("a")}), "a").opaque);
  EXPECT_FALSE(At(Unpack({FileEntry("a"), DirectoryEntry("a")}, false, nullptr), "a").opaque);
}

TEST_F(UnpackViewTest, AFileOverADirectoryRemovesItsContent) {
  EXPECT_THAT(PathsOf(*Layer({FileEntry("a/b/c"), FileEntry("a")})), ElementsAre("a"));
}

TEST_F(UnpackViewTest, HardLinksShareTheLeader) {
  auto index = Layer({FileEntry("b", "x"), HardLinkEntry("./c", "/b"), HardLinkEntry("a", "c")});
  EXPECT_EQ(At(index, "a").hard_link, "");
  EXPECT_EQ(At(index, "b").hard_link, "a");
  EXPECT_EQ(At(index, "c").hard_link, "a");
  EXPECT_EQ(index->content_bytes(), 1u);
}

TEST_F(UnpackViewTest, NamesOutliveAReplacedLeader) {
  auto index = Layer({FileEntry("d/a", "old"), HardLinkEntry("b", "d/a"), HardLinkEntry("c", "b"),
                      FileEntry("d/a", "new")});
  EXPECT_EQ(At(index, "d/a").content, Digest::Of("new"));
  EXPECT_EQ(At(index, "b").content, Digest::Of("old"));
  EXPECT_EQ(At(index, "c").hard_link, "b");
  auto removed = Layer({FileEntry("d/a", "old"), HardLinkEntry("d/x", "d/a"),
                        HardLinkEntry("b", "d/a"), SymlinkEntry("d", "e")});
  EXPECT_EQ(At(removed, "b").content, Digest::Of("old"));
  EXPECT_EQ(At(removed, "b").hard_link, "");
  EXPECT_EQ(removed->size(), 2u);
}

TEST_F(UnpackViewTest, LinkingANameAgainChangesNothing) {
  auto index = Layer({FileEntry("a", "x"), HardLinkEntry("b", "a"), HardLinkEntry("a", "b"),
                      HardLinkEntry("a", "a")});
  EXPECT_EQ(At(index, "b").hard_link, "a");
  EXPECT_EQ(index->size(), 2u);
}

TEST_F(UnpackViewTest, HardLinksIntoTheLayersBelow) {
  Entry lower = FileEntry("usr/f", "content", 0751);
  Rootfs below({MakeIndex({DirectoryEntry("usr"), lower, SymlinkEntry("u", "usr")})});
  auto index = Layer({HardLinkEntry("x", "u/f")}, &below);
  lower.path = "x";
  EXPECT_EQ(At(index, "x"), lower);
}

TEST_F(UnpackViewTest, HardLinksOfLinksCopyThem) {
  auto index = Layer({SymlinkEntry("l", "t"), HardLinkEntry("m", "l")});
  EXPECT_EQ(At(index, "m").link_target, "t");
}

TEST_F(UnpackViewTest, HardLinksOfNothing) {
  EXPECT_THAT(Error({HardLinkEntry("x", "missing")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("missing")));
  EXPECT_THAT(Error({DirectoryEntry("d"), HardLinkEntry("x", "d")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("directory")));
  EXPECT_THAT(Error({FileEntry("d/f"), HardLinkEntry("d", "d/f")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("below itself")));
  Rootfs below({MakeIndex({FileEntry("f")})});
  EXPECT_THAT(Error({FileEntry(".wh.f"), HardLinkEntry("x", "f")}, true, &below),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace zlayer
