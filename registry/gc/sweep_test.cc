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
#include "base/status_macros.h"
#include "registry/gc/collector.h"
#include "registry/layer/testing/entries.h"
#include "registry/testing/rows.h"
#include "registry/usage/disk_usage.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kHour = int64_t{3600} * 1'000'000'000;

int64_t Now() { return SystemClock()->NowNs(); }

// A layer of one file, which begins in a pack.
absl::StatusOr<LayerRef> MakeLayer(Store& store, const std::string& content) {
  ASSIGN_OR_RETURN(std::unique_ptr<PackWriter> pack, store.contents().NewPack());
  RETURN_IF_ERROR(pack->Append(content));
  RETURN_IF_ERROR(pack->End().status());
  RETURN_IF_ERROR(pack->Commit());
  return store.layers().Add(SerializeEntries({FileEntry("file-" + content, content)}), "");
}

absl::Status PutRecord(Store& store, const std::string& key, const Digest& layer,
                       std::vector<Digest> chain = {}) {
  CacheRecord record;
  record.key = Digest::Of(key);
  record.layer = layer;
  record.chain = std::move(chain);
  record.created_ns = Now();
  record.description = "RUN " + key;
  return store.records().Put("default", record);
}

absl::Status ReadLayer(Store& store, const Digest& id) {
  ASSIGN_OR_RETURN(const LayerRef layer, store.layers().Get(id));
  for (size_t i = 0; i < layer->size(); ++i) {
    ASSIGN_OR_RETURN(const ContentFile file, store.layers().OpenContent(*layer, layer->At(i)));
    RETURN_IF_ERROR(
        ReadContent(file, layer->At(i).content, [](std::string_view) { return absl::OkStatus(); }));
  }
  return absl::OkStatus();
}

class SweepTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make("/tmp", "zlayer-sweep-"));
    Open();
  }
  void Open() {
    store_.reset();
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(directory_.path() + "/root", SystemClock()));
  }

  Digest Layer(const std::string& content) {
    auto layer = MakeLayer(*store_, content);
    EXPECT_OK(layer);
    return layer.ok() ? (*layer)->id() : Digest();
  }
  void Record(const std::string& key, const Digest& layer, std::vector<Digest> chain = {}) {
    EXPECT_OK(PutRecord(*store_, key, layer, std::move(chain)));
  }

  SweepResult Collect(SweepOptions options = {}) {
    absl::StatusOr<SweepResult> result = Sweep(*store_, options, Now() + 1, {});
    EXPECT_OK(result);
    return result.ok() ? *result : SweepResult();
  }
  SweepResult PruneAll() { return Collect({.policies = {GcPolicy()}}); }

  std::vector<std::string> Rows(std::string_view sql) {
    auto rows = Query(store_->database(), sql);
    EXPECT_OK(rows);
    return rows.ok() ? *rows : std::vector<std::string>();
  }
  size_t Files(const std::string& directory) {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(store_->root() + "/" + directory), {}));
  }
  uint64_t Unused() {
    auto usage = MeasureDiskUsage(store_->root(), &store_->database(), 0, {});
    EXPECT_OK(usage);
    for (const UsageCategory& category : usage->categories) {
      if (category.name == "unused") {
        return category.bytes;
      }
    }
    return 0;
  }

  ScopedDirectory directory_;
  std::unique_ptr<Store> store_;
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

TEST_F(SweepTest, ListsThePagesInTheOrderOfUse) {
  for (int i = 0; i < 5; ++i) {
    Record(fmt::format("step{}", i), Layer(fmt::format("{}", i)));
  }
  ASSERT_OK(store_->cache_mounts().Take(
      {.name_space = "default",
       .fill = [](size_t, const std::string&) { return absl::OkStatus(); }},
      {{.id = "mount"}}, {}));
  store_->records().Touch(Digest::Of("step0"));
  ASSERT_OK(store_->records().FlushUses());
  std::vector<std::string> seen;
  std::optional<CachePosition> after;
  do {
    ASSERT_OK_AND_ASSIGN(const CachePage page, ListCacheRows(*store_, {}, after, 2, Now()));
    for (const CacheRow& row : page.rows) {
      seen.push_back(row.description.empty() ? row.id : row.description);
    }
    after = page.next;
  } while (after.has_value());
  EXPECT_THAT(
      seen, ElementsAre("RUN step1", "RUN step2", "RUN step3", "RUN step4", "mount", "RUN step0"));
  ASSERT_OK_AND_ASSIGN(const CachePage some,
                       ListCacheRows(*store_, {.words = {"step3"}}, {}, 10, Now()));
  ASSERT_EQ(some.rows.size(), 1);
  EXPECT_FALSE(some.next.has_value());
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
          ASSERT_OK(PutRecord(*store_, fmt::format("{} {} {}", seed, round, step), (*layer)->id(),
                              chain));
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
      auto store = Store::Open(directory_.path() + "/root", SystemClock());
      if (store.ok()) {
        (void)Sweep(**store, {.policies = {GcPolicy()}, .old_trees = 1000}, Now(), {});
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

TEST_F(SweepTest, AnotherPruneIsWaitedForWithAStop) {
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Collector> collector,
                       StartCollector({.automatic = false}, store_.get(), SystemClock()));
  Record("step", Layer("a"));
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] { EXPECT_OK(collector->Prune({}, false, {})); });
    }
  }
  EXPECT_THAT(Rows("SELECT key FROM records"), IsEmpty());
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(collector->Prune({}, false, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace zlayer
