#include "daemon/build/build_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/graph/describe.h"
#include "base/errors.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/build/backend_choice.h"
#include "daemon/build/build_file.h"
#include "daemon/build/context_files.h"
#include "daemon/build/context_sweep.h"
#include "daemon/build/merge_image.h"
#include "daemon/build/outputs.h"
#include "daemon/build/plan.h"
#include "daemon/build/pulling_image_resolver.h"
#include "daemon/build/remote_context.h"
#include "daemon/build/source_hash.h"
#include "daemon/queue/stored_request.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

using v1::BuildSpec;

constexpr Log kLog(LogModule::kBuild);

// BuildSpec.source_hash: a digest of the sources is to be made here.
constexpr std::string_view kAutoHash = "auto";

// Ids of the uploaded contexts of a request, by name.
std::map<std::string, std::string> UploadedContexts(const BuildSpec& spec) {
  std::map<std::string, std::string> contexts;
  for (const auto& [name, source] : spec.contexts()) {
    if (source.has_uploaded()) {
      contexts[name] = source.uploaded();
    }
  }
  return contexts;
}

// Warns of names in no_cache_stages that no stage which the target needs has: what was meant to run
// again will not.
void CheckUncachedStages(const BuildSpec& spec, PlannedBuild* plan) {
  std::vector<std::string> names;
  for (const v1::Stage& stage : plan->graph.stages()) {
    if (!stage.name().empty()) {
      names.push_back(stage.name());
    }
  }
  for (const std::string& wanted : spec.no_cache_stages()) {
    if (std::none_of(names.begin(), names.end(),
                     [&](const std::string& name) { return SameStageName(name, wanted); })) {
      v1::Warning& warning = plan->warnings.emplace_back();
      warning.set_rule("UnknownNoCacheStage");
      warning.set_message(fmt::format(
          "no_cache_stages names \"{}\", but the target needs no such stage; it needs {}", wanted,
          names.empty() ? "none with a name" : Join(names, ", ")));
    }
  }
}

v1::BuildComplete CompleteOf(const StoredImage& image) {
  v1::BuildComplete complete;
  complete.set_image_id(image.config_digest.ToString());
  complete.set_manifest_digest(image.manifest.ToString());
  complete.mutable_tags()->Assign(image.references.begin(), image.references.end());
  complete.set_layer_count(static_cast<uint32_t>(image.layers.size()));
  complete.set_size_bytes(image.size);
  return complete;
}

// What is transferred, as events. `events` must outlive the sink.
ProgressSink ToProgress(EventSink& events) {
  return [&events](const TransferUpdate& progress) {
    v1::BuildEvent event;
    event.mutable_progress()->set_item(progress.item);
    event.mutable_progress()->set_bytes_done(progress.done);
    event.mutable_progress()->set_bytes_total(progress.total);
    event.mutable_progress()->set_complete(progress.state != TransferUpdate::State::kRunning);
    events.Emit(std::move(event));
  };
}

// One run of one build.
class BuildRun {
 public:
  BuildRun(const BuildRunnerOptions& options, ContextSweep* sweep, const QueuedBuild& build,
           std::shared_ptr<SpanSink> spans)
      : store_(*options.store),
        sweep_(*sweep),
        backend_(*options.backend),
        remote_(options.remote),
        puller_(options.puller),
        pusher_(options.pusher),
        default_backend_(options.default_backend),
        credentials_(CredentialsIn(build.request.spec().registry_credentials())),
        spans_(std::move(spans)),
        build_(build),
        spec_(build.request.spec()),
        name_space_(build.request.namespace_().empty() ? "default" : build.request.namespace_()),
        contexts_(UploadedContexts(spec_)),
        work_(store_.uses().Begin()) {}

  absl::StatusOr<v1::BuildComplete> Run(EventSink& events, std::stop_token stop);

  // Drops what was made for this run only.
  ~BuildRun() {
    if (own_context_.has_value()) {
      sweep_.Drop(*own_context_);
    }
  }

