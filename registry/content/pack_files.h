// Open files of packs, the last used ones kept open.
#ifndef ZLAYER_REGISTRY_CONTENT_PACK_FILES_H_
#define ZLAYER_REGISTRY_CONTENT_PACK_FILES_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"
#include "base/unique_fd.h"

namespace zlayer {

// Thread-safe. A file that fell out stays open as long as somebody else holds it.
class PackFiles {
 public:
  using File = std::shared_ptr<const UniqueFd>;

  explicit PackFiles(size_t capacity) : capacity_(capacity) {}

  // Null where it is not open.
  File Find(int64_t pack);
  // Replaces nothing: returns the file that is kept for `pack`, which may be an earlier one.
  File Add(int64_t pack, File file);
  // Missing is fine.
  void Remove(int64_t pack);

 private:
  using Entries = std::list<std::pair<int64_t, File>>;  // last used first

  File FindLocked(int64_t pack) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t capacity_;
  Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<int64_t, Entries::iterator> by_pack_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CONTENT_PACK_FILES_H_
