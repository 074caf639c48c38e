#include "daemon/pipeline/pipeline_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "daemon/pipeline/image_status.h"
#include "daemon/queue/build_end.h"

namespace zlayer {
namespace {

constexpr Log kLog(LogModule::kQueue);
constexpr size_t kSendingThreads = 4;

// What a spec had that its row has not.
struct Confidential {
  google::protobuf::RepeatedPtrField<v1::Secret> secrets;
  google::protobuf::RepeatedPtrField<v1::RegistryCredential> credentials;

  void AddTo(v1::BuildSpec* spec) const {
    *spec->mutable_secrets() = secrets;
    *spec->mutable_registry_credentials() = credentials;
  }
};

std::vector<Confidential> ConfidentialOf(const v1::SubmitPipelineRequest& request) {
  std::vector<Confidential> all;
  for (const v1::PipelineImage& image : request.spec().images()) {
    all.push_back({image.spec().secrets(), image.spec().registry_credentials()});
  }
  return all;
}

using ImageKey = std::pair<std::string, size_t>;  // of a pipeline

// What the thread is told.
struct Submitted {
  std::string id;
  std::vector<Confidential> confidential;
};
struct CancelRequested {
  std::string id;
};
struct BuildEnded {
  std::string build_id;
};
struct ImageSent {
  ImageKey image;
  absl::StatusOr<std::string> manifest_digest;
};
using Notice = std::variant<Submitted, CancelRequested, BuildEnded, ImageSent>;

// A pipeline that has not ended, as its rows have it.
struct Live {
  explicit Live(PipelineRecord loaded) : record(std::move(loaded)), plan(record.shape) {}

  PipelineRecord record;
  PipelinePlan plan;
};

// Whether the same request may be taken another time.
bool MayPass(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
      return false;
    default:
      return true;
  }
}

class ThreadedPipelineRunner : public PipelineRunner {
 public:
  explicit ThreadedPipelineRunner(const PipelineRunnerOptions& options)
      : options_(options), store_(*options.store) {}

  void Start() {
    options_.queue->SetEndListener([this](const std::string& id) { Tell(BuildEnded{id}); });
    thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
  }

  ~ThreadedPipelineRunner() override { Stop(); }

  absl::StatusOr<std::string> Submit(const v1::SubmitPipelineRequest& request) override {
    if (options_.draining.stop_requested()) {
      return Unavailable("the daemon is shutting down; submit the pipeline again later");
    }
    ASSIGN_OR_RETURN(PipelineStore::Submission submission, store_.Submit(request));
    if (!submission.existing) {
      kLog.Info("pipeline submitted", {{"pipeline", submission.id},
                                       {"title", request.spec().title()},
                                       {"images", request.spec().images_size()}});
      Tell(Submitted{submission.id, ConfidentialOf(request)});
    }
    return submission.id;
  }

  absl::StatusOr<v1::PipelineStatus> Cancel(const std::string& id) override {
    ASSIGN_OR_RETURN(v1::PipelineStatus status, store_.RequestCancel(id));
    Tell(CancelRequested{id});
    return status;
  }

  void Stop() override {
    MutexLock stopping(&stop_mutex_);
    options_.queue->SetEndListener(nullptr);
    thread_.request_stop();
    if (thread_.joinable()) {
      thread_.join();
    }
    for (auto& [id, stop] : sending_stops_) {
      stop.request_stop();
    }
    senders_.reset();
  }

 private:
  void Tell(Notice notice) {
    MutexLock lock(&mutex_);
    notices_.push_back(std::move(notice));
    told_.NotifyOne();
  }

  // All below is of the thread.

  void Run(const std::stop_token& stop) {
    Recover();
    while (!stop.stop_requested()) {
      std::optional<Notice> notice = Await(stop);
      if (notice.has_value()) {
        std::visit([this](auto& what) { Handle(what); }, *notice);
      }
      RetryWhatIsDue();
    }
  }

