#include "registry/layer/merge_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "registry/layer/testing/entries.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Layers = std::vector<std::shared_ptr<const LayerIndex>>;

Layers MakeLayers(const std::vector<std::vector<Entry>>& layers) {
  Layers indexes;
  for (const std::vector<Entry>& layer : layers) {
    indexes.push_back(MakeIndex(layer));
  }
  return indexes;
}

std::vector<Entry> Merge(const Layers& layers, const Rootfs& below = {}) {
  auto bytes = MergeLayers(layers, below);
  EXPECT_OK(bytes.status());
  auto index = bytes.ok() ? LayerIndex::FromBytes(*bytes) : bytes.status();
  EXPECT_OK(index.status());
  return index.ok() ? EntriesOf(**index) : std::vector<Entry>();
}

std::vector<Entry> Merge(const std::vector<std::vector<Entry>>& layers,
                         const std::vector<std::vector<Entry>>& below = {}) {
  return Merge(MakeLayers(layers), Rootfs(MakeLayers(below)));
}

Entry Implied(std::string_view path) {
  Entry entry = DirectoryEntry(path);
  entry.implied_parent = true;
  return entry;
}

TEST(MergeLayersTest, TheTopWins) {
  EXPECT_THAT(Merge({{DirectoryEntry("d", 0700), FileEntry("d/a", "old"), FileEntry("d/b")},
                     {DirectoryEntry("d", 0711), FileEntry("d/a", "new")}}),
              ElementsAre(DirectoryEntry("d", 0711), FileEntry("d/a", "new"), FileEntry("d/b")));
  EXPECT_THAT(Merge(std::vector<std::vector<Entry>>()), IsEmpty());
}

TEST(MergeLayersTest, OnNothingNoWhiteoutIsLeft) {
  EXPECT_THAT(Merge({{FileEntry("a"), DirectoryEntry("d"), FileEntry("d/x"), OpaqueEntry("e")},
                     {WhiteoutEntry("a"), OpaqueEntry("d"), WhiteoutEntry("f")}}),
              ElementsAre(DirectoryEntry("d"), DirectoryEntry("e")));
}

TEST(MergeLayersTest, AWhiteoutStaysWhereItHidesSomethingBelow) {
  const std::vector<std::vector<Entry>> below = {
      {FileEntry("a"), DirectoryEntry("d"), FileEntry("d/x")}};
  EXPECT_THAT(Merge({{FileEntry("b"), FileEntry("a", "mine")},
                     {WhiteoutEntry("a"), WhiteoutEntry("b"), Implied("d"), WhiteoutEntry("d/x")}},
                    below),
              ElementsAre(WhiteoutEntry("a"), Implied("d"), WhiteoutEntry("d/x")));
  // Removed and made again.
  EXPECT_THAT(Merge({{WhiteoutEntry("d")}, {DirectoryEntry("d"), FileEntry("d/y")}}, below),
              ElementsAre(OpaqueEntry("d"), FileEntry("d/y")));
  EXPECT_THAT(Merge({{FileEntry("d")}, {WhiteoutEntry("d")}, {DirectoryEntry("d")}}, below),
              ElementsAre(OpaqueEntry("d")));
  // Nothing of below can be seen in what is opaque.
  EXPECT_THAT(Merge({{OpaqueEntry("d")}, {DirectoryEntry("d"), WhiteoutEntry("d/x")}}, below),
              ElementsAre(OpaqueEntry("d")));
}

TEST(MergeLayersTest, AnOpaqueDirectoryHidesOnlyTheLayersBelowIt) {
  EXPECT_THAT(Merge({{DirectoryEntry("d"), FileEntry("d/0")},
                     {OpaqueEntry("d"), FileEntry("d/1")},
                     {DirectoryEntry("d"), FileEntry("d/2")}},
                    {{DirectoryEntry("d"), FileEntry("d/b")}}),
              ElementsAre(OpaqueEntry("d"), FileEntry("d/1"), FileEntry("d/2")));
}

TEST(MergeLayersTest, ParentsAreImpliedOnlyWhereNoLayerMadeThem) {
  const std::vector<std::vector<Entry>> below = {{DirectoryEntry("d")}};
  EXPECT_THAT(Merge({{Implied("d"), FileEntry("d/a")}, {Implied("d"), FileEntry("d/b")}}, below),
              ElementsAre(Implied("d"), FileEntry("d/a"), FileEntry("d/b")));
  EXPECT_THAT(Merge({{DirectoryEntry("d")}, {Implied("d"), FileEntry("d/b")}}, below),
              ElementsAre(DirectoryEntry("d"), FileEntry("d/b")));
  EXPECT_THAT(Merge({{Implied(""), Implied("d"), FileEntry("d/b")}}),
              ElementsAre(DirectoryEntry(""), DirectoryEntry("d"), FileEntry("d/b")));
}

