// What the process uses although no row of the database names it yet. A build is told of a layer,
// or that a content is stored, long before the row is written that comes to need it; meanwhile the
// garbage collector must not take it.
//
// Whoever is at such work has a `Work` while it lasts, and each thing that is handed out gets a
// stamp. What was handed out since the oldest work under way began may be in use.
#ifndef ZLAYER_REGISTRY_USES_USES_H_
#define ZLAYER_REGISTRY_USES_USES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <stop_token>
#include <utility>

#include "base/mutex.h"

namespace zlayer {

// Thread-safe. Must outlive its works.
class Uses {
 public:
  // Only the order counts: what happens later has no smaller one.
  using Stamp = uint64_t;

  // Work under way, until the object goes. Not thread-safe.
  class Work {
   public:
    Work() = default;
    Work(Work&& other) noexcept : uses_(std::exchange(other.uses_, nullptr)), since_(other.since_) {}
    Work& operator=(Work&& other) noexcept {
      std::swap(uses_, other.uses_);
      std::swap(since_, other.since_);
      return *this;
    }
    ~Work() {
      if (uses_ != nullptr) {
        uses_->End(since_);
      }
    }

    // What was handed out from here on is kept for it.
    Stamp since() const { return since_; }

   private:
    friend class Uses;
    Work(Uses* uses, Stamp since) : uses_(uses), since_(since) {}

    Uses* uses_ = nullptr;
    Stamp since_ = 0;
  };

  // A build, an upload, an import.
  Work Begin();
  // A collection: as if it had begun with the oldest work under way, so that what ends before the
  // collection looks at the rows, or later, is all accounted for.
  Work BeginCollection();

  // Of what is handed out now.
  Stamp Now() const;
  // What has this stamp or a later one may be in use.
  Stamp Oldest() const;

 private:
  void End(Stamp since);
  Stamp OldestLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  Stamp now_ ABSL_GUARDED_BY(mutex_) = 1;
  std::multiset<Stamp> under_way_ ABSL_GUARDED_BY(mutex_);
};

// The stamps of one kind of things, and which of them are being removed. Thread-safe. Memory grows
// with the things that may be in use.
template <typename Key>
class UsedThings {
 public:
  // `uses` outlives the object.
  explicit UsedThings(const Uses* uses) : uses_(uses) {}

  // The thing is handed out: it stays as long as the work under way now. False where it is being
  // removed.
  bool TryTouch(const Key& thing) {
    MutexLock lock(&mutex_);
    return TouchLocked(thing);
  }

  // The same after waiting until it is removed, which is a transaction or some, so that it can be
  // made anew.
  void Touch(const Key& thing) {
    MutexLock lock(&mutex_);
    removed_.Wait(&mutex_, std::stop_token(),
                  [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return TouchLocked(thing); });
  }

  bool InUse(const Key& thing) const { return TouchedSince(thing, uses_->Oldest()); }

  // Before the thing is removed: false where it was handed out since, and must stay.
  bool StartRemoving(const Key& thing, Uses::Stamp since) {
    MutexLock lock(&mutex_);
    auto touched = touched_.find(thing);
    return (touched == touched_.end() || touched->second < since) &&
           removing_.insert(thing).second;
  }
  void EndRemoving(const Key& thing) {
    {
      MutexLock lock(&mutex_);
      removing_.erase(thing);
    }
    removed_.NotifyAll();
  }

 private:
  // Small: what is kept for nothing holds a page of the heap each, among what builds have freed.
  static constexpr size_t kFew = 64;

  bool TouchedSince(const Key& thing, Uses::Stamp since) const {
    MutexLock lock(&mutex_);
    auto touched = touched_.find(thing);
    return touched != touched_.end() && touched->second >= since;
  }

  bool TouchLocked(const Key& thing) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (removing_.contains(thing)) {
      return false;
    }
    touched_[thing] = uses_->Now();
    if (touched_.size() > forget_at_) {
      const Uses::Stamp oldest = uses_->Oldest();
      std::erase_if(touched_, [oldest](const auto& item) { return item.second < oldest; });
      forget_at_ = kFew + 2 * touched_.size();
    }
    return true;
  }

  const Uses* const uses_;
  mutable Mutex mutex_;
  CondVar removed_;
  std::map<Key, Uses::Stamp> touched_ ABSL_GUARDED_BY(mutex_);
  std::set<Key> removing_ ABSL_GUARDED_BY(mutex_);
  size_t forget_at_ ABSL_GUARDED_BY(mutex_) = kFew;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_USES_USES_H_
