// Cache records: what an operation with a certain key made.
#ifndef ZLAYER_REGISTRY_RECORD_STORE_H_
#define ZLAYER_REGISTRY_RECORD_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "registry/meta/database.h"

namespace zlayer {

// What an operation made, found by its key.
struct CacheRecord {
  Digest key;
  Digest layer;
  std::vector<Digest> chain;  // the layers that it was made on, lowest first
  std::string build;
  int64_t created_ns = 0;
  // The key with what the layers of the chain contain instead of what they are; zero for none.
  Digest content_key;
  std::string description;  // for people: "RUN make"
};

// Thread-safe. Keys carry the namespace within (see backends/native/solver/key.h).
class RecordStore {
 public:
  virtual ~RecordStore() = default;
  // kNotFound where there is none.
  virtual absl::StatusOr<CacheRecord> Find(const Digest& key) = 0;
  // Those that were made on the same content, the newest first, at most eight.
  virtual absl::StatusOr<std::vector<CacheRecord>> FindByContent(const Digest& content_key) = 0;
  // The record was of use just now. Kept in memory until FlushUses.
  virtual void Touch(const Digest& key) = 0;
  // Writes the times of last use, which decide what is removed first, to the database.
  virtual absl::Status FlushUses() = 0;
  // An older record of the same key is replaced. kFailedPrecondition where the store lacks the
  // layer.
  virtual absl::Status Put(std::string_view name_space, const CacheRecord& record) = 0;
};

// Records in `database`; both arguments must outlive the result. They go with their layer.
std::unique_ptr<RecordStore> OpenRecordStore(Database* database, const Clock* clock);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_RECORD_STORE_H_
