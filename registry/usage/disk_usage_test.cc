#include "registry/usage/disk_usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "registry/image/testing/archives.h"
#include "registry/store.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class DiskUsageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "usage-"));
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(directory_.path() + "/root", SystemClock()));
  }

  uint64_t Du() const {
    FILE* du = popen(("sync; du -s --block-size=1 " + store_->root()).c_str(), "r");
    unsigned long long bytes = 0;
    EXPECT_EQ(fscanf(du, "%llu", &bytes), 1);
    pclose(du);
    return bytes;
  }

  // Measures while nothing changes, and compares the sum with what `du` says.
  DiskUsage Measure(size_t max_items = 1000) {
    for (int attempt = 0; attempt < 100; ++attempt) {
      const uint64_t before = Du();
      absl::StatusOr<DiskUsage> usage =
          MeasureDiskUsage(store_->root(), &store_->database(), max_items, {});
      EXPECT_OK(usage);
      if (!usage.ok() || Du() != before) {
        continue;
      }
      EXPECT_EQ(usage->total_bytes, before);
      uint64_t sum = 0;
      for (const UsageCategory& category : usage->categories) {
        sum += category.bytes;
      }
      EXPECT_EQ(sum, usage->total_bytes);
      return *std::move(usage);
    }
    ADD_FAILURE() << "the root never was quiet";
    return DiskUsage();
  }

  static UsageCategory Find(const DiskUsage& usage, const std::string& name) {
    for (const UsageCategory& category : usage.categories) {
      if (category.name == name) {
        return category;
      }
    }
    ADD_FAILURE() << name;
    return UsageCategory();
  }

  static std::map<std::string, UsageItem> ItemsOf(const DiskUsage& usage,
                                                  const std::string& category) {
    std::map<std::string, UsageItem> items;
    for (const UsageItem& item : usage.items) {
      if (item.category == category) {
        items.emplace(item.name, item);
      }
    }
    return items;
  }

  // A layer with one file of its own.
  LayerRef MakeLayer(const std::string& content) {
    absl::StatusOr<LayerRef> layer;
    [&] {
      ASSERT_OK_AND_ASSIGN(std::unique_ptr<PackWriter> pack, store_->contents().NewPack());
      LayerIndexBuilder builder;
      Entry entry;
      entry.path = "file";
      entry.mode = 0644;
      entry.size = content.size();
      ASSERT_OK(pack->Append(content));
      ASSERT_OK_AND_ASSIGN(entry.content, pack->End());
      ASSERT_OK(builder.Add(entry));
      ASSERT_OK(pack->Commit());
      ASSERT_OK_AND_ASSIGN(std::string serialized, builder.Serialize());
      layer = store_->layers().Add(serialized, "");
      ASSERT_OK(layer);
    }();
    return *layer;
  }

  static NewImage ImageOf(const LayerRef& layer) {
    NewImage image;
    image.platform.set_os("linux");
    image.platform.set_architecture("amd64");
    image.layers.push_back({layer->id(), {}, {}, 0, ""});
    return image;
  }

  void Record(const LayerRef& layer, std::vector<Digest> chain = {}) {
    ASSERT_OK(
        store_->records().Put("n", {Digest::Of("key"), layer->id(), std::move(chain), "b", 1}));
  }

  static constexpr size_t kLarge = 100'000;
  ScopedDirectory directory_;
  std::unique_ptr<Store> store_;
};

TEST_F(DiskUsageTest, AnEmptyStoreIsItsDatabase) {
  const DiskUsage usage = Measure();
  EXPECT_EQ(Find(usage, "database").bytes, usage.total_bytes);
  for (const char* name :
       {"images", "nameless", "cache", "contexts", "builds", "temporary", "unused"}) {
    EXPECT_EQ(Find(usage, name).bytes, 0) << name;
    EXPECT_EQ(Find(usage, name).objects, 0) << name;
  }
  EXPECT_GT(usage.disk_total_bytes, usage.disk_free_bytes);
}

