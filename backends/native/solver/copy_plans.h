// What COPY instructions came to when they were planned: an unchanged one need not be planned again
// to be found in the cache.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_COPY_PLANS_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_COPY_PLANS_H_

#include <cstddef>
#include <map>
#include <optional>

#include "base/digest.h"
#include "base/mutex.h"

namespace zlayer {

// Thread-safe. In memory only, at most 1 MiB.
class CopyPlans {
 public:
  // LayerIndex::ContentDigest of the plan that `key` (PlanKey) led to; nullopt where that is not
  // known.
  std::optional<Digest> Find(const Digest& key) {
    MutexLock lock(&mutex_);
    const auto found = plans_.find(key);
    return found == plans_.end() ? std::nullopt : std::optional(found->second);
  }

  // Forgets all others once there are too many.
  void Add(const Digest& key, const Digest& content) {
    MutexLock lock(&mutex_);
    if (plans_.size() >= kMost) {
      plans_.clear();
    }
    plans_.insert_or_assign(key, content);
  }

  static constexpr size_t kMost = 8'000;

 private:
  Mutex mutex_;
  std::map<Digest, Digest> plans_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_COPY_PLANS_H_
