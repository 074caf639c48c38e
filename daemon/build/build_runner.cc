#include "daemon/build/build_runner.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "daemon/build/context_files.h"
#include "daemon/build/context_sweep.h"
#include "daemon/build/plan.h"
#include "daemon/build/store_image_resolver.h"

namespace zlayer {
namespace {

using v1::BuildSpec;

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

// One run of one build.
class BuildRun {
 public:
  BuildRun(const BuildRunnerOptions& options, ContextSweep* sweep, const QueuedBuild& build)
      : store_(*options.store),
        sweep_(*sweep),
        backend_(*options.backend),
        build_(build),
        spec_(build.request.spec()),
        name_space_(build.request.namespace_().empty() ? "default" : build.request.namespace_()),
        contexts_(UploadedContexts(spec_)) {}

  absl::StatusOr<v1::BuildComplete> Run(EventSink& events, std::stop_token stop);

  // Drops what was made for this run only.
  ~BuildRun() {
    if (filtered_context_.has_value()) {
      sweep_.Drop(*filtered_context_);
    }
  }

 private:
  absl::StatusOr<PlannedBuild> Plan(std::stop_token stop);
  absl::StatusOr<v1::InlineFile> DockerfileOfContext();
  absl::Status ApplyIgnoreFile(const v1::InlineFile& dockerfile);
  absl::StatusOr<std::optional<v1::InlineFile>> FindIgnoreFile(const LayerRef& context,
                                                               const v1::InlineFile& dockerfile);
  absl::StatusOr<LayerRef> MainContext(StoredContext* stored);
  absl::StatusOr<v1::BuildComplete> Commit(NewImage image);

  Store& store_;
  ContextSweep& sweep_;
  Backend& backend_;
  const QueuedBuild& build_;
  const BuildSpec& spec_;
  const std::string name_space_;
  std::map<std::string, std::string> contexts_;
  std::optional<std::string> filtered_context_;
};

absl::StatusOr<v1::BuildComplete> BuildRun::Run(EventSink& events, std::stop_token stop) {
  ASSIGN_OR_RETURN(PlannedBuild plan, Plan(stop));
  for (v1::Warning& warning : plan.warnings) {
    v1::BuildEvent event;
    *event.mutable_warning() = std::move(warning);
    events.Emit(std::move(event));
  }
  BuildJob job;
  job.build_id = build_.id;
  job.name_space = name_space_;
  job.graph = std::make_shared<const v1::Graph>(std::move(plan.graph));
  job.contexts = contexts_;
  job.no_cache = spec_.no_cache();
  ASSIGN_OR_RETURN(NewImage image, backend_.Build(job, events, stop));
  if (stop.stop_requested()) {
    return Cancelled("the build was stopped");
  }
  return Commit(std::move(image));
}

absl::StatusOr<PlannedBuild> BuildRun::Plan(std::stop_token stop) {
  std::unique_ptr<ImageResolver> resolver = MakeStoreImageResolver(&store_.images(), name_space_);
  if (spec_.has_graph()) {
    return PlanGraph(spec_, *resolver, std::move(stop));
  }
  v1::InlineFile dockerfile;
  if (spec_.has_dockerfile_inline()) {
    dockerfile = spec_.dockerfile_inline();
  } else {
    ASSIGN_OR_RETURN(dockerfile, DockerfileOfContext());
  }
  RETURN_IF_ERROR(ApplyIgnoreFile(dockerfile));
  return PlanDockerfile(spec_, dockerfile, *resolver, std::move(stop));
}

absl::StatusOr<LayerRef> BuildRun::MainContext(StoredContext* stored) {
  auto context = contexts_.find("");
  if (context == contexts_.end()) {
    return LayerRef();
  }
  ASSIGN_OR_RETURN(*stored, store_.contexts().Get(name_space_, context->second));
  return store_.layers().Get(stored->layer);
}

absl::StatusOr<v1::InlineFile> BuildRun::DockerfileOfContext() {
  StoredContext stored;
  ASSIGN_OR_RETURN(LayerRef context, MainContext(&stored));
  if (context == nullptr) {
    return InvalidArgument("there is no build context to read the Dockerfile from");
  }
  v1::InlineFile file;
  file.set_name(spec_.dockerfile().empty() ? "Dockerfile" : spec_.dockerfile());
  ASSIGN_OR_RETURN(*file.mutable_content(), ReadContextFile(store_.layers(), context, file.name()));
  return file;
}

// A client that sends files itself has applied its ignore file; who sends an archive has not.
absl::Status BuildRun::ApplyIgnoreFile(const v1::InlineFile& dockerfile) {
  StoredContext stored;
  ASSIGN_OR_RETURN(LayerRef context, MainContext(&stored));
  if (context == nullptr || !stored.from_tar) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::optional<v1::InlineFile> file, FindIgnoreFile(context, dockerfile));
  if (!file.has_value()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(IgnoreRules rules, IgnoreRules::Parse(file->content(), file->name()));
  if (rules.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::string index, WithoutIgnored(*context, rules));
  ASSIGN_OR_RETURN(LayerRef filtered, store_.layers().Add(index, ""));
  ASSIGN_OR_RETURN(StoredContext put, store_.contexts().Put(name_space_, filtered->id(), false));
  sweep_.Hold(put.id);
  filtered_context_ = put.id;
  contexts_[""] = put.id;
  return store_.contexts().Keep(name_space_, put.id);
}

absl::StatusOr<std::optional<v1::InlineFile>> BuildRun::FindIgnoreFile(
    const LayerRef& context, const v1::InlineFile& dockerfile) {
  v1::InlineFile file;
  if (!dockerfile.ignore_file().empty()) {
    file.set_name(".dockerignore");
    file.set_content(dockerfile.ignore_file());
    return std::optional<v1::InlineFile>(std::move(file));
  }
  for (const std::string& name :
       {dockerfile.name() + ".dockerignore", std::string(".dockerignore")}) {
    absl::StatusOr<std::string> text = ReadContextFile(store_.layers(), context, name);
    if (text.ok()) {
      file.set_name(name);
      file.set_content(*std::move(text));
      return std::optional<v1::InlineFile>(std::move(file));
    }
    if (!absl::IsNotFound(text.status())) {
      return text.status();
    }
  }
  return std::optional<v1::InlineFile>();
}

absl::StatusOr<v1::BuildComplete> BuildRun::Commit(NewImage image) {
  image.annotations.insert(spec_.annotations().begin(), spec_.annotations().end());
  ASSIGN_OR_RETURN(
      StoredImage stored,
      store_.images().Commit(name_space_, image, {spec_.tags().begin(), spec_.tags().end()}));
  v1::BuildComplete complete;
  complete.set_image_id(stored.config_digest.ToString());
  complete.set_manifest_digest(stored.manifest.ToString());
  complete.mutable_tags()->Assign(stored.references.begin(), stored.references.end());
  complete.set_layer_count(static_cast<uint32_t>(stored.layers.size()));
  complete.set_size_bytes(stored.size);
  return complete;
}

class StoreBuildRunner : public BuildRunner {
 public:
  explicit StoreBuildRunner(const BuildRunnerOptions& options)
      : options_(options), sweep_(options.queue, &options.store->contexts()) {}

  absl::StatusOr<v1::BuildComplete> Run(const QueuedBuild& build, EventSink& events,
                                        std::stop_token stop) override {
    sweep_.Run();
    return BuildRun(options_, &sweep_, build).Run(events, std::move(stop));
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
