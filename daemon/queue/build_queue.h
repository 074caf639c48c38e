// The durable queue: every build that was acknowledged, in meta.db, until it is removed. States go
// queued -> running -> succeeded | failed | canceled, and running -> queued after a restart.
#ifndef ZLAYER_DAEMON_QUEUE_BUILD_QUEUE_H_
#define ZLAYER_DAEMON_QUEUE_BUILD_QUEUE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "daemon/queue/build_list.h"
#include "registry/meta/database.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// A build that was taken.
struct QueuedBuild {
  std::string id;
  uint32_t attempt = 1;
  int64_t created_ns = 0;
  bool lost_secrets = false;       // it had secrets or credentials, which are not stored
  v1::SubmitBuildRequest request;  // as stored
};

// What the scheduler must know of a build that has not ended, without its request.
struct BuildRow {
  std::string id;
  std::string name_space;
  int32_t priority = 0;
  int64_t created_ns = 0;
  uint32_t attempt = 1;
  bool lost_secrets = false;
  bool to_cancel = false;
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
    int64_t created_ns = 0;
  };
  // Stores the request, without secrets and credentials, as queued. Once this returns, the build
  // survives. An empty namespace is "default". kAlreadyExists: the idempotency key belongs to
  // another request of this namespace. (Values of secrets, passwords and tokens are not compared,
  // and an uploaded context is the same as another one with the same content, as long as both are
  // in the store.)
  virtual absl::StatusOr<Submission> Submit(const v1::SubmitBuildRequest& request) = 0;

  // The build that has the request's idempotency key already; nullopt where none has, or the
  // request has no key. kAlreadyExists as Submit.
  virtual absl::StatusOr<std::optional<std::string>> FindSubmitted(
      const v1::SubmitBuildRequest& request) = 0;

  // A queued build, now running; nullopt where it is not queued (any more) or is to be canceled.
  virtual absl::StatusOr<std::optional<QueuedBuild>> Take(std::string_view id) = 0;

  // Ends a build with its terminal event (which is in the log already). kNotFound;
  // kFailedPrecondition where it has ended already: the first end stays.
  virtual absl::Status Finish(const v1::BuildEvent& terminal) = 0;

  // Has `ended` called with the id of each build that Finish ends from now on, once its row says
  // so, on the thread that ends it. It must be quick and must not call back here. Null: nobody any
  // more; no call is under way after that.
  virtual void SetEndListener(std::function<void(const std::string& id)> ended) = 0;

  // A running build goes back to queued; its next run is attempt number `attempt`.
  // kFailedPrecondition where it does not run.
  virtual absl::Status Requeue(std::string_view id, uint32_t attempt) = 0;

  // Remembers that the build is to be canceled, unless it has ended. Returns its status as it is
  // now: where that is QUEUED, Take will not return it any more, so the caller ends it. kNotFound.
  virtual absl::StatusOr<v1::BuildStatus> RequestCancel(std::string_view id) = 0;

  // For recovery. All builds that are QUEUED or RUNNING, oldest first; those to be canceled are
  // among them. Reads no request.
  virtual absl::StatusOr<std::vector<BuildRow>> InState(v1::BuildState state) = 0;
  // The namespaces that have started builds, the one that did it longest ago first. Builds that are
  // queued again do not count.
  virtual absl::StatusOr<std::vector<std::string>> NamespacesByLastStart() = 0;

  // Ids of the uploaded contexts that builds name which have not ended.
  virtual absl::StatusOr<std::set<std::string>> ContextsInUse() = 0;

  // kNotFound: `build "x" is not known`.
  virtual absl::StatusOr<v1::BuildStatus> Get(std::string_view id) = 0;
  // Newest first.
  virtual absl::StatusOr<BuildPage> List(const BuildListing& listing) = 0;
  // Removes a build that has ended; its idempotency key is free again. Its log is the caller's to
  // remove, after this: a log without a row is nobody's, a row without a log would be a build's.
  // kNotFound; kFailedPrecondition where it has not ended.
  virtual absl::Status Delete(std::string_view id) = 0;
  virtual absl::StatusOr<QueueCounts> Counts() = 0;

  // For the history. Ended builds of which the history is to be relieved, oldest end first: those
  // that ended before `ended_before_ns`, and of the others all but the newest `keep`.
  virtual absl::StatusOr<std::vector<std::string>> Expired(int64_t ended_before_ns,
                                                           uint64_t keep) = 0;
  // Removes the rows of those builds that have ended; others stay. What they made stays.
  virtual absl::Status RemoveEnded(const std::vector<std::string>& ids) = 0;
  // Those of `ids` that are builds in whatever state.
  virtual absl::StatusOr<std::set<std::string>> Known(const std::vector<std::string>& ids) = 0;
};

// Over the builds table of `database`. Both must outlive the queue.
std::unique_ptr<BuildQueue> OpenBuildQueue(Database* database, const Clock* clock);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_BUILD_QUEUE_H_