 private:
  absl::StatusOr<v1::BuildComplete> FindOrBuild(const ImageOutput& output, EventSink& events,
                                                std::stop_token stop);
  absl::StatusOr<PlannedBuild> Plan(std::stop_token stop);
  absl::StatusOr<PlannedBuild> PlanWithFetchedContext(std::stop_token stop);
  absl::StatusOr<PlannedBuild> PlanSpec(const BuildSpec& spec, std::stop_token stop);
  absl::StatusOr<RemoteContext> Fetch(std::stop_token stop);
  absl::Status ApplyIgnoreFile();
  absl::Status UseOwnContext(const LayerRef& layer);
  TarEpoch LayerEpoch(const ImageOutput& output, const v1::Graph& graph, EventSink& events) const;
  BuildJob MakeJob(const ImageOutput& output, v1::Graph graph, EventSink& events);
  absl::StatusOr<NewImage> Build(const PlannedBuild& plan, const BuildJob& job, EventSink& events,
                                 std::stop_token stop);
  absl::StatusOr<std::string> HashOfSources(const v1::Graph& graph, EventSink& events);
  absl::StatusOr<std::optional<v1::BuildComplete>> FindUnchanged(const std::string& source_hash);
  absl::StatusOr<v1::BuildComplete> Commit(NewImage image);
  absl::Status Push(const ImageOutput& output, EventSink& events, std::stop_token stop,
                    v1::BuildComplete* complete);

  Store& store_;
  ContextSweep& sweep_;
  Backend& backend_;
  RemoteSources* const remote_;
  Puller* const puller_;
  Pusher* const pusher_;
  const std::string default_backend_;
  const CredentialsOf credentials_;
  const std::shared_ptr<SpanSink> spans_;
  const QueuedBuild& build_;
  const BuildSpec& spec_;
  const std::string name_space_;
  std::map<std::string, std::string> contexts_;
  std::optional<std::string> own_context_;
  const Uses::Work work_;  // what the run is told of stays
};

absl::StatusOr<v1::BuildComplete> BuildRun::Run(EventSink& events, std::stop_token stop) {
  RETURN_IF_ERROR(SelectBackend({.host = HostPlatform().os(),
                                 .target = spec_.target_os(),
                                 .request = spec_.backend(),
                                 .environment = default_backend_})
                      .status());
  ASSIGN_OR_RETURN(const ImageOutput output, ImageOutputOf(spec_));
  ASSIGN_OR_RETURN(v1::BuildComplete complete, FindOrBuild(output, events, stop));
  if (output.push) {
    RETURN_IF_ERROR(Push(output, events, std::move(stop), &complete));
  }
  return complete;
}

absl::StatusOr<v1::BuildComplete> BuildRun::FindOrBuild(const ImageOutput& output,
                                                        EventSink& events, std::stop_token stop) {
  const bool is_auto = spec_.source_hash() == kAutoHash;
  std::string source_hash;
  if (!is_auto && !spec_.source_hash().empty()) {
    source_hash = fmt::format("text {}", spec_.source_hash());
    ASSIGN_OR_RETURN(std::optional<v1::BuildComplete> found, FindUnchanged(source_hash));
    if (found.has_value()) {
      return *std::move(found);
    }
  }
  ASSIGN_OR_RETURN(PlannedBuild plan, Plan(stop));
  kLog.Debug("build planned", {{"build", build_.id},
                               {"stages", plan.graph.stages_size()},
                               {"warnings", plan.warnings.size()}});
  CheckUncachedStages(spec_, &plan);
  for (v1::Warning& warning : plan.warnings) {
    v1::BuildEvent event;
    *event.mutable_warning() = std::move(warning);
    events.Emit(std::move(event));
  }
  RETURN_IF_ERROR(plan.violation);
  if (is_auto) {
    ASSIGN_OR_RETURN(source_hash, HashOfSources(plan.graph, events));
    ASSIGN_OR_RETURN(std::optional<v1::BuildComplete> found, FindUnchanged(source_hash));
    if (found.has_value()) {
      return *std::move(found);
    }
  }
  const BuildJob job = MakeJob(output, std::move(plan.graph), events);
  ASSIGN_OR_RETURN(NewImage image, Build(plan, job, events, std::move(stop)));
  image.source_hash = std::move(source_hash);
  return Commit(std::move(image));
}

BuildJob BuildRun::MakeJob(const ImageOutput& output, v1::Graph graph, EventSink& events) {
  BuildJob job;
  job.build_id = build_.id;
  job.name_space = name_space_;
  job.layer_epoch = LayerEpoch(output, graph, events);
  job.graph = std::make_shared<const v1::Graph>(std::move(graph));
  job.contexts = contexts_;
  job.histories = HistoriesOf(spec_);
  job.history_is_shared = spec_.tags().empty();
  job.no_cache = spec_.no_cache();
  job.no_cache_stages.assign(spec_.no_cache_stages().begin(), spec_.no_cache_stages().end());
  if (spec_.has_cache_ttl()) {
    job.cache_ttl = std::chrono::seconds(spec_.cache_ttl().seconds()) +
                    std::chrono::nanoseconds(spec_.cache_ttl().nanos());
  }
  job.entitlements.assign(spec_.entitlements().begin(), spec_.entitlements().end());
  job.layering = LayeringOf(spec_);
  job.retries = spec_.retries();
  job.spans = spans_;
  job.fetch_blob = OfRegistry(puller_->Fetcher(credentials_, ToProgress(events)));
  return job;
}

