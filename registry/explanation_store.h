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

// Thread-safe. A history is a name within a namespace; a build may be in several. What is in an
// explanation is its writer's business.
class ExplanationStore {
 public:
  static constexpr int kBuildsOfAHistory = 16;

  virtual ~ExplanationStore() = default;
  // Of the last builds that are in one of the histories, the newest first, each once.
  virtual absl::StatusOr<std::vector<std::string>> Find(
      std::string_view name_space, const std::vector<std::string>& histories) = 0;
  // Adds a build to the histories, or replaces it there. Older ones go, and all that are older than
  // 30 days.
  virtual absl::Status Put(std::string_view name_space, const std::vector<std::string>& histories,
                           std::string_view build, std::string_view steps) = 0;
};

// Rows in `database`; both arguments must outlive the result.
std::unique_ptr<ExplanationStore> OpenExplanationStore(Database* database, const Clock* clock);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_EXPLANATION_STORE_H_