  std::optional<Notice> Await(const std::stop_token& stop) {
    MutexLock lock(&mutex_);
    const auto told = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !notices_.empty(); };
    if (retries_.empty()) {
      told_.Wait(&mutex_, stop, told);
    } else {
      told_.WaitFor(&mutex_, options_.retry_delay, stop, told);
    }
    if (notices_.empty() || stop.stop_requested()) {
      return std::nullopt;
    }
    Notice notice = std::move(notices_.front());
    notices_.pop_front();
    return notice;
  }

  void Recover() {
    absl::StatusOr<std::vector<std::string>> ids = store_.Running();
    if (!ids.ok()) {
      kLog.Error("pipelines cannot go on before the next start", {{"error", ids.status()}});
      return;
    }
    for (const std::string& id : *ids) {
      Load(id);
    }
    if (!ids->empty()) {
      kLog.Info("pipelines recovered", {{"pipelines", ids->size()}});
    }
  }

  void Handle(Submitted& submitted) {
    confidential_[submitted.id] = std::move(submitted.confidential);
    Load(submitted.id);
  }

  void Handle(CancelRequested& request) {
    if (auto live = live_.find(request.id); live != live_.end()) {
      live->second.plan.Cancel();
      sending_stops_[request.id].request_stop();
      Advance(&live->second);
    }
  }

  void Handle(BuildEnded& ended) {
    auto owner = owners_.find(ended.build_id);
    if (owner == owners_.end()) {
      return;
    }
    const auto [id, image] = owner->second;
    auto live = live_.find(id);
    if (live == live_.end()) {
      return;
    }
    if (Succeeded(id, LookAtBuild(&live->second, image))) {
      Advance(&live->second);
    }
  }

  void Handle(ImageSent& sent) {
    sending_.erase(sent.image);
    auto entry = live_.find(sent.image.first);
    if (entry == live_.end()) {
      return;
    }
    Live& live = entry->second;
    const size_t image = sent.image.second;
    const v1::PipelineImageStatus status =
        AfterSending(live.record.statuses[image], sent.manifest_digest, live.plan.canceled());
    if (Succeeded(sent.image.first, Set(&live, image, status))) {
      Advance(&live);
    }
  }

  void RetryWhatIsDue() {
    const int64_t now = MonotonicNs();
    std::vector<std::string> due;
    for (const auto& [id, time] : retries_) {
      if (time <= now) {
        due.push_back(id);
      }
    }
    for (const std::string& id : due) {
      retries_.erase(id);
      auto live = live_.find(id);
      if (live == live_.end()) {
        Load(id);
      } else {
        Advance(&live->second);
      }
    }
  }

  // What could not be written or read is tried again, with what the rows say then.
  bool Succeeded(const std::string& id, const absl::Status& status) {
    if (!status.ok()) {
      kLog.Error("a pipeline cannot go on for now", {{"pipeline", id}, {"error", status}});
      live_.erase(id);
      RetryLater(id);
    }
    return status.ok();
  }
  void RetryLater(const std::string& id) {
    retries_[id] = MonotonicNs() + options_.retry_delay.count();
  }

  void Load(const std::string& id) {
    absl::StatusOr<PipelineRecord> record = store_.Load(id);
    if (absl::IsNotFound(record.status()) || (record.ok() && record->ended)) {
      Forget(id);
      return;
    }
    if (!Succeeded(id, record.status())) {
      return;
    }
    live_.erase(id);
    Live& live = live_.emplace(id, *std::move(record)).first->second;
    if (live.record.cancel_requested) {
      live.plan.Cancel();
    }
    if (Succeeded(id, Resume(&live))) {
      Advance(&live);
    }
  }

