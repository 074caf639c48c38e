#include "registry/gc/sweep.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "base/files.h"
#include "registry/gc/testing/gc_fixture.h"
#include "registry/image/testing/archives.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kHour = int64_t{3600} * 1'000'000'000;

class SweepTest : public GcFixture {
 protected:
  // An image of one layer.
  Digest Commit(const std::string& content, const std::vector<std::string>& names) {
    NewImage image;
    image.platform.set_os("linux");
    image.platform.set_architecture("amd64");
    image.layers.push_back({Layer(content), {}, {}, 0, ""});
    const absl::StatusOr<StoredImage> stored = store_->images().Commit("n", image, names);
    EXPECT_OK(stored);
    return stored.ok() ? stored->manifest : Digest();
  }
};

TEST_F(SweepTest, WhatNothingHoldsGoesWithItsFiles) {
  const Digest kept = Layer("kept");
  Layer("garbage");
  Record("step", kept);
  const SweepResult result = Collect();
  EXPECT_EQ(result.removed.at("layer").objects, 1);
  EXPECT_EQ(result.removed.at("pack").objects, 1);
  EXPECT_GT(result.freed_bytes, 0);
  EXPECT_EQ(Files("indexes"), 1);
  EXPECT_EQ(Files("packs"), 1);
  EXPECT_EQ(Files("tmp"), 0);
  EXPECT_OK(ReadLayer(*store_, kept));
  EXPECT_EQ(Unused(), 0);
  EXPECT_THAT(Collect().removed, ::testing::Each(::testing::Field(
                                     &std::pair<const std::string, SweepResult::Removed>::second,
                                     ::testing::Field(&SweepResult::Removed::objects, 0u))));
}

TEST_F(SweepTest, ALayerThatARecordWasMadeOnStays) {
  const Digest below = Layer("below");
  const Digest above = Layer("above");
  Record("child", above, {below});
  Collect();
  EXPECT_OK(ReadLayer(*store_, below));
  PruneAll();
  EXPECT_THAT(Rows("SELECT id FROM layers"), IsEmpty());
  EXPECT_THAT(Rows("SELECT digest FROM contents"), IsEmpty());
}

