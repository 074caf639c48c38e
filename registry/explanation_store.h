// What the steps of a target's last builds were made from, kept to say what changed since.
#ifndef ZLAYER_REGISTRY_EXPLANATION_STORE_H_
#define ZLAYER_REGISTRY_EXPLANATION_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "registry/meta/database.h"

namespace zlayer {

// Thread-safe. A target is whatever its builds call it ("app:1"), within a namespace. What is in an
// explanation is its writer's business.
class ExplanationStore {
 public:
  static constexpr int kBuildsOfATarget = 4;

  virtual ~ExplanationStore() = default;
  // Of the target's last builds, the newest first.
  virtual absl::StatusOr<std::vector<std::string>> Find(std::string_view name_space,
                                                        std::string_view target) = 0;
  // Replaces that of the same build. Older ones of the target go, and all that are older than 30
  // days.
  virtual absl::Status Put(std::string_view name_space, std::string_view target,
                           std::string_view build, std::string_view steps) = 0;
};

// Rows in `database`; both arguments must outlive the result.
std::unique_ptr<ExplanationStore> OpenExplanationStore(Database* database, const Clock* clock);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_EXPLANATION_STORE_H_