absl::StatusOr<NewImage> BuildRun::Build(const PlannedBuild& plan, const BuildJob& job,
                                         EventSink& events, std::stop_token stop) {
  absl::StatusOr<NewImage> image = backend_.Build(job, events, stop);
  if (!image.ok()) {
    return ExplainFailure(image.status(), *job.graph, plan.files);
  }
  if (stop.stop_requested()) {
    return Cancelled("the build was stopped");
  }
  image->layer_epoch = job.layer_epoch;
  image->annotations.insert(plan.annotations.begin(), plan.annotations.end());
  image->format = spec_.format() == "docker" ? ImageFormat::kDocker : ImageFormat::kOci;
  if (job.layering == Layering::kPerInstruction) {
    return image;
  }
  const ScopedSpan span(spans_.get(), "commit", "merge");
  return MergeImage({&store_, name_space_, build_.id}, job.layering, *std::move(image),
                    std::move(stop));
}

// Empty, after a warning, where it cannot be told.
absl::StatusOr<std::string> BuildRun::HashOfSources(const v1::Graph& graph, EventSink& events) {
  ASSIGN_OR_RETURN(const SourceHash hash,
                   SourceHashOf({&store_, name_space_, contexts_}, spec_, graph));
  if (!hash.unpinned.has_value()) {
    return fmt::format("auto {}", hash.digest.ToString());
  }
  v1::BuildEvent event;
  event.mutable_warning()->set_rule("SourceHashUnknown");
  event.mutable_warning()->set_message(fmt::format(
      "source_hash \"{}\" cannot tell whether {} is what it was, so the build runs: give "
      "it a checksum or a commit",
      kAutoHash, *hash.unpinned));
  events.Emit(std::move(event));
  return std::string();
}

// The image that an earlier build of the same sources gave the first tag, under all of them.
absl::StatusOr<std::optional<v1::BuildComplete>> BuildRun::FindUnchanged(
    const std::string& source_hash) {
  if (source_hash.empty() || spec_.no_cache()) {
    return std::nullopt;
  }
  ImageStore& images = store_.images();
  absl::StatusOr<StoredImage> found =
      images.FindBySourceHash(name_space_, spec_.tags(0), source_hash);
  if (absl::IsNotFound(found.status())) {
    return std::nullopt;
  }
  RETURN_IF_ERROR(found.status());
  const std::string manifest = found->manifest.ToString();
  for (int i = 1; i < spec_.tags_size(); ++i) {
    ASSIGN_OR_RETURN(*found, images.Tag(name_space_, manifest, spec_.tags(i)));
  }
  v1::BuildComplete complete = CompleteOf(*found);
  complete.set_unchanged(true);
  return complete;
}

// What the registry has then is what the build made.
absl::Status BuildRun::Push(const ImageOutput& output, EventSink& events, std::stop_token stop,
                            v1::BuildComplete* complete) {
  const ScopedSpan span(spans_.get(), "push");
  PushRequest request;
  request.name_space = name_space_;
  request.reference = complete->manifest_digest();
  request.destinations.assign(spec_.tags().begin(), spec_.tags().end());
  request.form = output.form;
  request.by_digest = output.push_by_digest;
  request.credentials = credentials_;
  const absl::StatusOr<PushResult> pushed =
      pusher_->Push(request, ToProgress(events), std::move(stop));
  if (!pushed.ok() && !absl::IsCancelled(pushed.status())) {
    v1::ErrorDetail detail;
    detail.set_reason("PUSH_FAILED");
    detail.set_subject(spec_.tags(0));
    return WithDetail(pushed.status(), detail);
  }
  RETURN_IF_ERROR(pushed.status());
  complete->set_manifest_digest(pushed->manifest.ToString());
  return absl::OkStatus();
}

// As in BuildKit the image is made all the same where there is no epoch.
TarEpoch BuildRun::LayerEpoch(const ImageOutput& output, const v1::Graph& graph,
                              EventSink& events) const {
  if (!output.rewrites_timestamps) {
    return TarEpoch();
  }
  if (graph.has_source_date_epoch()) {
    return TarEpoch(graph.source_date_epoch());
  }
  v1::BuildEvent event;
  event.mutable_warning()->set_rule("RewriteTimestampWithoutEpoch");
  event.mutable_warning()->set_message(
      fmt::format("{} changes nothing without SOURCE_DATE_EPOCH: give the build argument "
                  "SOURCE_DATE_EPOCH in seconds since 1970",
                  kRewriteTimestamp));
  events.Emit(std::move(event));
  return TarEpoch();
}

