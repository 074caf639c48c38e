#include "registry/content/pack_files.h"

namespace zlayer {

PackFiles::File PackFiles::FindLocked(int64_t pack) {
  auto it = by_pack_.find(pack);
  if (it == by_pack_.end()) {
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, it->second);
  return it->second->second;
}

PackFiles::File PackFiles::Find(int64_t pack) {
  MutexLock lock(&mutex_);
  return FindLocked(pack);
}

PackFiles::File PackFiles::Add(int64_t pack, File file) {
  File dropped;  // closed after the lock is released
  MutexLock lock(&mutex_);
  if (File kept = FindLocked(pack); kept != nullptr) {
    return kept;
  }
  entries_.emplace_front(pack, file);
  by_pack_[pack] = entries_.begin();
  if (entries_.size() > capacity_) {
    dropped = std::move(entries_.back().second);
    by_pack_.erase(entries_.back().first);
    entries_.pop_back();
  }
  return file;
}

void PackFiles::Remove(int64_t pack) {
  File dropped;  // closed after the lock is released
  MutexLock lock(&mutex_);
  auto it = by_pack_.find(pack);
  if (it != by_pack_.end()) {
    dropped = std::move(it->second->second);
    entries_.erase(it->second);
    by_pack_.erase(it);
  }
}

}  // namespace zlayer
