#include "daemon/build/merge_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "registry/layer/testing/entries.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class MergeImageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "merge"));
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(directory_.path() + "/root", SystemClock()));
  }

  // A layer of one file, whose content is in its tree alone, as after a RUN.
  Digest AddTree(const std::string& name, const std::string& content) {
    const std::string tree = store_->tmp() + "/" + name;
    EXPECT_OK(MakeDirectories(tree));
    EXPECT_OK(WriteFileAtomically(tree + "/" + name, content));
    const auto layer = store_->layers().AddTree(tree, {});
    EXPECT_OK(layer.status());
    return layer.ok() ? (*layer)->id() : Digest();
  }
  Digest AddWhiteout(const std::string& name) {
    const auto layer = store_->layers().Add(SerializeEntries({WhiteoutEntry(name)}), "");
    EXPECT_OK(layer.status());
    return layer.ok() ? (*layer)->id() : Digest();
  }

  // "base" of a base image, "a" and "b" and the removal of "a" by the build.
  NewImage MakeImage() {
    NewImage image;
    image.created_ns = 7;
    image.layers.push_back({.layer = AddTree("base", "0"), .digest = Digest::Of("as it came")});
    image.layers.push_back({.layer = AddTree("a", "1")});
    image.layers.push_back({.layer = AddTree("b", "2")});
    image.layers.push_back({.layer = AddWhiteout("a")});
    for (const char* text : {"base", "RUN a", "RUN b"}) {
      image.history.push_back({.created_by = text});
    }
    image.history.push_back({.created_by = "ENV", .empty_layer = true});
    image.history.push_back({.created_by = "RUN rm"});
    return image;
  }

  absl::StatusOr<NewImage> Merge(Layering layering, NewImage image) {
    return MergeImage({store_.get(), "n", "build"}, layering, std::move(image), {});
  }
  std::vector<std::string> Paths(const Digest& id) {
    std::vector<std::string> paths;
    const auto layer = store_->layers().Get(id);
    EXPECT_OK(layer.status());
    for (const Entry& entry : EntriesOf(**layer)) {
      paths.push_back(entry.path);
      if (entry.type == EntryType::kFile) {
        EXPECT_OK(store_->contents().Open(entry.content).status()) << entry.path;
      }
    }
    return paths;
  }
  static std::string History(const NewImage& image) {
    std::string text;
    for (const ImageHistory& entry : image.history) {
      text += entry.empty_layer ? "-" : "+";
    }
    return text;
  }

  ScopedDirectory directory_;
  std::unique_ptr<Store> store_;
};

TEST_F(MergeImageTest, TheImageIsOneLayer) {
  ASSERT_OK_AND_ASSIGN(const NewImage merged, Merge(Layering::kOneForImage, MakeImage()));
  ASSERT_THAT(merged.layers, SizeIs(1));
  EXPECT_TRUE(merged.layers[0].digest.IsNone());
  EXPECT_THAT(Paths(merged.layers[0].layer), ElementsAre("b", "base"));
  EXPECT_EQ(History(merged), "-----+");
  EXPECT_EQ(merged.history.back().created_ns, 7);
}

TEST_F(MergeImageTest, TheBuildIsOneLayerOnItsBase) {
  const NewImage image = MakeImage();
  ASSERT_OK_AND_ASSIGN(const NewImage merged, Merge(Layering::kOneForBuild, image));
  ASSERT_THAT(merged.layers, SizeIs(2));
  EXPECT_EQ(merged.layers[0].digest, image.layers[0].digest);
  EXPECT_THAT(Paths(merged.layers[1].layer), ElementsAre("b"));
  EXPECT_EQ(History(merged), "+----+");
}

TEST_F(MergeImageTest, WhatWasPutTogetherIsFoundAgain) {
  const NewImage image = MakeImage();
  ASSERT_OK_AND_ASSIGN(const NewImage first, Merge(Layering::kOneForImage, image));
  ASSERT_OK_AND_ASSIGN(const StoreStatistics before, store_->Statistics());
  ASSERT_OK_AND_ASSIGN(const NewImage second, Merge(Layering::kOneForImage, image));
  EXPECT_EQ(second.layers[0].layer, first.layers[0].layer);
  ASSERT_OK_AND_ASSIGN(const StoreStatistics after, store_->Statistics());
  EXPECT_EQ(before.records, 1u);
  EXPECT_EQ(after.records, 1u);
}

TEST_F(MergeImageTest, OneLayerStays) {
  NewImage image = MakeImage();
  image.layers.resize(1);
  for (const Layering layering : {Layering::kOneForImage, Layering::kOneForBuild}) {
    ASSERT_OK_AND_ASSIGN(const NewImage merged, Merge(layering, image));
    EXPECT_EQ(merged.layers[0].digest, image.layers[0].digest);
    EXPECT_THAT(merged.history, SizeIs(5));
  }
  ASSERT_OK_AND_ASSIGN(const NewImage all, Merge(Layering::kPerInstruction, MakeImage()));
  EXPECT_THAT(all.layers, SizeIs(4));
}

TEST_F(MergeImageTest, ACanceledBuildIsNotMerged) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(MergeImage({store_.get(), "n", "build"}, Layering::kOneForImage, MakeImage(),
                         stop.get_token())
                  .status(),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST(LayeringOfTest, SquashCountsMore) {
  v1::BuildSpec spec;
  EXPECT_EQ(LayeringOf(spec), Layering::kPerInstruction);
  spec.set_layers(true);
  EXPECT_EQ(LayeringOf(spec), Layering::kPerInstruction);
  spec.set_layers(false);
  EXPECT_EQ(LayeringOf(spec), Layering::kOneForBuild);
  spec.set_squash(true);
  EXPECT_EQ(LayeringOf(spec), Layering::kOneForImage);
}

}  // namespace
}  // namespace zlayer
