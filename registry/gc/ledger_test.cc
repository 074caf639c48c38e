#include "registry/gc/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kNow = 1000;
constexpr uint64_t kFree = 1'000'000;

Ledger::Entry On(uint32_t layer, std::vector<uint32_t> chain, int64_t used) {
  return {.layer = layer, .chain = std::move(chain), .used_ns = used, .policies = ~0u};
}

TEST(LedgerTest, WithoutAPolicyNothingGoes) {
  Ledger ledger;
  const uint32_t layer = ledger.AddLayer(10, false, {});
  ledger.AddEntry(On(layer, {}, 1));
  EXPECT_THAT(ledger.Prune({}, kNow, kFree), IsEmpty());
  EXPECT_THAT(ledger.UnheldLayers(), IsEmpty());
}

TEST(LedgerTest, AnEmptyPolicyTakesAllChildrenFirst) {
  Ledger ledger;
  const uint32_t a = ledger.AddLayer(10, false, {});
  const uint32_t b = ledger.AddLayer(20, false, {});
  ledger.AddEntry(On(a, {}, 5));
  ledger.AddEntry(On(b, {a}, 5));
  EXPECT_EQ(ledger.cache_bytes(), 30);
  EXPECT_THAT(ledger.Prune({{}}, kNow, kFree), ElementsAre(1, 0));
  EXPECT_THAT(ledger.UnheldLayers(), ElementsAre(a, b));
  EXPECT_EQ(ledger.cache_bytes(), 0);
}

// Steps that change nothing make the same empty layer, one on the other.
TEST(LedgerTest, ALayerMayStandOnItself) {
  Ledger ledger;
  const uint32_t base = ledger.AddLayer(10, false, {});
  const uint32_t empty = ledger.AddLayer(0, false, {});
  ledger.AddEntry(On(empty, {base, empty}, 7));
  ledger.AddEntry(On(empty, {base}, 7));
  ledger.AddEntry(On(base, {}, 7));
  EXPECT_THAT(ledger.Prune({{}}, kNow, kFree), ElementsAre(0, 1, 2));
  EXPECT_THAT(ledger.UnheldLayers(), ElementsAre(base, empty));
}

TEST(LedgerTest, AUseOfAChildIsAUseOfItsParent) {
  Ledger ledger;
  const uint32_t a = ledger.AddLayer(10, false, {});
  const uint32_t b = ledger.AddLayer(10, false, {});
  ledger.AddEntry(On(a, {}, 1));
  ledger.AddEntry(On(b, {a}, 900));
  EXPECT_THAT(ledger.Prune({{.keep_ns = 500}}, kNow, kFree), IsEmpty());
  EXPECT_THAT(ledger.Prune({{.keep_ns = 50}}, kNow, kFree), ElementsAre(1, 0));
}

TEST(LedgerTest, WhatIsInUseKeepsWhatItStandsOn) {
  Ledger ledger;
  const uint32_t a = ledger.AddLayer(10, false, {});
  const uint32_t b = ledger.AddLayer(10, false, {});
  ledger.AddEntry(On(a, {}, 1));
  Ledger::Entry used = On(b, {a}, 2);
  used.in_use = true;
  ledger.AddEntry(used);
  EXPECT_THAT(ledger.Prune({{}}, kNow, kFree), IsEmpty());
}

TEST(LedgerTest, TheLeastRecentlyUsedGoesUntilTheLimitIsKept) {
  Ledger ledger;
  for (int64_t used : {30, 10, 20}) {
    ledger.AddEntry(On(ledger.AddLayer(100, false, {}), {}, used));
  }
  EXPECT_THAT(ledger.Prune({{.max_used_bytes = 100}}, kNow, kFree), ElementsAre(1, 2));
}

TEST(LedgerTest, RoomIsMadeOnTheDisk) {
  Ledger ledger;
  for (int64_t used : {1, 2, 3}) {
    ledger.AddEntry({.own_bytes = 100, .used_ns = used, .policies = 1});
  }
  EXPECT_THAT(ledger.Prune({{.min_free_bytes = 150}}, kNow, 0), ElementsAre(0, 1));
}

TEST(LedgerTest, WhatIsReservedStays) {
  Ledger ledger;
  for (int64_t used : {1, 2, 3}) {
    ledger.AddEntry({.own_bytes = 100, .used_ns = used, .policies = 1});
  }
  EXPECT_THAT(ledger.Prune({{.reserved_bytes = 200}}, kNow, kFree), ElementsAre(0));
}

