#include "registry/layer/rootfs.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>

#include "registry/layer/testing/entries.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Rootfs MakeRootfs(const std::vector<std::vector<Entry>>& layers) {
  Rootfs rootfs;
  for (const std::vector<Entry>& layer : layers) {
    rootfs = rootfs.With(MakeIndex(layer));
  }
  return rootfs;
}

std::vector<std::string> Walked(const Rootfs& rootfs, std::string_view path) {
  std::vector<std::string> paths;
  EXPECT_OK(rootfs.Walk(path, [&paths](const RootfsEntry& found) {
    paths.push_back(fmt::format("{}@{}", found.entry.path, found.layer));
    return absl::OkStatus();
  }));
  return paths;
}

TEST(RootfsTest, TheRootIsAlwaysThere) {
  Rootfs none;
  ASSERT_TRUE(none.Lookup("").has_value());
  EXPECT_EQ(none.Lookup("")->entry.mode, 0755u);
  EXPECT_THAT(Walked(none, ""), ElementsAre("@0"));
  EXPECT_THAT(none.List(""), IsEmpty());
  Rootfs changed = MakeRootfs({{FileEntry("a")}, {DirectoryEntry("", 0700)}});
  EXPECT_EQ(changed.Lookup("")->entry.mode, 0700u);
  EXPECT_THAT(Walked(changed, ""), ElementsAre("@1", "a@0"));
}

TEST(RootfsTest, ADirectoryCanBeTheRoot) {
  Entry link = FileEntry("Files/b", "x");
  link.hard_link = std::string("Files/a");
  const Rootfs whole = MakeRootfs(
      {{DirectoryEntry("Files", 0700), FileEntry("Files/a", "x"), link, DirectoryEntry("Files/d"),
        SymlinkEntry("Files/up", "/../../a"), DirectoryEntry("Hives")}});
  const Rootfs files = whole.Below("Files");
  EXPECT_THAT(Walked(files, ""), ElementsAre("@0", "a@0", "b@0", "d@0", "up@0"));
  EXPECT_THAT(files.List(""), ElementsAre("a", "b", "d", "up"));
  EXPECT_EQ(files.Lookup("")->entry.mode, 0700u);
  EXPECT_EQ(files.Lookup("b")->entry.hard_link, "a");
  EXPECT_FALSE(files.Lookup("Hives").has_value());
  EXPECT_THAT(files.Resolve("up"), IsOkAndHolds(std::string("a")));
  EXPECT_EQ(files.PathInLayers("a"), "Files/a");
  EXPECT_EQ(files.Below("d").PathInLayers(""), "Files/d");
  EXPECT_THAT(files.With(MakeIndex({DirectoryEntry("Files"), WhiteoutEntry("Files/a")})).List(""),
              ElementsAre("b", "d", "up"));
  EXPECT_THAT(Walked(whole.Below("none"), ""), ElementsAre("@0"));
}

TEST(RootfsTest, TheTopLayerWins) {
  Rootfs rootfs = MakeRootfs({{DirectoryEntry("d", 0755), FileEntry("d/a", "old")},
                              {DirectoryEntry("d", 0700), FileEntry("d/a", "new")}});
  EXPECT_EQ(rootfs.Lookup("d/a")->entry.content, Digest::Of("new"));
  EXPECT_EQ(rootfs.Lookup("d/a")->layer, 1u);
  EXPECT_EQ(rootfs.Lookup("d")->entry.mode, 0700u);
  EXPECT_FALSE(rootfs.Lookup("d/b").has_value());
}

TEST(RootfsTest, WhiteoutsHideWhatIsBelowThem) {
  Rootfs rootfs = MakeRootfs({{DirectoryEntry("d"), DirectoryEntry("d/e"), FileEntry("d/e/f")},
                              {DirectoryEntry("d"), WhiteoutEntry("d/e")},
                              {DirectoryEntry("d"), FileEntry("d/g")}});
  EXPECT_FALSE(rootfs.Lookup("d/e").has_value());
  EXPECT_FALSE(rootfs.Lookup("d/e/f").has_value());
  EXPECT_THAT(rootfs.List("d"), ElementsAre("g"));
  EXPECT_THAT(Walked(rootfs, "d"), ElementsAre("d@2", "d/g@2"));
  EXPECT_THAT(Walked(rootfs, "d/e"), IsEmpty());
}

