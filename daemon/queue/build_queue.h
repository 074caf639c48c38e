// The durable queue: every build that was acknowledged, in meta.db, until it is removed. States go
// queued -> running -> succeeded | failed | canceled, and running -> queued after a restart.
#ifndef ZLAYER_DAEMON_QUEUE_BUILD_QUEUE_H_
#define ZLAYER_DAEMON_QUEUE_BUILD_QUEUE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "registry/meta/database.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

struct QueuedBuild {
  std::string id;
  uint32_t attempt = 1;
  bool lost_secrets = false;       // it had secrets or credentials, which are not stored
  v1::SubmitBuildRequest request;  // as stored; Take alone fills it in
};

struct QueueCounts {
  uint64_t queued = 0;
  uint64_t running = 0;
};

// Thread-safe. Knows rows only; the scheduler joins them with the log.
class BuildQueue {
 public:
  virtual ~BuildQueue() = default;

  struct Submission {
    std::string id;
    bool existing = false;  // the idempotency key had this very request already
  };
  // Stores the request, without secrets and credentials, as queued. Once this returns, the build
  // survives. An empty namespace is "default". kAlreadyExists: the idempotency key belongs to
  // another request of this namespace. (Values of secrets, passwords and tokens are not compared.)
  virtual absl::StatusOr<Submission> Submit(const v1::SubmitBuildRequest& request) = 0;

  // The build that has the request's idempotency key already; nullopt where none has, or the
  // request has no key. kAlreadyExists as Submit.
  virtual absl::StatusOr<std::optional<std::string>> FindSubmitted(
      const v1::SubmitBuildRequest& request) = 0;

  // The next build by priority, then age, now running; nullopt where none is queued. Builds that
  // are to be canceled are never taken.
  virtual absl::StatusOr<std::optional<QueuedBuild>> Take() = 0;

  // Ends a build with its terminal event (which is in the log already). kNotFound;
  // kFailedPrecondition where it has ended already: the first end stays.
  virtual absl::Status Finish(const v1::BuildEvent& terminal) = 0;

  // A running build goes back to queued; its next run is attempt number `attempt`.
  // kFailedPrecondition where it does not run.
  virtual absl::Status Requeue(std::string_view id, uint32_t attempt) = 0;

  // Remembers that the build is to be canceled, unless it has ended. Returns its status as it is
  // now: where that is QUEUED, Take will not return it any more, so the caller ends it. kNotFound.
  virtual absl::StatusOr<v1::BuildStatus> RequestCancel(std::string_view id) = 0;

  // For recovery, oldest first: queued builds that are to be canceled; builds that run; queued
  // builds, those to be canceled among them.
  virtual absl::StatusOr<std::vector<std::string>> CanceledWhileQueued() = 0;
  virtual absl::StatusOr<std::vector<QueuedBuild>> Running() = 0;
  virtual absl::StatusOr<std::vector<QueuedBuild>> Queued() = 0;

  // Ids of the uploaded contexts that builds name which have not ended.
  virtual absl::StatusOr<std::set<std::string>> ContextsInUse() = 0;

  // kNotFound: `build "x" is not known`.
  virtual absl::StatusOr<v1::BuildStatus> Get(std::string_view id) = 0;
  // Newest first; an empty namespace lists all.
  virtual absl::StatusOr<std::vector<v1::BuildStatus>> List(std::string_view name_space,
                                                            uint32_t limit) = 0;
  virtual absl::StatusOr<QueueCounts> Counts() = 0;
};

// Over the builds table of `database`. Both must outlive the queue.
std::unique_ptr<BuildQueue> OpenBuildQueue(Database* database, const Clock* clock);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_BUILD_QUEUE_H_