// Builds under one name leave images without it, which hold what their records do.
TEST_F(SweepTest, LimitsCountImagesThatLostTheirNames) {
  for (int i = 0; i < 5; ++i) {
    const std::string content(100, static_cast<char>('a' + i));
    Record(content, Layer(content));
    Commit(content, {"app"});
    clock_.Advance(std::chrono::seconds(1));
  }
  const Digest alone = Commit(std::string(100, 'z'), {});
  const SweepResult result = Collect({.policies = {{{}, {.max_used_bytes = 250}}}});
  EXPECT_LE(result.cache_bytes, 250);
  EXPECT_EQ(result.removed.at("image").objects, 3);
  EXPECT_OK(store_->images().Get("n", "app"));
  EXPECT_OK(store_->images().Get("n", alone.ToString()));
  PruneAll();
  EXPECT_OK(store_->images().Get("n", "app"));
  EXPECT_THAT(store_->images().Get("n", alone.ToString()), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(Files("packs"), 1);
}

// Each blob counts once, however many such images have it, and a dry run says which go.
TEST_F(SweepTest, LimitsCountBlobsOfImagesThatLostTheirNames) {
  uint64_t layers = 0;
  for (const std::string& own : {std::string(900, 'a'), std::string(800, 'b')}) {
    OciLayout image;
    const std::string shared = MakeTar({{"shared", std::string(700, 's')}});
    const Digest manifest = image.AddImage({shared, MakeTar({{"own", own}})});
    for (const auto& [hex, bytes] : image.blobs) {
      if (Digest::Of(bytes) != manifest) {
        ASSERT_OK_AND_ASSIGN(const auto upload, store_->repositories().NewBlob("n"));
        ASSERT_OK(upload->Append(bytes));
        ASSERT_OK(upload->Commit(Digest::Of(bytes)));
      }
    }
    ASSERT_OK(store_->repositories().PutManifest(
        "n", {"docker.io/library/app", "latest", std::string(kManifestMediaType),
              image.blobs.at(manifest.Hex()), /*sparse=*/true}));
    layers += shared.size();
  }
  ASSERT_OK(store_->images().Untag("n", "app"));
  clock_.Advance(std::chrono::hours(48));  // what was sent stays a day
  layers = layers / 2 * 3;                 // they are of one size
  const SweepResult dry = Collect({.policies = {GcPolicy()}, .dry_run = true});
  EXPECT_EQ(dry.removed.at("image").objects, 2);
  EXPECT_EQ(dry.removed.at("blob").objects, 3);
  EXPECT_EQ(dry.removed.at("blob").bytes, layers);
  const SweepResult none = Collect({.policies = {{{}, {.max_used_bytes = layers}}}});
  EXPECT_EQ(none.removed.count("image"), 0);
  EXPECT_EQ(none.cache_bytes, layers);
  const SweepResult one = Collect({.policies = {{{}, {.max_used_bytes = layers - 1}}}});
  EXPECT_EQ(one.removed.at("image").objects, 1);
  EXPECT_EQ(one.cache_bytes, layers / 3 * 2);
  PruneAll();
  EXPECT_EQ(Files("blobs/sha256"), 0);
}

TEST_F(SweepTest, WhatWasSentByDigestIsNoCache) {
  const Digest manifest = Commit("content", {"app"});
  ASSERT_OK_AND_ASSIGN(const RepositoryManifest sent,
                       store_->repositories().GetManifest("n", "docker.io/library/app", "latest"));
  ASSERT_OK(store_->repositories().PutManifest(
      "n", {"docker.io/library/app", "", sent.media_type, sent.bytes}));
  ASSERT_OK(store_->repositories().DeleteManifest("n", "docker.io/library/app", "latest"));
  PruneAll();
  EXPECT_OK(store_->images().Get("n", manifest.ToString()));
}

TEST_F(SweepTest, ATreeGoesWithItsLayer) {
  const std::string tree = store_->tmp() + "/upper";
  ASSERT_OK(MakeDirectories(tree));
  ASSERT_OK(WriteFileAtomically(tree + "/a", std::string(100'000, 'x')));
  ASSERT_OK(store_->layers()
                .Add(SerializeEntries({FileEntry("a", std::string(100'000, 'x'))}), tree)
                .status());
  EXPECT_EQ(Files("trees"), 1);
  EXPECT_GE(Collect().freed_bytes, 100'000);
  EXPECT_EQ(Files("trees"), 0);
}

TEST_F(SweepTest, WhatIsHeldInTheProcessStays) {
  ASSERT_OK_AND_ASSIGN(LayerRef held, MakeLayer(*store_, "held"));
  PruneAll();
  EXPECT_OK(ReadLayer(*store_, held->id()));
  Uses::Work work = store_->uses().Begin();
  const Digest touched = Layer("touched");
  ASSERT_OK(store_->contents().NewPack());
  {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<PackWriter> pack, store_->contents().NewPack());
    ASSERT_OK(pack->Append("a content without a layer"));
    ASSERT_OK(pack->End());
    ASSERT_OK(pack->Commit());
  }
  PruneAll();
  EXPECT_OK(ReadLayer(*store_, touched));
  EXPECT_THAT(store_->contents().Has({Digest::Of("a content without a layer")}),
              IsOkAndHolds(ElementsAre(true)));
  work = Uses::Work();
  const Digest id = held->id();
  held.reset();
  PruneAll();
  EXPECT_THAT(store_->layers().Get(id), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(Files("packs"), 0);
  EXPECT_EQ(Unused(), 0);
}

TEST_F(SweepTest, RecordsInUseStay) {
  ASSERT_OK_AND_ASSIGN(const LayerRef used, MakeLayer(*store_, "used"));
  Record("used", used->id());
  Record("other", Layer("other"));
  PruneAll();
  EXPECT_THAT(Rows("SELECT description FROM records"), ElementsAre("RUN used"));
}

TEST_F(SweepTest, FiltersChoose) {
  Record("make", Layer("a"));
  Record("test", Layer("b"));
  const auto prune = [this](const CacheFilter& filter) { Collect({.policies = {{filter, {}}}}); };
  prune({.name_space = "other"});
  prune({.types = {CacheType::kFetched}});
  prune({.id = "xyz"});
  prune({.unused_ns = kHour});
  prune({.words = {"RUN", "install"}});
  EXPECT_EQ(Rows("SELECT key FROM records").size(), 2);
  prune({.name_space = "default",
         .types = {CacheType::kRecord},
         .id = Digest::Of("make").Hex().substr(0, 10),
         .words = {"make"}});
  EXPECT_THAT(Rows("SELECT description FROM records"), ElementsAre("RUN test"));
}

TEST_F(SweepTest, WhatWasUsedLastStaysLongest) {
  Record("old", Layer("old"));
  Record("new", Layer("new"));
  store_->records().Touch(Digest::Of("old"));
  Collect({.policies = {{{}, {.max_used_bytes = 3}}}});
  EXPECT_THAT(Rows("SELECT description FROM records"), ElementsAre("RUN old"));
}

TEST_F(SweepTest, CacheMountsGoUnlessInUse) {
  const auto take = [this](const std::string& id) {
    return store_->cache_mounts().Take({.name_space = "default",
                                        .fill =
                                            [](size_t, const std::string& made) {
                                              return WriteFileAtomically(made + "/f",
                                                                         std::string(50'000, 'x'));
                                            }},
                                       {{.id = id}}, {});
  };
  ASSERT_OK(take("idle"));
  ASSERT_OK_AND_ASSIGN(const auto used, take("used"));
  const SweepResult result = PruneAll();
  EXPECT_EQ(result.removed.at("cache-mount").objects, 1);
  EXPECT_GE(result.removed.at("cache-mount").bytes, 50'000);
  EXPECT_THAT(Rows("SELECT id FROM cache_mounts"), ElementsAre("used"));
  EXPECT_OK(ReadFile(used[0]->path() + "/f"));
}

TEST_F(SweepTest, ADryRunSaysAndRemovesNothing) {
  Record("step", Layer("a"));
  const SweepResult result = Collect({.policies = {GcPolicy()}, .dry_run = true});
  EXPECT_EQ(result.removed.at("record").objects, 1);
  EXPECT_EQ(result.removed.at("layer").objects, 1);
  EXPECT_EQ(result.removed.at("pack").objects, 1);
  EXPECT_EQ(Rows("SELECT key FROM records").size(), 1);
}

TEST_F(SweepTest, WhatACrashLeftIsFound) {
  const std::string root = store_->root();
  const Digest layer = Layer("a");
  Record("step", layer);
  ASSERT_OK(WriteFileAtomically(root + "/indexes/" + Digest::Of("x").Hex(), "torn"));
  ASSERT_OK(MakeDirectories(root + "/trees/3/deep"));
  ASSERT_OK(MakeDirectories(root + "/trees/99"));
  ASSERT_OK(MakeDirectories(root + "/cache-mounts/5"));
  ASSERT_OK(store_->blobs().Write("nobody's"));
  Open();
  Collect({.old_trees = 64});
  EXPECT_EQ(Files("indexes"), 1);
  EXPECT_FALSE(std::filesystem::exists(root + "/trees/3"));
  EXPECT_TRUE(std::filesystem::exists(root + "/trees/99"));  // of this process
  EXPECT_EQ(Files("cache-mounts"), 0);
  EXPECT_EQ(Files("blobs/sha256"), 0);
  EXPECT_OK(ReadLayer(*store_, layer));
}

TEST_F(SweepTest, AnImageGoesAWeekAfterItLostItsName) {
  constexpr std::chrono::hours kWeek(7 * 24);
  const SweepOptions weekly = {.nameless_ns = std::chrono::nanoseconds(kWeek).count()};
  const Digest first = Commit("first", {"app:1", "app:2"});
  clock_.Advance(10 * kWeek);
  EXPECT_EQ(Collect(weekly).removed["image"].objects, 0);
  const Digest second = Commit("second", {"app:1"});
  Commit("nameless from the start", {});
  clock_.Advance(kWeek);
  // The first one has a name left.
  EXPECT_EQ(Collect(weekly).removed["image"].objects, 1);
  ASSERT_OK(store_->images().Untag("n", "app:2"));
  clock_.Advance(kWeek - std::chrono::seconds(1));
  EXPECT_EQ(Collect(weekly).removed["image"].objects, 0);
  EXPECT_OK(store_->images().Get("n", first.ToString()));
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(Collect({.nameless_ns = 0}).removed["image"].objects, 0);
  SweepOptions dry = weekly;
  dry.dry_run = true;
  Collect(dry);
  EXPECT_OK(store_->images().Get("n", first.ToString()));
  const SweepResult result = Collect(weekly);
  EXPECT_EQ(result.removed.at("image").objects, 1);
  EXPECT_EQ(result.removed.at("layer").objects, 1);
  EXPECT_EQ(result.removed.at("pack").objects, 1);
  EXPECT_THAT(store_->images().Get("n", first.ToString()), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(store_->images().Get("n", second.ToString()));
  EXPECT_EQ(Files("blobs/sha256"), 2);  // its manifest and configuration
  EXPECT_EQ(Unused(), 0);
}

TEST_F(SweepTest, AnImageThatGotANameAgainStays) {
  const Digest image = Commit("a", {"app"});
  ASSERT_OK(store_->images().Untag("n", "app"));
  clock_.Advance(std::chrono::hours(2));
  ASSERT_OK(store_->images().Tag("n", image.ToString(), "found"));
  EXPECT_EQ(Collect({.nameless_ns = kHour}).removed["image"].objects, 0);
  ASSERT_OK(store_->images().Untag("n", "found"));
  // Its time begins anew.
  EXPECT_EQ(Collect({.nameless_ns = kHour}).removed["image"].objects, 0);
  clock_.Advance(std::chrono::hours(1));
  EXPECT_EQ(Collect({.nameless_ns = kHour}).removed["image"].objects, 1);
}

// Builders that are told of layers and contents, then write the rows that need them, while
// everything that may go goes all the time.
TEST_F(SweepTest, WorkUnderWayNeverLosesWhatItUses) {
  std::atomic<bool> done{false};
  std::jthread collector([&] {
    while (!done) {
      PruneAll();
    }
  });
  std::vector<std::jthread> builders;
  for (uint32_t seed = 0; seed < 3; ++seed) {
    builders.emplace_back([&, seed] {
      std::mt19937 random(seed);
      for (int round = 0; round < 60; ++round) {
        const Uses::Work work = store_->uses().Begin();
        std::vector<Digest> chain;
        for (int step = 0; step < 4; ++step) {
          // Few contents, so that they are shared, go, and come again.
          const std::string content = fmt::format("content {}", random() % 8);
          const auto layer = MakeLayer(*store_, content);
          ASSERT_OK(layer);
          Record(fmt::format("{} {} {}", seed, round, step), (*layer)->id(), chain);
          chain.push_back((*layer)->id());
        }
        for (const Digest& layer : chain) {
          EXPECT_OK(ReadLayer(*store_, layer));
        }
      }
    });
  }
  builders.clear();
  done = true;
  collector.join();
  PruneAll();
  EXPECT_THAT(Rows("SELECT id FROM layers"), IsEmpty());
  EXPECT_EQ(Unused(), 0);
}

// Killed anywhere, a sweep leaves a whole store, and the next one finds the rest.
TEST_F(SweepTest, AKillLeavesAWholeStore) {
  std::mt19937 random(7);
  for (int round = 0; round < 12; ++round) {
    Open();
    std::vector<Digest> kept;
    for (int i = 0; i < 30; ++i) {
      const Digest layer = Layer(fmt::format("{} {}", round, i));
      if (i % 3 == 0) {
        ASSERT_OK(store_->contexts().Put("default", layer, false));
        kept.push_back(layer);
      } else if (i % 3 == 1) {
        Record(fmt::format("{} {}", round, i), layer, {kept.back()});
      }
    }
    store_.reset();
    const pid_t child = fork();
    if (child == 0) {
      auto store = Store::Open(directory_.path() + "/root", &clock_);
      if (store.ok()) {
        (void)Sweep(**store, {.policies = {GcPolicy()}, .old_trees = 1000}, clock_.NowNs(), {});
      }
      _exit(0);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    Open();
    for (const Digest& layer : kept) {
      EXPECT_OK(ReadLayer(*store_, layer));
    }
    for (const std::string& layer : Rows("SELECT id FROM layers")) {
      EXPECT_OK(ReadLayer(*store_, *Digest::FromBytes(layer)));
    }
    PruneAll();
    EXPECT_EQ(Unused(), 0);
    EXPECT_EQ(Files("indexes"), kept.size());
    ASSERT_OK(store_->database().Write([](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Statement all, connection.Prepare("DELETE FROM contexts"));
      return all.Run();
    }));
    PruneAll();
  }
}

}  // namespace
}  // namespace zlayer
