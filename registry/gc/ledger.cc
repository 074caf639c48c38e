#include "registry/gc/ledger.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

namespace zlayer {

uint32_t Ledger::AddPack(uint64_t bytes) {
  packs_.push_back({.bytes = bytes});
  return static_cast<uint32_t>(packs_.size() - 1);
}

uint32_t Ledger::AddBlob(uint64_t bytes) {
  blobs_.push_back({.bytes = bytes});
  return static_cast<uint32_t>(blobs_.size() - 1);
}

uint32_t Ledger::AddLayer(uint64_t tree_bytes, bool named, std::vector<uint32_t> packs) {
  const auto number = static_cast<uint32_t>(layers_.size());
  layers_.push_back({.tree_bytes = tree_bytes, .packs = std::move(packs)});
  if (named) {
    KeepLayer(number);
  }
  return number;
}

uint32_t Ledger::AddEntry(Entry entry) {
  if (entry.layer != kNoLayer) {
    Hold(entry.layer);
  }
  for (uint32_t layer : entry.chain) {
    Hold(layer);
    Layer::Above& above = layers_[layer].above[entry.chain.size()];
    ++above.entries;
    above.used_ns = std::max(above.used_ns, entry.used_ns);
  }
  for (uint32_t blob : entry.blobs) {
    if (blobs_[blob].holders++ == 0) {
      cache_bytes_ += blobs_[blob].bytes;
    }
  }
  cache_bytes_ += entry.own_bytes;
  entries_.push_back(std::move(entry));
  removed_.push_back(false);
  return static_cast<uint32_t>(entries_.size() - 1);
}

void Ledger::Hold(uint32_t number) {
  Layer& layer = layers_[number];
  if (layer.holders++ > 0 || layer.named) {
    return;
  }
  cache_bytes_ += layer.tree_bytes;
  for (uint32_t pack : layer.packs) {
    if (packs_[pack].layers++ == 0) {
      cache_bytes_ += packs_[pack].bytes;
    }
  }
}

void Ledger::Release(uint32_t number) {
  Layer& layer = layers_[number];
  if (--layer.holders > 0 || layer.named) {
    return;
  }
  uint64_t freed = layer.tree_bytes;
  for (uint32_t pack : layer.packs) {
    if (--packs_[pack].layers == 0) {
      freed += packs_[pack].bytes;
    }
  }
  cache_bytes_ -= freed;
  freed_bytes_ += freed;
}

void Ledger::KeepLayer(uint32_t number) {
  Layer& layer = layers_[number];
  if (layer.named) {
    return;
  }
  layer.named = true;
  const bool was_cache = layer.holders > 0;
  cache_bytes_ -= was_cache ? layer.tree_bytes : 0;
  for (uint32_t number_of_pack : layer.packs) {
    Pack& pack = packs_[number_of_pack];
    if (pack.named++ == 0 && pack.layers > 0) {
      cache_bytes_ -= pack.bytes;
    }
    pack.layers += was_cache ? 0 : 1;
  }
}

void Ledger::Remove(const Entry& entry) {
  if (entry.layer != kNoLayer) {
    Release(entry.layer);
  }
  for (uint32_t layer : entry.chain) {
    --layers_[layer].above[entry.chain.size()].entries;
    Release(layer);
  }
  uint64_t freed = entry.own_bytes;
  for (uint32_t blob : entry.blobs) {
    if (--blobs_[blob].holders == 0) {
      freed += blobs_[blob].bytes;
    }
  }
  cache_bytes_ -= freed;
  freed_bytes_ += freed;
}

// Now, or once others have gone too.
bool Ledger::FreesSomething(const Entry& entry) const {
  const auto named = [this](uint32_t layer) { return layers_[layer].named; };
  return entry.own_bytes > 0 || !entry.blobs.empty() ||
         (entry.layer != kNoLayer && !named(entry.layer)) ||
         !std::all_of(entry.chain.begin(), entry.chain.end(), named);
}

bool Ledger::StandsBelow(const Entry& entry) const {
  if (entry.layer == kNoLayer) {
    return false;
  }
  const auto& above = layers_[entry.layer].above;
  return std::any_of(above.upper_bound(entry.chain.size()), above.end(),
                     [](const auto& longer) { return longer.second.entries > 0; });
}

int64_t Ledger::LastUse(const Entry& entry) const {
  int64_t used_ns = entry.used_ns;
  if (entry.layer != kNoLayer) {
    const auto& above = layers_[entry.layer].above;
    for (auto longer = above.upper_bound(entry.chain.size()); longer != above.end(); ++longer) {
      used_ns = std::max(used_ns, longer->second.used_ns);
    }
  }
  return used_ns;
}

std::vector<uint32_t> Ledger::InOrder() const {
  std::vector<uint32_t> order(entries_.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<int64_t> uses;
  for (const Entry& entry : entries_) {
    uses.push_back(LastUse(entry));
  }
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return std::make_tuple(uses[a], entries_[b].chain.size(), a) <
           std::make_tuple(uses[b], entries_[a].chain.size(), b);
  });
  return order;
}

