#include "backends/native/file/windows_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "registry/layer/testing/entries.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr int64_t kNow = 1'700'000'000'000'000'000;

std::shared_ptr<const LayerIndex> Made(const std::vector<Entry>& entries) {
  absl::StatusOr<std::string> bytes = WindowsLayer(SerializeEntries(entries), kNow);
  EXPECT_OK(bytes);
  absl::StatusOr<std::shared_ptr<const LayerIndex>> layer = LayerIndex::FromBytes(*bytes);
  EXPECT_OK(layer);
  return *layer;
}

Entry At(const LayerIndex& layer, std::string_view path) {
  EXPECT_LT(layer.Find(path), layer.size()) << path;
  return layer.At(layer.Find(path));
}

TEST(WindowsLayer, HasTheLayoutWithoutFilesToo) {
  const auto layer = Made({});
  EXPECT_THAT(PathsOf(*layer), ElementsAre("Files", "Hives"));
  EXPECT_EQ(layer->At(0).mtime_ns, kNow);
  EXPECT_THAT(layer->At(1).pax, ElementsAre(Pair("MSWINDOWS.fileattr", "16")));
}

TEST(WindowsLayer, FilesAndLinksMoveTogether) {
  Entry link = FileEntry("b", "x");
  link.hard_link = std::string("a");
  const auto layer = Made({DirectoryEntry(""), FileEntry("a", "x"), link, DirectoryEntry("d"),
                           SymlinkEntry("d/s", "../a"), WhiteoutEntry("gone")});
  EXPECT_THAT(PathsOf(*layer), ElementsAre("Files", "Files/a", "Files/b", "Files/d", "Files/d/s",
                                           "Files/gone", "Hives"));
  EXPECT_EQ(At(*layer, "Files/b").hard_link, "Files/a");
  EXPECT_EQ(At(*layer, "Files/d/s").link_target, "../a");
  EXPECT_THAT(At(*layer, "Files/d/s").pax, IsEmpty());
}

// The texts are what Windows makes of O:BAG:SYD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;;FA;;;BA)
// (A;OICIIO;GA;;;CO)(A;OICI;0x1200a9;;;BU)(A;CI;LC;;;BU)(A;CI;DC;;;BU), and of
// O:BAG:SYD:(A;;FA;;;BA)(A;;FA;;;SY)(A;;0x1200a9;;;BU).
TEST(WindowsLayer, WhatIsNewGetsTheRecordsOfWindows) {
  const auto layer = Made({DirectoryEntry("d"), FileEntry("d/f", "x")});
  EXPECT_THAT(
      At(*layer, "Files/d").pax,
      ElementsAre(
          Pair("MSWINDOWS.fileattr", "16"),
          Pair("MSWINDOWS.rawsd",
               "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgCoAAcA"
               "AAAAAxgA/wEfAAECAAAAAAAFIAAAACACAAAAAxQA/wEfAAEBAAAAAAAFEgAAAAAAGAD/AR8A"
               "AQIAAAAAAAUgAAAAIAIAAAALFAAAAAAQAQEAAAAAAAMAAAAAAAMYAKkAEgABAgAAAAAABSAA"
               "AAAhAgAAAAIYAAQAAAABAgAAAAAABSAAAAAhAgAAAAIYAAIAAAABAgAAAAAABSAAAAAhAgAA")));
  EXPECT_THAT(
      At(*layer, "Files/d/f").pax,
      ElementsAre(Pair("MSWINDOWS.fileattr", "32"),
                  Pair("MSWINDOWS.rawsd",
                       "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgBMAAMA"
                       "AAAAABgA/wEfAAECAAAAAAAFIAAAACACAAAAABQA/wEfAAEBAAAAAAAFEgAAAAAAGACpABIA"
                       "AQIAAAAAAAUgAAAAIQIAAA==")));
}

TEST(WindowsLayer, WhatABaseSaysStays) {
  Entry parent = DirectoryEntry("d");
  parent.pax = {{"MSWINDOWS.fileattr", "17"}, {"MSWINDOWS.rawsd", "AQ=="}};
  EXPECT_EQ(At(*Made({parent}), "Files/d").pax, parent.pax);
}

}  // namespace
}  // namespace zlayer