absl::StatusOr<PlannedBuild> BuildRun::Plan(std::stop_token stop) {
  if (HasRemoteContext(spec_)) {
    return PlanWithFetchedContext(std::move(stop));
  }
  if (!spec_.has_graph()) {
    RETURN_IF_ERROR(ApplyIgnoreFile());
  }
  return PlanSpec(spec_, std::move(stop));
}

absl::StatusOr<PlannedBuild> BuildRun::PlanSpec(const BuildSpec& spec, std::stop_token stop) {
  const ScopedSpan span(spans_.get(), "plan");
  return PlanRequest({&store_, puller_}, name_space_, spec, std::move(stop));
}

// A client that sends files itself has applied its ignore file; who sends an archive has not.
absl::Status BuildRun::ApplyIgnoreFile() {
  const ScopedSpan span(spans_.get(), "context");
  ASSIGN_OR_RETURN(MainContext context, OpenMainContext(store_, name_space_, spec_));
  if (!context.from_tar) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const FileToBuild file, ReadFileToBuild(store_, context, spec_));
  if (!file.ignore.has_value()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::string index, WithoutIgnored(*context.layer, file.ignore->rules));
  ASSIGN_OR_RETURN(LayerRef filtered, store_.layers().Add(index, ""));
  return UseOwnContext(filtered);
}

absl::Status BuildRun::UseOwnContext(const LayerRef& layer) {
  ASSIGN_OR_RETURN(StoredContext put, store_.contexts().Put(name_space_, layer->id(), false));
  sweep_.Hold(put.id);
  own_context_ = put.id;
  contexts_[""] = put.id;
  return store_.contexts().Keep(name_space_, put.id);
}

// Its ignore file is not looked at, as in BuildKit.
absl::StatusOr<PlannedBuild> BuildRun::PlanWithFetchedContext(std::stop_token stop) {
  ASSIGN_OR_RETURN(const RemoteContext context, Fetch(stop));
  RETURN_IF_ERROR(UseOwnContext(context.layer));
  BuildSpec spec = spec_;
  (*spec.mutable_contexts())[""].set_uploaded(contexts_[""]);
  const bool is_in_context =
      spec.has_dockerfile() || spec.source_case() == BuildSpec::SOURCE_NOT_SET;
  if (context.is_one_file && spec.has_zimagefile()) {
    spec.set_zimagefile(kFetchedFile);
  } else if (context.is_one_file && is_in_context) {
    spec.set_dockerfile(kFetchedFile);
  }
  return PlanSpec(spec, std::move(stop));
}

absl::StatusOr<RemoteContext> BuildRun::Fetch(std::stop_token stop) {
  const ScopedSpan span(spans_.get(), "context");
  const FetchScope scope{.name_space = name_space_,
                         .progress = [](std::string_view, uint64_t, uint64_t, bool) {},
                         .stop = std::move(stop)};
  return FetchContext(store_, *remote_, spec_.contexts().at(""), scope);
}

absl::StatusOr<v1::BuildComplete> BuildRun::Commit(NewImage image) {
  const ScopedSpan span(spans_.get(), "commit");
  ASSIGN_OR_RETURN(
      StoredImage stored,
      store_.images().Commit(name_space_, image, {spec_.tags().begin(), spec_.tags().end()}));
  kLog.Debug("image committed", {{"build", build_.id},
                                 {"manifest", stored.manifest.ToString()},
                                 {"layers", stored.layers.size()}});
  return CompleteOf(stored);
}

class StoreBuildRunner : public BuildRunner {
 public:
  explicit StoreBuildRunner(const BuildRunnerOptions& options)
      : options_(options),
        sweep_(options.queue, &options.store->contexts(), options.other_contexts) {}

  absl::StatusOr<v1::BuildComplete> Run(const QueuedBuild& build, EventSink& events,
                                        std::stop_token stop) override {
    std::shared_ptr<SpanSink> spans = options_.traces->Begin(build.id);
    const int64_t now = MonotonicNs();
    spans->Add("queue", "", now - std::max<int64_t>(options_.clock->NowNs() - build.created_ns, 0),
               now);
    sweep_.Run();
    absl::StatusOr<v1::BuildComplete> result =
        BuildRun(options_, &sweep_, build, std::move(spans)).Run(events, std::move(stop));
    options_.traces->End(build.id);
    return result;
  }

 private:
  const BuildRunnerOptions options_;
  ContextSweep sweep_;
};

}  // namespace

std::unique_ptr<BuildRunner> MakeBuildRunner(const BuildRunnerOptions& options) {
  return std::make_unique<StoreBuildRunner>(options);
}

}  // namespace zlayer
