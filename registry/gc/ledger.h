// A model of the cache in memory: which entry holds which layers and blobs, and layers which packs.
// Removals are tried on it before anything is removed. Pure: no database, no files, no clock.
#ifndef ZLAYER_REGISTRY_GC_LEDGER_H_
#define ZLAYER_REGISTRY_GC_LEDGER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace zlayer {

// What may go, in bytes and nanoseconds. Without limits all that is older than `keep_ns` goes, else
// the least recently used until the limits are kept.
struct LedgerPolicy {
  int64_t keep_ns = 0;          // what was used within this time stays
  uint64_t reserved_bytes = 0;  // nothing goes while the cache has no more
  uint64_t max_used_bytes = 0;  // 0: no limit
  uint64_t min_free_bytes = 0;  // of the disk; 0: no limit
};

// Layers, packs, blobs and entries are numbered in the order in which they are added. Not
// thread-safe. Memory grows with their numbers, and with the layers that records were made on.
class Ledger {
 public:
  static constexpr uint32_t kNoLayer = UINT32_MAX;

  // `named`: something that is no entry holds it. `layers_with_it` of a pack are counted as layers
  // are added.
  uint32_t AddPack(uint64_t bytes);
  uint32_t AddLayer(uint64_t tree_bytes, bool named, std::vector<uint32_t> packs);

  // A blob that only entries hold.
  uint32_t AddBlob(uint64_t bytes);

  struct Entry {
    uint32_t layer = kNoLayer;
    std::vector<uint32_t> chain;  // layers that it was made on: it holds them too
    std::vector<uint32_t> blobs;
    uint64_t own_bytes = 0;  // besides layers and blobs
    int64_t used_ns = 0;
    bool in_use = false;    // must stay
    uint32_t policies = 0;  // bit i: the policy i is about it
  };
  uint32_t AddEntry(Entry entry);

  // Applies policies, each to the entries that are its own, the least recently used first. What was
  // made on a layer counts as a use of it, and goes before it: an entry stays as long as another
  // one was made on its layer. `free_bytes` are free on the disk. Returns the entries that go, in
  // the order in which they are to be removed.
  std::vector<uint32_t> Prune(const std::vector<LedgerPolicy>& policies, int64_t now_ns,
                              uint64_t free_bytes);

  // The layer stays although nothing holds it.
  void KeepLayer(uint32_t layer);

  // What nothing holds after what was done above.
  std::vector<uint32_t> UnheldLayers() const;
  // Those that no layer needs but ones that nothing holds.
  std::vector<uint32_t> UnheldPacks() const;
  std::vector<uint32_t> UnheldBlobs() const;

  // What the cache alone holds: trees, packs, blobs, and what entries have besides.
  uint64_t cache_bytes() const { return cache_bytes_; }

 private:
  struct Pack {
    uint64_t bytes = 0;
    uint32_t layers = 0;  // that are held
    uint32_t named = 0;   // of these
  };
  struct Blob {
    uint64_t bytes = 0;
    uint32_t holders = 0;
  };
  struct Layer {
    uint64_t tree_bytes = 0;
    bool named = false;
    uint32_t holders = 0;  // entries
    // Entries that were made on it, by the lengths of their chains. A layer may stand on itself (an
    // empty one does), so of two entries the one with the longer chain is the child.
    struct Above {
      uint32_t entries = 0;
      int64_t used_ns = 0;  // the latest use of one of them
    };
    std::map<size_t, Above> above;
    std::vector<uint32_t> packs;
  };

  void Hold(uint32_t layer);
  void Release(uint32_t layer);
  void Remove(const Entry& entry);
  bool FreesSomething(const Entry& entry) const;
  bool StandsBelow(const Entry& entry) const;
  int64_t LastUse(const Entry& entry) const;
  bool PruneOnce(size_t policy_number, const LedgerPolicy& policy, int64_t now_ns,
                 uint64_t free_bytes, const std::vector<uint32_t>& order,
                 std::vector<uint32_t>* gone);
  std::vector<uint32_t> InOrder() const;
  bool IsOver(const LedgerPolicy& policy, uint64_t free_bytes) const;

  std::vector<Pack> packs_;
  std::vector<Blob> blobs_;
  std::vector<Layer> layers_;
  std::vector<Entry> entries_;
  std::vector<bool> removed_;  // entries
  uint64_t cache_bytes_ = 0;
  uint64_t freed_bytes_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_GC_LEDGER_H_
