// The durable pipelines: every one that was acknowledged, in meta.db with its images and its
// events, until it is removed. Whoever watches one hears of its events here.
#ifndef ZLAYER_DAEMON_PIPELINE_PIPELINE_STORE_H_
#define ZLAYER_DAEMON_PIPELINE_PIPELINE_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "daemon/events/watchers.h"
#include "daemon/pipeline/pipeline_plan.h"
#include "daemon/pipeline/stored_pipeline.h"
#include "daemon/queue/build_list.h"
#include "registry/meta/database.h"
#include "zlayer/v1/pipeline.pb.h"

namespace zlayer {

// What whoever runs a pipeline must know of it, without its specs.
struct PipelineRecord {
  std::string id;
  std::string name_space;
  int32_t priority = 0;
  bool cancel_requested = false;
  bool ended = false;
  PipelineShape shape;
  std::vector<v1::PipelineImageStatus> statuses;
  std::vector<bool> needs_secrets;
  std::vector<bool> needs_login;
};

struct PipelinePage {
  std::vector<v1::PipelineStatus> pipelines;
  std::optional<BuildPosition> last;  // of the page, where more follow
};

struct PipelineListing {
  std::string name_space;              // empty: of all
  std::optional<BuildPosition> after;  // the page begins behind it
  uint32_t limit = 100;
  size_t max_bytes = 0;  // a page ends before the pipeline that would make it larger, but has one
};

// Thread-safe. `pipeline "x" is not known` is kNotFound.
class PipelineStore {
 public:
  // Makes the tables where they are missing. Both arguments must outlive the store.
  static absl::StatusOr<std::unique_ptr<PipelineStore>> Open(Database* database,
                                                             const Clock* clock);

  struct Submission {
    std::string id;
    bool existing = false;  // the idempotency key had this very request already
  };
  // Stores the pipeline with its first event. Once this returns it survives. kAlreadyExists: the
  // idempotency key belongs to another request (compared as those of builds). kResourceExhausted:
  // there are too many that have not ended.
  absl::StatusOr<Submission> Submit(const v1::SubmitPipelineRequest& request);
  // The pipeline that has the request's idempotency key; nullopt where none has, or there is no
  // key.
  absl::StatusOr<std::optional<std::string>> FindSubmitted(
      const v1::SubmitPipelineRequest& request);

  // Those that have not ended, oldest first.
  absl::StatusOr<std::vector<std::string>> Running();
  // Ids of the uploaded contexts that they name.
  absl::StatusOr<std::set<std::string>> ContextsInUse();
  absl::StatusOr<PipelineRecord> Load(std::string_view id);
  absl::StatusOr<v1::BuildSpec> Spec(std::string_view id, size_t image);

  // An image has another state: its row and the event, at once, synced. kFailedPrecondition where
  // the pipeline has ended.
  absl::Status SetImage(std::string_view id, size_t image, const v1::PipelineImageStatus& status);
  // The same for the pipeline's end, which comes once.
  absl::Status Finish(std::string_view id, v1::PipelineState state);
  // Remembers that it is to be canceled, unless it has ended; returns its status as it is now.
  absl::StatusOr<v1::PipelineStatus> RequestCancel(std::string_view id);

  absl::StatusOr<v1::PipelineStatus> Get(std::string_view id);
  absl::StatusOr<PipelinePage> List(const PipelineListing& listing);
  // kFailedPrecondition where it has not ended.
  absl::Status Delete(std::string_view id);
  // Removes those that ended before a time, and of the others all but the newest `keep`. One that
  // somebody watches stays for now.
  absl::Status RemoveExpired(int64_t ended_before_ns, uint64_t keep);

  // The first event with a greater number; nullopt where there is none yet.
  absl::StatusOr<std::optional<v1::PipelineEvent>> NextEvent(std::string_view id, uint64_t after);
  // Calls `wake` after each event from now on, and when the pipeline is removed, until the result
  // is destroyed, which is before the store. `wake` must be quick and must not call back here.
  std::shared_ptr<void> Subscribe(const std::string& id, std::function<void()> wake);

 private:
  PipelineStore(Database* database, const Clock* clock) : database_(*database), clock_(*clock) {}

  void Wake(std::string_view id);
  bool IsWatched(const std::string& id);

  Database& database_;
  const Clock& clock_;

  Mutex mutex_;
  std::map<std::string, std::weak_ptr<Watchers>, std::less<>> watchers_ ABSL_GUARDED_BY(mutex_);
};

// Where a status is larger than a message can be, without the tags of the images.
void FitIntoMessage(v1::PipelineStatus* status);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_PIPELINE_PIPELINE_STORE_H_