TEST(RootfsTest, ADirectoryMadeAgainShowsNothingOfOldOnes) {
  Rootfs rootfs = MakeRootfs({{DirectoryEntry("d"), FileEntry("d/old")},
                              {WhiteoutEntry("d")},
                              {DirectoryEntry("d"), FileEntry("d/new")}});
  EXPECT_FALSE(rootfs.Lookup("d/old").has_value());
  EXPECT_THAT(Walked(rootfs, ""), ElementsAre("@0", "d@2", "d/new@2"));
  EXPECT_THAT(rootfs.List("d"), ElementsAre("new"));
}

TEST(RootfsTest, OpaqueDirectoriesHideContentsAndAreSeen) {
  Rootfs rootfs = MakeRootfs({{DirectoryEntry("d"), DirectoryEntry("d/e"), FileEntry("d/e/f")},
                              {OpaqueEntry("d"), FileEntry("d/x")}});
  EXPECT_TRUE(rootfs.Lookup("d").has_value());
  EXPECT_FALSE(rootfs.Lookup("d/e").has_value());
  EXPECT_FALSE(rootfs.Lookup("d/e/f").has_value());
  EXPECT_THAT(Walked(rootfs, "d"), ElementsAre("d@1", "d/x@1"));
}

TEST(RootfsTest, AnOpaqueRootHidesEverything) {
  Rootfs rootfs = MakeRootfs({{FileEntry("a")}, {OpaqueEntry(""), FileEntry("b")}});
  EXPECT_FALSE(rootfs.Lookup("a").has_value());
  EXPECT_THAT(Walked(rootfs, ""), ElementsAre("@1", "b@1"));
  EXPECT_THAT(rootfs.List(""), ElementsAre("b"));
}

TEST(RootfsTest, AFileOverADirectoryHidesWhatWasInIt) {
  Rootfs rootfs = MakeRootfs({{DirectoryEntry("d"), FileEntry("d/a")}, {FileEntry("d")}});
  EXPECT_FALSE(rootfs.Lookup("d/a").has_value());
  EXPECT_THAT(Walked(rootfs, ""), ElementsAre("@0", "d@1"));
  EXPECT_THAT(rootfs.List("d"), IsEmpty());
}

