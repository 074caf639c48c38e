#include "backends/native/solver/files_difference.h"

#include <gtest/gtest.h>

#include "registry/layer/testing/entries.h"

namespace zlayer {
namespace {

using Entries = std::vector<Entry>;

std::string Difference(const Entries& before, const Entries& now) {
  return FirstDifference(*MakeIndex(before), *MakeIndex(now),
                         [](std::string_view path) { return std::string(path); });
}

TEST(FilesDifferenceTest, NamesWhatChanged) {
  const Entry src = DirectoryEntry("src");
  const Entry a = FileEntry("src/a.c", "1");
  const Entry b = FileEntry("src/b.c", "1");
  const Entry l = SymlinkEntry("src/l", "a.c");
  const Entries before = {src, a, b, l};
  EXPECT_EQ(Difference(before, before), "");
  EXPECT_EQ(Difference(before, {src, a, FileEntry("src/b.c", "2"), l}), "file src/b.c changed");
  EXPECT_EQ(Difference(before, {src, a, b, FileEntry("src/c.c"), l}), "file src/c.c is new");
  EXPECT_EQ(Difference(before, {src, b, l}), "file src/a.c is gone");
  EXPECT_EQ(Difference(before, {src, a, b, SymlinkEntry("src/l", "b.c")}), "link src/l changed");
  EXPECT_EQ(Difference(before, {src, FileEntry("src/a.c", "2"), FileEntry("src/c.c")}),
            "file src/a.c changed and 3 more");
}

TEST(FilesDifferenceTest, TimesDoNotCount) {
  Entry later = FileEntry("a", "1");
  later.mtime_ns = 5;
  EXPECT_EQ(Difference({FileEntry("a", "1")}, {later}), "");
}

TEST(FilesDifferenceTest, AttributesAreNamed) {
  EXPECT_EQ(Difference({FileEntry("a", "1", 0644)}, {FileEntry("a", "1", 0755)}),
            "the mode of a changed");
  Entry other = FileEntry("a", "1", 0600);
  other.gid = 7;
  EXPECT_EQ(Difference({FileEntry("a", "1")}, {other}), "the mode and owner of a changed");
  Entry marked = FileEntry("a", "1");
  marked.xattrs["user.x"] = "y";
  EXPECT_EQ(Difference({FileEntry("a", "1")}, {marked}), "the extended attributes of a changed");
  EXPECT_EQ(Difference({FileEntry("a", "1", 0644)}, {FileEntry("a", "2", 0755)}), "file a changed");
}

TEST(FilesDifferenceTest, AnotherTypeIsNamed) {
  EXPECT_EQ(Difference({FileEntry("a")}, {SymlinkEntry("a", "b")}),
            "a was a file, now it is a link");
  EXPECT_EQ(Difference({FileEntry("a")}, {DirectoryEntry("a"), FileEntry("a/b")}),
            "a was a file, now it is a directory and 1 more");
}

TEST(FilesDifferenceTest, ADirectorysAttributesCountButStandBehindTheRest) {
  EXPECT_EQ(Difference({DirectoryEntry("d", 0755)}, {DirectoryEntry("d", 0700)}),
            "the mode of d changed");
  EXPECT_EQ(Difference({DirectoryEntry("d", 0755), FileEntry("d/f", "1")},
                       {DirectoryEntry("d", 0700), FileEntry("d/f", "2")}),
            "file d/f changed and 1 more");
}

TEST(FilesDifferenceTest, DifferencesAreCounted) {
  const auto before = MakeIndex({FileEntry("a", "1"), FileEntry("b", "1"), FileEntry("c", "1")});
  EXPECT_EQ(CountDifferences(*before, *before), 0u);
  EXPECT_EQ(CountDifferences(*before, *MakeIndex({FileEntry("a", "1"), FileEntry("b", "2")})), 2u);
}

TEST(FilesDifferenceTest, PathsHaveTheNamesThatTheUserKnows) {
  EXPECT_EQ(FirstDifference(*MakeIndex({FileEntry("etc/app.conf", "1"), DirectoryEntry("etc")}),
                            *MakeIndex({FileEntry("etc/app.conf", "2"), DirectoryEntry("etc")}),
                            [](std::string_view path) {
                              EXPECT_EQ(path, "etc/app.conf");
                              return std::string("app.conf");
                            }),
            "file app.conf changed");
}

}  // namespace
}  // namespace zlayer