TEST_F(DiskUsageTest, TheStrongestHolderCounts) {
  const LayerRef layer = MakeLayer(std::string(kLarge, 'x'));
  auto holder_of_all = [&]() -> std::string {
    const DiskUsage usage = Measure();
    for (const UsageCategory& category : usage.categories) {
      if (category.bytes >= kLarge && category.name != "database") {
        // Index and contents, and with images their documents.
        EXPECT_GE(category.objects, 2) << category.name;
        return category.name;
      }
    }
    return "";
  };
  EXPECT_EQ(holder_of_all(), "unused");
  ASSERT_OK_AND_ASSIGN(StoredContext context, store_->contexts().Put("n", layer->id(), false));
  EXPECT_EQ(holder_of_all(), "contexts");
  Record(layer);
  EXPECT_EQ(holder_of_all(), "cache");
  ASSERT_OK(store_->images().Commit("n", ImageOf(layer), {"app:v1"}));
  EXPECT_EQ(holder_of_all(), "images");
  const DiskUsage named = Measure();
  EXPECT_EQ(Find(named, "nameless").bytes, 0);
  const std::map<std::string, UsageItem> items = ItemsOf(named, "images");
  ASSERT_TRUE(items.contains(layer->id().ToString()));
  EXPECT_THAT(items.at(layer->id().ToString()).held_by,
              UnorderedElementsAre("app:v1", "cache", context.id));
  EXPECT_THAT(items.at("1").held_by, Contains("app:v1"));
  ASSERT_OK_AND_ASSIGN(StoredImage untagged, store_->images().Untag("n", "app:v1"));
  const DiskUsage nameless = Measure();
  EXPECT_EQ(Find(nameless, "images").bytes, 0);
  EXPECT_THAT(ItemsOf(nameless, "nameless").at("1").held_by,
              Contains(untagged.manifest.ToString()));
  ASSERT_OK(store_->images().Remove("n", untagged.manifest.ToString(), false));
  EXPECT_EQ(holder_of_all(), "cache");
}

TEST_F(DiskUsageTest, WhatARecordWasMadeOnIsCacheToo) {
  const LayerRef below = MakeLayer(std::string(kLarge, 'b'));
  const LayerRef above = MakeLayer("above");
  Record(above, {below->id()});
  const DiskUsage usage = Measure();
  EXPECT_GE(Find(usage, "cache").bytes, kLarge);
  EXPECT_EQ(Find(usage, "unused").bytes, 0);
}

TEST_F(DiskUsageTest, APackThatSeveralShareCountsOnce) {
  const LayerRef one = MakeLayer(std::string(kLarge, 's'));
  // The same content under another name.
  LayerIndexBuilder builder;
  Entry entry = one->At(one->Find("file"));
  entry.path = "other";
  ASSERT_OK(builder.Add(entry));
  ASSERT_OK_AND_ASSIGN(std::string serialized, builder.Serialize());
  ASSERT_OK_AND_ASSIGN(LayerRef two, store_->layers().Add(serialized, ""));
  Record(one);
  ASSERT_OK(store_->images().Commit("n", ImageOf(two), {"app"}));
  const DiskUsage usage = Measure();
  EXPECT_GE(Find(usage, "images").bytes, kLarge);
  EXPECT_LT(Find(usage, "cache").bytes, kLarge);
  EXPECT_THAT(ItemsOf(usage, "images").at("1").held_by, ElementsAre("app:latest", "cache"));
}

TEST_F(DiskUsageTest, ATreeBelongsToItsLayer) {
  const LayerRef layer = MakeLayer(std::string(kLarge, 't'));
  ASSERT_OK(store_->images().Commit("n", ImageOf(layer), {"app"}));
  const uint64_t before = Find(Measure(), "images").bytes;
  ASSERT_OK(store_->layers().EnsureTree(layer, {}));
  const DiskUsage usage = Measure();
  EXPECT_GE(Find(usage, "images").bytes, before + kLarge);
  EXPECT_GE(ItemsOf(usage, "images").at(layer->id().ToString()).bytes, kLarge);
}

