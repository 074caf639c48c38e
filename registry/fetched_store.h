// What was fetched from outside the machine, so that it need not be fetched again. A namespace sees
// only what it fetched itself.
#ifndef ZLAYER_REGISTRY_FETCHED_STORE_H_
#define ZLAYER_REGISTRY_FETCHED_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/digest.h"
#include "registry/meta/database.h"

namespace zlayer {

// An answer from outside, as a layer.
struct FetchedSource {
  Digest layer;
  Digest content;    // of the one file of the layer; none for a tree
  std::string etag;  // what the server said of it; empty where it said nothing
  std::string last_modified;
};

// Thread-safe. `source` is a digest of what was asked for, without credentials.
class FetchedStore {
 public:
  virtual ~FetchedStore() = default;
  // nullopt where the namespace has not fetched it.
  virtual absl::StatusOr<std::optional<FetchedSource>> Find(std::string_view name_space,
                                                            const Digest& source) = 0;
  // Any source whose one file has this content.
  virtual absl::StatusOr<std::optional<FetchedSource>> FindContent(std::string_view name_space,
                                                                   const Digest& content) = 0;
  // Writes the times of last use, which the look-ups above leave in memory, to the database.
  virtual absl::Status FlushUses() = 0;
  // An older answer for the same source is replaced. kFailedPrecondition where the store lacks the
  // layer.
  virtual absl::Status Put(std::string_view name_space, const Digest& source,
                           const FetchedSource& fetched) = 0;
};

// Rows in `database`, which go with their layer; both arguments must outlive the result.
std::unique_ptr<FetchedStore> OpenFetchedStore(Database* database, const Clock* clock);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_FETCHED_STORE_H_
