// Times of last use, kept in memory until they are written together: a look-up writes nothing.
#ifndef ZLAYER_REGISTRY_LAST_USED_H_
#define ZLAYER_REGISTRY_LAST_USED_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "base/mutex.h"

namespace zlayer {

// Thread-safe. Memory grows with the things used since the last flush.
template <typename Key>
class LastUsed {
 public:
  using Times = std::map<Key, int64_t>;

  void Touch(const Key& key, int64_t now_ns) {
    MutexLock lock(&mutex_);
    times_[key] = now_ns;
  }

  // Gives what is not written yet to `write`. After an error it is there again.
  absl::Status Flush(const std::function<absl::Status(const Times&)>& write) {
    Times times;
    {
      MutexLock lock(&mutex_);
      times.swap(times_);
    }
    if (times.empty()) {
      return absl::OkStatus();
    }
    absl::Status status = write(times);
    if (!status.ok()) {
      MutexLock lock(&mutex_);
      times_.merge(times);
    }
    return status;
  }

 private:
  Mutex mutex_;
  Times times_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAST_USED_H_