TEST_F(DiskUsageTest, AnImportedTarIsTheImagesAndThenUnused) {
  OciLayout layout;
  layout.AddEntry(layout.AddImage({MakeTar({{"f", std::string(kLarge, 'i')}})}));
  ASSERT_OK_AND_ASSIGN(
      std::vector<StoredImage> images,
      store_->images().Import("n", MakeFile(store_->tmp(), layout.Tar()), "app", {}));
  const std::string blob = images[0].layers[0].digest.ToString();
  const DiskUsage held = Measure();
  EXPECT_THAT(ItemsOf(held, "images").at(blob).held_by, ElementsAre("app:latest"));
  ASSERT_OK(store_->images().Remove("n", "app", false));
  const DiskUsage unused = Measure();
  EXPECT_EQ(Find(unused, "images").bytes, 0);
  EXPECT_GE(Find(unused, "unused").bytes, kLarge);
  EXPECT_THAT(ItemsOf(unused, "unused").at(blob).held_by, IsEmpty());
}

TEST_F(DiskUsageTest, CacheMountsAreTheirOwnHolders) {
  ASSERT_OK_AND_ASSIGN(const auto mounts,
                       store_->cache_mounts().Take({.name_space = "default",
                                                    .fill =
                                                        [](size_t, const std::string& directory) {
                                                          return WriteFileAtomically(
                                                              directory + "/big",
                                                              std::string(100'000, 'x'));
                                                        }},
                                                   {{.id = "/root/.cache"}}, {}));
  ASSERT_OK(MakeDirectories(store_->root() + "/cache-mounts/77"));
  const DiskUsage usage = Measure();
  const auto items = ItemsOf(usage, "cache-mounts");
  ASSERT_EQ(items.size(), 1u);
  EXPECT_GE(items.at("1").bytes, 100'000u);
  EXPECT_EQ(items.at("1").kind, "cache-mount");
  EXPECT_THAT(items.at("1").held_by, ElementsAre("/root/.cache"));
  EXPECT_EQ(ItemsOf(usage, "unused").count("cache-mounts/77"), 1u);
}

TEST_F(DiskUsageTest, LeftoversAndWhatNobodyKnows) {
  const std::string root = store_->root();
  for (const char* directory : {"/trees/77/a/b", "/builds/gone", "/tmp/run-1/upper", "/strange",
                                "/blobs/md5", "/packs/name"}) {
    ASSERT_OK(MakeDirectories(root + directory));
  }
  for (const char* file : {"/trees/77/a/b/f", "/builds/gone/events", "/tmp/run-1/upper/f",
                           "/strange/f", "/blobs/md5/f", "/packs/99", "/indexes/no-digest"}) {
    ASSERT_OK(WriteFileAtomically(root + file, std::string(10'000, 'l')));
  }
  ASSERT_OK(WriteFileAtomically(root + "/blobs/sha256/" + Digest::Of("x").Hex(), "x"));
  ASSERT_OK(WriteFileAtomically(root + "/indexes/" + Digest::Of("x").Hex(), "x"));
  const DiskUsage usage = Measure();
  EXPECT_GE(Find(usage, "temporary").bytes, 10'000);
  EXPECT_EQ(Find(usage, "temporary").objects, 1);
  EXPECT_GE(Find(usage, "unused").bytes, 60'000);
  EXPECT_EQ(Find(usage, "unused").objects, 9);
  EXPECT_TRUE(ItemsOf(usage, "unused").contains("trees/77"));
}

TEST_F(DiskUsageTest, TheLargestItemsFirstAndNoMoreThanAskedFor) {
  for (size_t size : {20'000, 4'000'000, 60'000}) {
    MakeLayer(std::string(size, 'x'));
  }
  EXPECT_THAT(Measure(0).items, IsEmpty());
  const DiskUsage usage = Measure(2);
  ASSERT_EQ(usage.items.size(), 2);
  EXPECT_EQ(usage.items[0].name, "2");
  EXPECT_EQ(usage.items[0].kind, "pack");
  const std::vector<UsageItem> all = Measure(1000).items;
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const UsageItem& a, const UsageItem& b) {
    return a.bytes > b.bytes;
  }));
  EXPECT_GE(all.size(), 6);
}

TEST_F(DiskUsageTest, StopsWhenAskedTo) {
  Record(MakeLayer("x"));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(MeasureDiskUsage(store_->root(), &store_->database(), 0, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace zlayer