TEST(RootfsTest, WalkIsInIndexOrderAndStopsAtAnError) {
  Rootfs rootfs = MakeRootfs({{DirectoryEntry("a"), FileEntry("a/z"), FileEntry("a-b")},
                              {DirectoryEntry("a"), FileEntry("a/b"), FileEntry("a-")}});
  EXPECT_THAT(Walked(rootfs, ""), ElementsAre("@0", "a@1", "a/b@1", "a/z@0", "a-@1", "a-b@0"));
  EXPECT_THAT(Walked(rootfs, "a-b"), ElementsAre("a-b@0"));
  int calls = 0;
  EXPECT_THAT(rootfs.Walk("",
                          [&calls](const RootfsEntry&) {
                            return ++calls == 3 ? absl::CancelledError("enough") : absl::OkStatus();
                          }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(calls, 3);
}

TEST(RootfsTest, ResolveFollowsLinksBelowTheRoot) {
  Rootfs rootfs = MakeRootfs({{DirectoryEntry("usr"), DirectoryEntry("usr/lib"),
                               SymlinkEntry("lib", "usr/lib"), SymlinkEntry("abs", "/usr/lib"),
                               SymlinkEntry("out", "../../../usr"), FileEntry("usr/lib/so"),
                               SymlinkEntry("usr/up", ".."), SymlinkEntry("usr/last", "lib/so")}});
  EXPECT_THAT(rootfs.Resolve("lib/so"), IsOkAndHolds("usr/lib/so"));
  EXPECT_THAT(rootfs.Resolve("/abs/../lib"), IsOkAndHolds("usr/lib"));
  EXPECT_THAT(rootfs.Resolve("out/lib"), IsOkAndHolds("usr/lib"));
  EXPECT_THAT(rootfs.Resolve("usr/up/usr/last"), IsOkAndHolds("usr/lib/so"));
  EXPECT_THAT(rootfs.Resolve("../../.."), IsOkAndHolds(""));
  EXPECT_THAT(rootfs.ResolveParent("lib"), IsOkAndHolds("lib"));
  EXPECT_THAT(rootfs.ResolveParent("lib/so"), IsOkAndHolds("usr/lib/so"));
  EXPECT_THAT(rootfs.ResolveParent("usr/up/usr/last"), IsOkAndHolds("usr/last"));
}

TEST(RootfsTest, ResolveKeepsWhatDoesNotExist) {
  Rootfs rootfs = MakeRootfs({{SymlinkEntry("l", "not/there"), FileEntry("f")}});
  EXPECT_THAT(rootfs.Resolve("a/b/../c"), IsOkAndHolds("a/c"));
  EXPECT_THAT(rootfs.Resolve("l/x"), IsOkAndHolds("not/there/x"));
  EXPECT_THAT(rootfs.Resolve("f"), IsOkAndHolds("f"));
  EXPECT_THAT(rootfs.Resolve("f/x"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("'f'")));
}

TEST(RootfsTest, ResolveEndsInALoop) {
  Rootfs rootfs = MakeRootfs({{SymlinkEntry("a", "b"), SymlinkEntry("b", "a/x"),
                               SymlinkEntry("double", "double/double")}});
  EXPECT_THAT(rootfs.Resolve("a"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(rootfs.Resolve("double"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(RootfsTest, AWhiteoutEndsALink) {
  Rootfs rootfs = MakeRootfs({{SymlinkEntry("l", "x")}, {WhiteoutEntry("l")}});
  EXPECT_THAT(rootfs.Resolve("l/a"), IsOkAndHolds("l/a"));
}

// The merged view as overlayfs makes it, by applying one layer after the other to a map.
using View = std::map<std::string, RootfsEntry>;

void Apply(const LayerIndex& index, size_t layer, View* view) {
  for (const Entry& entry : EntriesOf(index)) {
    auto old = view->find(entry.path);
    bool merges = entry.type == EntryType::kDirectory && !entry.opaque && old != view->end() &&
                  old->second.entry.type == EntryType::kDirectory;
    if (!merges) {
      std::erase_if(*view, [&](const auto& item) {
        return item.second.layer < layer && IsAtOrBelow(item.first, entry.path);
      });
    }
    if (entry.type != EntryType::kWhiteout) {
      (*view)[entry.path] = {entry, layer};
    }
  }
}

std::shared_ptr<const LayerIndex> RandomLayer(std::mt19937* random) {
  LayerIndexBuilder builder;
  for (int i = 0; i < 12; ++i) {
    std::string path;
    int depth = 1 + static_cast<int>((*random)() % 4);
    for (int level = 0; level < depth; ++level) {
      path += (level == 0 ? "" : "/") + std::string(1, "ab-"[(*random)() % 3]);
      const Entry* present = builder.Find(path);
      if (present != nullptr && present->type != EntryType::kDirectory) {
        break;
      }
      if (level + 1 < depth) {
        if (present == nullptr) {
          EXPECT_OK(builder.Add((*random)() % 8 == 0 ? OpaqueEntry(path) : DirectoryEntry(path)));
        }
        continue;
      }
      if (present == nullptr) {
        Entry leafs[] = {FileEntry(path), WhiteoutEntry(path), DirectoryEntry(path)};
        EXPECT_OK(builder.Add(leafs[(*random)() % 3]));
      }
    }
  }
  auto index = LayerIndex::FromBytes(*builder.Serialize());
  EXPECT_OK(index);
  return *index;
}

TEST(RootfsTest, RandomLayersMergeAsAppliedOneByOne) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    Rootfs rootfs;
    View view;
    for (size_t layer = 0; layer < 5; ++layer) {
      rootfs = rootfs.With(RandomLayer(&random));
      Apply(*rootfs.layers().back(), layer, &view);
    }
    std::map<std::string, size_t> expected, walked;
    for (const auto& [path, found] : view) {
      expected[path] = found.layer;
      ASSERT_TRUE(rootfs.Lookup(path).has_value()) << path;
      EXPECT_EQ(rootfs.Lookup(path)->layer, found.layer);
    }
    ASSERT_OK(rootfs.Walk("", [&walked](const RootfsEntry& found) {
      if (!found.entry.path.empty()) {
        walked[found.entry.path] = found.layer;
      }
      return absl::OkStatus();
    }));
    EXPECT_EQ(walked, expected);
    for (const auto& item : expected) {
      const std::string& path = item.first;
      std::vector<std::string> names;
      for (const auto& [other, unused] : expected) {
        if (other != path && IsAtOrBelow(other, path) && ParentPath(other) == path) {
          names.emplace_back(BaseName(other));
        }
      }
      EXPECT_EQ(rootfs.List(path), names) << path;
      EXPECT_EQ(Walked(rootfs, path).size(),
                static_cast<size_t>(std::count_if(
                    expected.begin(), expected.end(),
                    [&path](const auto& other) { return IsAtOrBelow(other.first, path); })));
    }
  }
}

}  // namespace
}  // namespace zlayer