// A limit of bytes leaves it alone; age does not.
TEST(LedgerTest, WhatAnImageHoldsFreesNothing) {
  Ledger ledger;
  const uint32_t pack = ledger.AddPack(1000);
  const uint32_t image = ledger.AddLayer(100, true, {pack});
  ledger.AddEntry(On(image, {}, 1));
  EXPECT_EQ(ledger.cache_bytes(), 0);
  ledger.AddEntry(On(ledger.AddLayer(10, false, {pack}), {}, 2));
  EXPECT_EQ(ledger.cache_bytes(), 10);
  EXPECT_THAT(ledger.Prune({{.min_free_bytes = kFree * 2}}, kNow, kFree), ElementsAre(1));
  EXPECT_THAT(ledger.Prune({{.keep_ns = 1}}, kNow, kFree), ElementsAre(0));
  EXPECT_THAT(ledger.UnheldLayers(), ElementsAre(1));
  EXPECT_THAT(ledger.UnheldPacks(), IsEmpty());
}

TEST(LedgerTest, APackGoesWithItsLastLayer) {
  Ledger ledger;
  const uint32_t pack = ledger.AddPack(1000);
  const uint32_t a = ledger.AddLayer(0, false, {pack});
  const uint32_t b = ledger.AddLayer(0, false, {pack});
  ledger.AddEntry(On(a, {}, 1));
  ledger.AddEntry(On(b, {}, 2));
  EXPECT_EQ(ledger.cache_bytes(), 1000);
  // Taking the older one frees nothing yet, and so the younger goes too.
  EXPECT_THAT(ledger.Prune({{.max_used_bytes = 1}}, kNow, kFree), ElementsAre(0, 1));
  EXPECT_THAT(ledger.UnheldPacks(), ElementsAre(pack));
  ledger.KeepLayer(b);
  EXPECT_THAT(ledger.UnheldPacks(), IsEmpty());
}

TEST(LedgerTest, PoliciesTakeTheirOwnEntriesInOrder) {
  Ledger ledger;
  for (uint32_t policies : {1u, 2u, 0u}) {
    ledger.AddEntry({.own_bytes = 1, .used_ns = 1, .policies = policies});
  }
  EXPECT_THAT(ledger.Prune({{.max_used_bytes = 2}, {}}, kNow, kFree), ElementsAre(0, 1));
}

// A random store, and what of it must be left by a reference that counts nothing incrementally.
class Model {
 public:
  explicit Model(uint32_t seed) : random_(seed) {
    for (size_t i = 0; i < 1 + Below(20); ++i) {
      pack_bytes_.push_back(Below(100));
      ledger_.AddPack(pack_bytes_.back());
    }
    for (size_t i = 0; i < 1 + Below(40); ++i) {
      Layer layer{Below(100), Below(4) == 0, Some(pack_bytes_.size(), 3)};
      ledger_.AddLayer(layer.tree, layer.named, {layer.packs.begin(), layer.packs.end()});
      layers_.push_back(layer);
    }
    for (size_t i = 0; i < 1 + Below(10); ++i) {
      blob_bytes_.push_back(Below(100));
      ledger_.AddBlob(blob_bytes_.back());
    }
    for (size_t i = 0; i < Below(60); ++i) {
      AddEntry();
    }
    for (size_t i = 0; i < Below(4); ++i) {
      policies_.push_back({.keep_ns = static_cast<int64_t>(Below(2) * Below(kNow)),
                           .reserved_bytes = Below(2) * Below(500),
                           .max_used_bytes = Below(2) * Below(1000),
                           .min_free_bytes = Below(2) * Below(1000)});
    }
    free_ = Below(1000);
  }

  void Check() {
    EXPECT_EQ(ledger_.cache_bytes(), CacheBytes());
    for (uint32_t entry : ledger_.Prune(policies_, kNow, free_)) {
      CheckMayGo(entry);
      EXPECT_TRUE(gone_.insert(entry).second);
    }
    EXPECT_EQ(ledger_.cache_bytes(), CacheBytes());
    std::vector<uint32_t> unheld;
    for (uint32_t i = 0; i < layers_.size(); ++i) {
      if (!IsHeld(i)) {
        unheld.push_back(i);
      }
    }
    EXPECT_EQ(ledger_.UnheldLayers(), unheld);
    CheckPacks();
    // Some are in use after all.
    for (uint32_t layer : unheld) {
      if (Below(3) == 0) {
        ledger_.KeepLayer(layer);
        layers_[layer].named = true;
      }
    }
    CheckPacks();
  }

 private:
  struct Layer {
    uint64_t tree;
    bool named;
    std::set<uint32_t> packs;
  };

  uint64_t Below(uint64_t limit) { return random_() % limit; }

  std::set<uint32_t> Some(size_t of, size_t most) {
    std::set<uint32_t> some;
    for (size_t i = Below(most + 1); i > 0; --i) {
      some.insert(static_cast<uint32_t>(Below(of)));
    }
    return some;
  }

