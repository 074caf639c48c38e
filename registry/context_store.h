// Build contexts that were uploaded and wait for the builds that use them.
#ifndef ZLAYER_REGISTRY_CONTEXT_STORE_H_
#define ZLAYER_REGISTRY_CONTEXT_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "registry/meta/database.h"

namespace zlayer {

// An uploaded build context: an index of selected files whose contents are in the content store.
struct StoredContext {
  std::string id;
  Digest layer;
  bool from_tar = false;
};

// Thread-safe.
class ContextStore {
 public:
  virtual ~ContextStore() = default;
  // Returns the new context; it is dropped an hour later unless Keep was called.
  // kFailedPrecondition where the store lacks the layer.
  virtual absl::StatusOr<StoredContext> Put(std::string_view name_space, const Digest& layer,
                                            bool from_tar) = 0;
  // kNotFound where it is unknown, expired, or another namespace's.
  virtual absl::StatusOr<StoredContext> Get(std::string_view name_space, std::string_view id) = 0;
  // A build was acknowledged that needs it: it does not expire any more. kNotFound as Get.
  virtual absl::Status Keep(std::string_view name_space, std::string_view id) = 0;
  // Ids of all contexts that were kept, of every namespace.
  virtual absl::StatusOr<std::vector<std::string>> Kept() = 0;
  // Missing is fine.
  virtual absl::Status Remove(std::string_view id) = 0;
};

// Contexts in `database`; both arguments must outlive the result.
std::unique_ptr<ContextStore> OpenContextStore(Database* database, const Clock* clock);

// What Get finds, within a transaction of the caller's; nullopt instead of kNotFound.
absl::StatusOr<std::optional<StoredContext>> FindContext(Connection& connection,
                                                         std::string_view name_space,
                                                         std::string_view id, int64_t now_ns);

// Removes the contexts that have expired by `now_ns`. Only reads where there is none.
absl::Status RemoveExpiredContexts(Database* database, int64_t now_ns);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CONTEXT_STORE_H_