  // Tells the plan where each image stands, and hears what became of the builds.
  absl::Status Resume(Live* live) {
    const PipelineRecord& record = live->record;
    for (size_t i = 0; i < record.statuses.size(); ++i) {
      v1::PipelineImageStatus status = record.statuses[i];
      if (status.state() == v1::PIPELINE_IMAGE_PUSHING && !sending_.contains({record.id, i})) {
        status.set_state(v1::PIPELINE_IMAGE_BUILT);
      }
      live->plan.Set(i, status);
    }
    for (size_t i = 0; i < record.statuses.size(); ++i) {
      if (record.statuses[i].state() == v1::PIPELINE_IMAGE_BUILDING) {
        owners_[record.statuses[i].build_id()] = {record.id, i};
        RETURN_IF_ERROR(LookAtBuild(live, i));
      }
    }
    return absl::OkStatus();
  }

  // Does what the plan says, until it says nothing. `live` may be gone after that.
  void Advance(Live* live) {
    const std::string id = live->record.id;
    Succeeded(id, DoSteps(live));
  }

  absl::Status DoSteps(Live* live) {
    while (true) {
      const PipelinePlan::Steps steps = live->plan.Next();
      if (steps.end.has_value()) {
        return Finish(live, *steps.end);
      }
      for (const PipelinePlan::Skip& skip : steps.skip) {
        RETURN_IF_ERROR(
            Set(live, skip.image, Skipped(live->record.statuses[skip.image], skip.reason)));
      }
      for (size_t image : steps.withdraw) {
        Withdraw(live->record.statuses[image].build_id(), steps.cancels_running);
      }
      for (size_t image : steps.push) {
        RETURN_IF_ERROR(Send(live, image));
      }
      for (size_t image : steps.build) {
        ASSIGN_OR_RETURN(const bool taken, Build(live, image));
        if (!taken) {
          RetryLater(live->record.id);
          return absl::OkStatus();
        }
      }
      if (steps.skip.empty() && steps.push.empty() && steps.build.empty()) {
        return absl::OkStatus();
      }
    }
  }

  absl::Status Finish(Live* live, v1::PipelineState state) {
    const std::string id = live->record.id;
    RETURN_IF_ERROR(store_.Finish(id, state));
    kLog.Info("pipeline ended", {{"pipeline", id}, {"state", v1::PipelineState_Name(state)}});
    Forget(id);
    return absl::OkStatus();
  }

  void Forget(const std::string& id) {
    live_.erase(id);
    confidential_.erase(id);
    sending_stops_.erase(id);
    retries_.erase(id);
    std::erase_if(owners_, [&id](const auto& owner) { return owner.second.first == id; });
  }

  absl::Status Set(Live* live, size_t image, const v1::PipelineImageStatus& status) {
    RETURN_IF_ERROR(store_.SetImage(live->record.id, image, status));
    live->record.statuses[image] = status;
    live->plan.Set(image, status);
    return absl::OkStatus();
  }

  // The spec with what came with the request; nullopt where a restart has lost that.
  absl::StatusOr<std::optional<v1::BuildSpec>> SpecOf(const Live& live, size_t image, bool needed) {
    auto confidential = confidential_.find(live.record.id);
    if (needed && confidential == confidential_.end()) {
      return std::nullopt;
    }
    ASSIGN_OR_RETURN(v1::BuildSpec spec, store_.Spec(live.record.id, image));
    if (confidential != confidential_.end()) {
      confidential->second[image].AddTo(&spec);
    }
    return spec;
  }

  // False where the queue does not take the build for now.
  absl::StatusOr<bool> Build(Live* live, size_t image) {
    const PipelineRecord& record = live->record;
    if (options_.draining.stop_requested()) {
      return false;
    }
    ASSIGN_OR_RETURN(std::optional<v1::BuildSpec> spec,
                     SpecOf(*live, image, record.needs_secrets[image]));
    if (!spec.has_value()) {
      RETURN_IF_ERROR(Set(live, image, Failed(record.statuses[image], SecretsLost())));
      return true;
    }
    v1::SubmitBuildRequest request;
    request.set_namespace_(record.name_space);
    request.set_priority(record.priority);
    request.set_idempotency_key(
        fmt::format("pipeline {} {}", record.id, record.shape.images[image].name));
    *request.mutable_spec() = *std::move(spec);
    const absl::StatusOr<std::string> build = options_.scheduler->Submit(request);
    if (!build.ok() && MayPass(build.status())) {
      kLog.Debug("an image waits for the queue", {{"pipeline", record.id},
                                                  {"image", record.shape.images[image].name},
                                                  {"error", build.status()}});
      return false;
    }
    if (!build.ok()) {
      RETURN_IF_ERROR(Set(live, image, Failed(record.statuses[image], build.status())));
      return true;
    }
    owners_[*build] = {record.id, image};
    RETURN_IF_ERROR(Set(live, image, Building(record.statuses[image], *build)));
    // A daemon that died may have submitted it before, and it may have ended since.
    RETURN_IF_ERROR(LookAtBuild(live, image));
    return true;
  }