  void AddEntry() {
    Ledger::Entry entry;
    entry.used_ns = static_cast<int64_t>(Below(kNow));
    entry.policies = static_cast<uint32_t>(Below(16));
    entry.in_use = Below(10) == 0;
    if (Below(8) == 0) {
      entry.own_bytes = Below(100);
    } else {
      entry.layer = static_cast<uint32_t>(Below(layers_.size()));
      const std::set<uint32_t> chain = Some(layers_.size(), 4);
      entry.chain.assign(chain.begin(), chain.end());
    }
    if (Below(4) == 0) {
      const std::set<uint32_t> blobs = Some(blob_bytes_.size(), 3);
      entry.blobs.assign(blobs.begin(), blobs.end());
    }
    entries_.push_back(entry);
    ledger_.AddEntry(entry);
  }

  template <typename Visit>
  void ForEachLeft(Visit visit) const {
    for (uint32_t i = 0; i < entries_.size(); ++i) {
      if (!gone_.contains(i)) {
        visit(i, entries_[i]);
      }
    }
  }

  bool IsHeld(uint32_t layer) const {
    bool held = layers_[layer].named;
    ForEachLeft([&](uint32_t, const Ledger::Entry& entry) {
      held = held || entry.layer == layer ||
             std::count(entry.chain.begin(), entry.chain.end(), layer) > 0;
    });
    return held;
  }

  std::set<uint32_t> HeldBlobs() const {
    std::set<uint32_t> held;
    ForEachLeft([&](uint32_t, const Ledger::Entry& entry) {
      held.insert(entry.blobs.begin(), entry.blobs.end());
    });
    return held;
  }

  uint64_t CacheBytes() const {
    uint64_t bytes = 0;
    std::set<uint32_t> of_cache;
    std::set<uint32_t> of_others;
    for (uint32_t i = 0; i < layers_.size(); ++i) {
      if (IsHeld(i)) {
        bytes += layers_[i].named ? 0 : layers_[i].tree;
        (layers_[i].named ? of_others : of_cache)
            .insert(layers_[i].packs.begin(), layers_[i].packs.end());
      }
    }
    for (uint32_t pack : of_cache) {
      bytes += of_others.contains(pack) ? 0 : pack_bytes_[pack];
    }
    ForEachLeft([&](uint32_t, const Ledger::Entry& entry) { bytes += entry.own_bytes; });
    for (uint32_t blob : HeldBlobs()) {
      bytes += blob_bytes_[blob];
    }
    return bytes;
  }

  void CheckMayGo(uint32_t number) {
    const Ledger::Entry& entry = entries_[number];
    EXPECT_FALSE(entry.in_use);
    bool may = false;
    for (size_t p = 0; p < policies_.size(); ++p) {
      may = may || (((entry.policies >> p) & 1) != 0 &&
                    (policies_[p].keep_ns == 0 || entry.used_ns <= kNow - policies_[p].keep_ns));
    }
    EXPECT_TRUE(may);
    ForEachLeft([&](uint32_t other, const Ledger::Entry& left) {
      EXPECT_TRUE(entry.layer == Ledger::kNoLayer || other == number ||
                  left.chain.size() <= entry.chain.size() ||
                  std::count(left.chain.begin(), left.chain.end(), entry.layer) == 0);
    });
  }

  void CheckPacks() {
    std::set<uint32_t> needed;
    for (uint32_t i = 0; i < layers_.size(); ++i) {
      if (IsHeld(i)) {
        needed.insert(layers_[i].packs.begin(), layers_[i].packs.end());
      }
    }
    std::vector<uint32_t> unheld;
    for (uint32_t i = 0; i < pack_bytes_.size(); ++i) {
      if (!needed.contains(i)) {
        unheld.push_back(i);
      }
    }
    EXPECT_EQ(ledger_.UnheldPacks(), unheld);
    const std::set<uint32_t> held = HeldBlobs();
    EXPECT_EQ(ledger_.UnheldBlobs().size(), blob_bytes_.size() - held.size());
    for (uint32_t blob : ledger_.UnheldBlobs()) {
      EXPECT_FALSE(held.contains(blob));
    }
  }

  std::mt19937 random_;
  Ledger ledger_;
  std::vector<uint64_t> pack_bytes_;
  std::vector<uint64_t> blob_bytes_;
  std::vector<Layer> layers_;
  std::vector<Ledger::Entry> entries_;
  std::vector<LedgerPolicy> policies_;
  uint64_t free_ = 0;
  std::set<uint32_t> gone_;
};

TEST(LedgerTest, AgreesWithAModelThatCountsAfresh) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    Model(seed).Check();
    if (HasFailure()) {
      return;
    }
  }
}

}  // namespace
}  // namespace zlayer