TEST(MergeLayersTest, HardLinksStayTogether) {
  const auto link = [](std::string_view path, std::string_view leader) {
    Entry entry = FileEntry(path, "x", 0600);
    entry.hard_link = std::string(leader);
    return entry;
  };
  const std::vector<Entry> group = {FileEntry("a", "x", 0600), HardLinkEntry("b", "a"),
                                    HardLinkEntry("c", "a")};
  EXPECT_THAT(
      Merge({group, {FileEntry("z")}}),
      ElementsAre(FileEntry("a", "x", 0600), link("b", "a"), link("c", "a"), FileEntry("z")));
  // Without its leader.
  EXPECT_THAT(Merge({group, {WhiteoutEntry("a")}}),
              ElementsAre(FileEntry("b", "x", 0600), link("c", "b")));
  // A link of another layer to a path of the same name is another group.
  EXPECT_THAT(Merge({group, {FileEntry("a", "y"), HardLinkEntry("d", "a")}}),
              ElementsAre(FileEntry("a", "y"), FileEntry("b", "x", 0600), link("c", "b"), [] {
                Entry other = FileEntry("d", "y");
                other.hard_link = "a";
                return other;
              }()));
}

TEST(MergeLayersTest, MetadataIsKept) {
  Entry device = MakeEntry("dev", EntryType::kCharacterDevice, 0620);
  device.device = 5;
  Entry file = FileEntry("f", "x", 06755);
  file.uid = 7;
  file.gid = 8;
  file.mtime_ns = 9;
  file.xattrs["user.a"] = "b";
  file.pax["K"] = "v";
  EXPECT_THAT(Merge({{device, file, SymlinkEntry("l", "f")}, {FileEntry("z")}}),
              ElementsAre(device, file, SymlinkEntry("l", "f"), FileEntry("z")));
}

// Layers at random: views as rich in removals as a few paths allow.
std::vector<Entry> RandomLayer(std::mt19937& random) {
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<uint32_t>(n)); };
  std::vector<Entry> entries;
  const std::function<void(const std::string&, int)> fill = [&](const std::string& parent,
                                                                int depth) {
    for (const char* name : {"a", "b", "c"}) {
      const std::string path = parent.empty() ? name : parent + "/" + name;
      switch (pick(6)) {
        case 0:
          entries.push_back(FileEntry(path, std::to_string(pick(1000))));
          break;
        case 1:
          entries.push_back(WhiteoutEntry(path));
          break;
        case 2:
        case 3:
          entries.push_back(pick(4) == 0 ? OpaqueEntry(path)
                                         : DirectoryEntry(path, 0700 + pick(64)));
          if (depth > 0) {
            fill(path, depth - 1);
          }
          break;
        default:
          break;
      }
    }
  };
  fill("", 2);
  return entries;
}

std::vector<Entry> View(const Rootfs& rootfs) {
  std::vector<Entry> entries;
  EXPECT_OK(rootfs.Walk("", [&](const RootfsEntry& found) {
    entries.push_back(found.entry);
    entries.back().opaque = false;
    return absl::OkStatus();
  }));
  return entries;
}

TEST(MergeLayersTest, TheViewIsThatOfTheLayers) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    Layers all;
    for (int i = 0; i < 5; ++i) {
      all.push_back(MakeIndex(RandomLayer(random)));
    }
    const auto base = static_cast<std::ptrdiff_t>(random() % 4);
    const Rootfs below(Layers(all.begin(), all.begin() + base));
    const Layers above(all.begin() + base, all.end());
    auto bytes = MergeLayers(above, below);
    ASSERT_OK(bytes.status());
    ASSERT_OK_AND_ASSIGN(auto merged, LayerIndex::FromBytes(*bytes));
    ASSERT_EQ(View(below.With(merged)), View(Rootfs(all))) << "round " << round;
    for (const Entry& entry : EntriesOf(*merged)) {
      ASSERT_TRUE((entry.type != EntryType::kWhiteout && !entry.opaque) ||
                  below.Lookup(entry.path).has_value())
          << entry.path;
    }
  }
}

}  // namespace
}  // namespace zlayer