bool Ledger::IsOver(const LedgerPolicy& policy, uint64_t free_bytes) const {
  if (cache_bytes_ <= policy.reserved_bytes && policy.reserved_bytes > 0) {
    return false;
  }
  if (policy.max_used_bytes == 0 && policy.min_free_bytes == 0) {
    return true;
  }
  return (policy.max_used_bytes > 0 && cache_bytes_ > policy.max_used_bytes) ||
         free_bytes + freed_bytes_ < policy.min_free_bytes;
}

std::vector<uint32_t> Ledger::Prune(const std::vector<LedgerPolicy>& policies, int64_t now_ns,
                                    uint64_t free_bytes) {
  std::vector<uint32_t> gone;
  const std::vector<uint32_t> order = InOrder();
  for (size_t p = 0; p < policies.size(); ++p) {
    // A parent that was met before its last child went is met again.
    while (PruneOnce(p, policies[p], now_ns, free_bytes, order, &gone)) {
    }
  }
  return gone;
}

// Returns whether something went.
bool Ledger::PruneOnce(size_t policy_number, const LedgerPolicy& policy, int64_t now_ns,
                       uint64_t free_bytes, const std::vector<uint32_t>& order,
                       std::vector<uint32_t>* gone) {
  const bool limited = policy.max_used_bytes > 0 || policy.min_free_bytes > 0;
  const size_t before = gone->size();
  for (uint32_t number : order) {
    const Entry& entry = entries_[number];
    if (!IsOver(policy, free_bytes)) {
      break;
    }
    const bool recent = policy.keep_ns > 0 && LastUse(entry) > now_ns - policy.keep_ns;
    if (removed_[number] || entry.in_use || ((entry.policies >> policy_number) & 1) == 0 ||
        recent || StandsBelow(entry) || (limited && !FreesSomething(entry))) {
      continue;
    }
    Remove(entry);
    removed_[number] = true;
    gone->push_back(number);
  }
  return gone->size() > before;
}

std::vector<uint32_t> Ledger::UnheldLayers() const {
  std::vector<uint32_t> unheld;
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (layers_[i].holders == 0 && !layers_[i].named) {
      unheld.push_back(static_cast<uint32_t>(i));
    }
  }
  return unheld;
}

std::vector<uint32_t> Ledger::UnheldPacks() const {
  std::vector<uint32_t> unheld;
  for (size_t i = 0; i < packs_.size(); ++i) {
    if (packs_[i].layers == 0) {
      unheld.push_back(static_cast<uint32_t>(i));
    }
  }
  return unheld;
}

std::vector<uint32_t> Ledger::UnheldBlobs() const {
  std::vector<uint32_t> unheld;
  for (size_t i = 0; i < blobs_.size(); ++i) {
    if (blobs_[i].holders == 0) {
      unheld.push_back(static_cast<uint32_t>(i));
    }
  }
  return unheld;
}

}  // namespace zlayer