  // Takes over how a build ended, if it did. One that is not known any more is submitted again.
  absl::Status LookAtBuild(Live* live, size_t image) {
    const v1::PipelineImageStatus before = live->record.statuses[image];
    if (before.state() != v1::PIPELINE_IMAGE_BUILDING) {
      return absl::OkStatus();
    }
    const absl::StatusOr<v1::BuildStatus> build = options_.queue->Get(before.build_id());
    if (absl::IsNotFound(build.status())) {
      owners_.erase(before.build_id());
      return Set(live, image, Waiting(before));
    }
    RETURN_IF_ERROR(build.status());
    if (build->state() == v1::QUEUED || build->state() == v1::RUNNING) {
      return absl::OkStatus();
    }
    owners_.erase(before.build_id());
    return Set(live, image, AfterBuild(before, *build, live->plan.WithdrawalReason()));
  }

  void Withdraw(const std::string& build_id, bool running_too) {
    if (!running_too) {
      const absl::StatusOr<v1::BuildStatus> build = options_.queue->Get(build_id);
      if (!build.ok() || build->state() != v1::QUEUED) {
        return;
      }
    }
    const absl::Status canceled = options_.scheduler->Cancel(build_id).status();
    if (!canceled.ok() && !absl::IsNotFound(canceled)) {
      kLog.Warn("a build of a pipeline cannot be canceled",
                {{"build", build_id}, {"error", canceled}});
    }
  }

  absl::Status Send(Live* live, size_t image) {
    const PipelineRecord& record = live->record;
    ASSIGN_OR_RETURN(std::optional<v1::BuildSpec> spec,
                     SpecOf(*live, image, record.needs_login[image]));
    if (!spec.has_value()) {
      return Set(live, image, Failed(record.statuses[image], SecretsLost()));
    }
    RETURN_IF_ERROR(Set(live, image, Sending(record.statuses[image])));
    const ImageKey key(record.id, image);
    sending_.insert(key);
    senders_->Submit(
        [this, key,
         what = ImageToSend{record.name_space, record.statuses[image].result().manifest_digest(),
                            *std::move(spec)},
         stop = sending_stops_[record.id].get_token()] {
          Tell(ImageSent{key, options_.send(what, stop)});
        });
    return absl::OkStatus();
  }

  const PipelineRunnerOptions options_;
  PipelineStore& store_;

  Mutex mutex_;
  CondVar told_;
  std::deque<Notice> notices_ ABSL_GUARDED_BY(mutex_);

  // Of the thread; of Stop once the thread has ended.
  std::map<std::string, Live> live_;
  std::map<std::string, std::vector<Confidential>> confidential_;
  std::map<std::string, ImageKey> owners_;  // by build
  std::set<ImageKey> sending_;
  std::map<std::string, std::stop_source> sending_stops_;
  std::map<std::string, int64_t> retries_;  // when, of MonotonicNs
  std::unique_ptr<ThreadPool> senders_ = std::make_unique<ThreadPool>(kSendingThreads);

  Mutex stop_mutex_;
  std::jthread thread_;
};

}  // namespace

std::unique_ptr<PipelineRunner> StartPipelineRunner(const PipelineRunnerOptions& options) {
  auto runner = std::make_unique<ThreadedPipelineRunner>(options);
  runner->Start();
  return runner;
}

}  // namespace zlayer
