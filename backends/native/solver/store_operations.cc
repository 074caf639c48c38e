#include "backends/native/solver/store_operations.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <list>
#include <optional>
#include <utility>

#include "backends/native/file/layer_draft.h"
#include "backends/native/file/owner.h"
#include "backends/native/file/windows_layer.h"
#include "backends/native/solver/url_file.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/layer/subtree.h"

namespace zlayer {
namespace {

// Whether an operation looks at files at all; else images are configuration alone.
bool UsesFiles(const v1::Graph& graph) {
  return std::any_of(graph.stages().begin(), graph.stages().end(), [](const v1::Stage& stage) {
    return std::any_of(
        stage.operations().begin(), stage.operations().end(), [](const v1::Operation& operation) {
          return operation.has_run() || operation.has_copy() || operation.has_make_directory();
        });
  });
}

bool SameInput(const v1::Copy::Source& a, const v1::Copy::Source& b) {
  return a.from().SerializeAsString() == b.from().SerializeAsString() &&
         UrlFileName(a) == UrlFileName(b);
}

bool IsWindows(const v1::Platform& platform) { return platform.os() == "windows"; }

// As the operations of a stage see its layers.
Filesystem SeenOn(const v1::Platform& platform, Filesystem files) {
  if (IsWindows(platform)) {
    files.view = files.view.Below(kWindowsFiles);
  }
  return files;
}

// What was not found may be in a layer that cannot be read.
absl::Status ExplainUnread(absl::Status status, const std::list<Filesystem>& inputs) {
  const auto unread = std::find_if(inputs.begin(), inputs.end(),
                                   [](const Filesystem& f) { return !f.unread.empty(); });
  return absl::IsNotFound(status) && unread != inputs.end()
             ? FailedPrecondition(fmt::format("{}, or is in {}, which is not distributed and not "
                                              "here, so that nothing can be copied from it",
                                              Message(status), unread->unread))
             : status;
}

// Of the layers, and of the directory of them that is seen.
std::vector<Digest> IdsOf(const Filesystem& files) {
  std::vector<Digest> ids;
  if (const std::string root = files.view.PathInLayers(""); !root.empty()) {
    ids.push_back(Digest::Of(root));
  }
  for (const LayerRef& layer : files.view.layers()) {
    ids.push_back(layer->id());
  }
  return ids;
}

}  // namespace

// Lives as long as somebody may plan or finish the draft, which points into the rest.
struct StoreOperations::FileWork {
  FileWork(std::shared_ptr<const v1::Graph> graph_used, const v1::Platform& platform,
           const Filesystem& below_used, int64_t time_ns)
      : graph(std::move(graph_used)),
        is_windows(IsWindows(platform)),
        now_ns(time_ns),
        below(SeenOn(platform, below_used)),
        draft(&below, time_ns) {}

  // Fills the draft, the first time; the index that it comes to.
  absl::StatusOr<std::shared_ptr<const LayerIndex>> Plan(std::stop_token stop) {
    if (planned == nullptr) {
      RETURN_IF_ERROR(ExplainUnread(fill(draft, std::move(stop)), inputs));
      ASSIGN_OR_RETURN(std::string bytes, Laid(draft.Serialize()));
      ASSIGN_OR_RETURN(planned, LayerIndex::FromBytes(std::move(bytes)));
    }
    return planned;
  }

  absl::StatusOr<std::string> Finish(ContentStore* contents, std::stop_token stop) {
    RETURN_IF_ERROR(Plan(stop).status());
    return Laid(draft.Finish(contents, std::move(stop)));
  }

  // What users call a path of the index.
  std::string NameOf(std::string_view path) {
    // A plan that was made before says nothing of where its files are from.
    if (!Plan({}).ok() || (is_windows && !IsAtOrBelow(path, kWindowsFiles))) {
      return fmt::format("/{}", path);
    }
    return draft.NameOf(is_windows ? PathBelow(path, kWindowsFiles) : path);
  }

  // An index of the draft as layers of the stage's system have it.
  absl::StatusOr<std::string> Laid(absl::StatusOr<std::string> index) const {
    return index.ok() && is_windows ? WindowsLayer(*std::move(index), now_ns) : index;
  }

  const std::shared_ptr<const v1::Graph> graph;
  const bool is_windows;
  const int64_t now_ns;
  const Filesystem below;
  std::list<Filesystem> inputs;
  LayerDraft draft;
  std::function<absl::Status(LayerDraft&, std::stop_token)> fill;
  std::shared_ptr<const LayerIndex> planned;
};

absl::StatusOr<BuiltStage> StoreOperations::Base(const v1::Operation& operation,
                                                 const Stages& stages, std::stop_token stop) {
  if (operation.has_stage()) {
    return stages[operation.stage().stage()];
  }
  if (operation.has_image()) {
    return ImageState(operation.image(), std::move(stop));
  }
  BuiltStage state;
  state.files.layers = &resources_.store->layers();
  return state;
}

absl::StatusOr<BuiltStage> StoreOperations::ImageState(const v1::ImageBase& base,
                                                       std::stop_token stop) {
  BuiltStage state;
  state.files.layers = &resources_.store->layers();
  ASSIGN_OR_RETURN(StoredImage image,
                   resources_.store->images().Get(
                       job_.name_space, base.digest().empty() ? base.reference() : base.digest()));
  if (job_.layering == Layering::kOneForImage || UsesFiles(*job_.graph)) {
    const ScopedSpan span(job_.spans.get(), "fetch", base.reference());
    ASSIGN_OR_RETURN(image, Outside([&] {
                       return resources_.store->images().EnsureLayers(image, job_.fetch_blob, stop);
                     }));
    std::vector<LayerRef> layers;
    for (const ImageLayer& layer : image.layers) {
      ASSIGN_OR_RETURN(LayerRef opened, Open(layer));
      state.chain.push_back(opened->id());
      layers.push_back(std::move(opened));
      if (layer.layer.IsNone()) {
        state.files.unread =
            fmt::format("the layer {} of {}", layer.digest.ToString(), base.reference());
      }
    }
    state.files.view = Rootfs(std::move(layers));
  }
  state.platform = std::move(image.platform);
  state.config = std::move(image.config);
  state.history = std::move(image.history);
  state.layers = std::move(image.layers);
  state.base_layers = state.layers.size();
  state.created_ns = image.created_ns;
  state.source = std::move(image.source);
  return state;
}

// For one that stays unknown (ImageStore::EnsureLayers) an empty one.
absl::StatusOr<LayerRef> StoreOperations::Open(const ImageLayer& layer) const {
  if (!layer.layer.IsNone()) {
    return resources_.store->layers().Get(layer.layer);
  }
  ASSIGN_OR_RETURN(const std::string nothing, LayerIndexBuilder().Serialize());
  return resources_.store->layers().Add(nothing, "");
}

absl::StatusOr<Step> StoreOperations::Prepare(const v1::Operation& operation, uint32_t stage,
                                              const Stages& stages, const StepSink& sink,
                                              std::stop_token stop) {
  const Site site{
      .stages = stages,
      .state = stages[stage],
      .scope = {.name_space = job_.name_space, .platform = job_.graph->stages(stage).platform()},
      .sink = sink,
      .stop = std::move(stop)};
  switch (operation.kind_case()) {
    case v1::Operation::kRun:
      return Run(operation.run(), site);
    case v1::Operation::kCopy:
      return Copy(operation.copy(), site);
    case v1::Operation::kMakeDirectory:
      return MakeDirectory(operation.make_directory(), site);
    default:
      return Internal("an operation that only begins a stage stands within one");
  }
}

Step StoreOperations::FileStep(std::shared_ptr<FileWork> work,
                               std::shared_ptr<const LayerIndex> files,
                               const KeyScope& scope) const {
  Step step;
  step.key = FileKey(scope, files->ContentDigest());
  step.parts.push_back({.name = "the files",
                        .value = "",
                        .files = std::move(files),
                        .origin = {},
                        .names = [work](std::string_view path) { return work->NameOf(path); }});
  step.make = [work = std::move(work), store = resources_.store, spans = job_.spans](
                  const StepSink&, std::stop_token stop) -> absl::StatusOr<LayerRef> {
    const ScopedSpan span(spans.get(), "store");
    ASSIGN_OR_RETURN(const std::string finished, work->Finish(&store->contents(), std::move(stop)));
    return store->layers().Add(finished, "");
  };
  return step;
}

absl::StatusOr<Step> StoreOperations::MakeDirectory(const v1::MakeDirectory& make,
                                                    const Site& site) {
  auto work = std::make_shared<FileWork>(job_.graph, site.scope.platform, site.state.files,
                                         resources_.clock->NowNs());
  Owner owner;
  if (!make.owner().empty()) {
    ASSIGN_OR_RETURN(owner, ResolveOwner(work->below, make.owner()));
  }
  work->fill = [&make, owner](LayerDraft& draft, const std::stop_token&) {
    return draft.MakeDirectory(make.path(), make.mode(), owner);
  };
  ASSIGN_OR_RETURN(std::shared_ptr<const LayerIndex> files, work->Plan(site.stop));
  return FileStep(std::move(work), std::move(files), site.scope);
}

absl::StatusOr<Filesystem> StoreOperations::Image(const v1::ImageBase& image,
                                                  std::stop_token stop) {
  ASSIGN_OR_RETURN(BuiltStage state, ImageState(image, std::move(stop)));
  return SeenOn(state.platform, std::move(state.files));
}

absl::StatusOr<LayerRef> StoreOperations::Context(const std::string& id,
                                                  const std::string& directory) {
  ASSIGN_OR_RETURN(const StoredContext stored,
                   resources_.store->contexts().Get(job_.name_space, id));
  ASSIGN_OR_RETURN(LayerRef layer, resources_.store->layers().Get(stored.layer));
  if (directory.empty()) {
    return layer;
  }
  MutexLock lock(&mutex_);
  LayerRef& below = directories_[{stored.layer, directory}];
  if (below == nullptr) {
    absl::StatusOr<Subtree> subtree = SubtreeOf(layer, directory);
    RETURN_IF_ERROR(Annotate(subtree.status(), "the build context"));
    below = std::move(subtree->index);
  }
  return below;
}

absl::StatusOr<Filesystem> StoreOperations::Input(const v1::Input& input, std::string_view name,
                                                  const Site& site) {
  const auto files = [&](absl::StatusOr<LayerRef> layer) -> absl::StatusOr<Filesystem> {
    RETURN_IF_ERROR(layer.status());
    return Filesystem{.view = Rootfs({*std::move(layer)}), .layers = &resources_.store->layers()};
  };
  const FetchScope scope{
      .name_space = job_.name_space,
      .memo = &fetched_,
      .progress =
          [&site](std::string_view item, uint64_t done, uint64_t total, bool complete) {
            v1::BuildEvent event;
            event.mutable_progress()->set_item(std::string(item));
            event.mutable_progress()->set_bytes_done(done);
            event.mutable_progress()->set_bytes_total(total);
            event.mutable_progress()->set_complete(complete);
            site.sink(std::move(event));
          },
      .stop = site.stop};
  switch (input.kind_case()) {
    case v1::Input::kStage:
      return SeenOn(job_.graph->stages(static_cast<int>(input.stage())).platform(),
                    site.stages[input.stage()].files);
    case v1::Input::kImage:
      return Image(input.image(), site.stop);
    case v1::Input::kContext: {
      const auto context = job_.contexts.find(input.context());
      if (context == job_.contexts.end()) {
        return InvalidArgument(
            input.context().empty()
                ? "the build copies from the build context, but the request has none"
                : fmt::format("the request has no context named \"{}\"", input.context()));
      }
      return files(Context(context->second, input.directory()));
    }
    case v1::Input::kHttp:
      return files(Outside([&] { return resources_.remote->Http(input.http(), name, scope); }));
    case v1::Input::kGit:
      return files(Outside([&] { return resources_.remote->Git(input.git(), scope); }));
    default:
      return Filesystem{.view = Rootfs(), .layers = &resources_.store->layers()};
  }
}

void StoreOperations::WarnOfUnread(const Filesystem& input, const StepSink& sink) {
  if (input.unread.empty()) {
    return;
  }
  v1::BuildEvent event;
  event.mutable_warning()->set_rule("LayerNotRead");
  event.mutable_warning()->set_message(
      fmt::format("{} is not distributed and not here: files in it are not copied", input.unread));
  sink(std::move(event));
}

absl::StatusOr<Step> StoreOperations::CopyStep(std::shared_ptr<FileWork> work, const Digest& plan,
                                               const Site& site) const {
  // Of a plan that was made before, and carried out, the layer says what it came to.
  if (const std::optional<Digest> content = resources_.plans->Find(plan); content.has_value()) {
    ASSIGN_OR_RETURN(LayerRef made,
                     RecordedLayer(*resources_.store, FileKey(site.scope, *content)));
    if (made != nullptr && made->ContentDigest() == *content) {
      return FileStep(std::move(work), std::move(made), site.scope);
    }
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const LayerIndex> files, work->Plan(site.stop));
  resources_.plans->Add(plan, files->ContentDigest());
  return FileStep(std::move(work), std::move(files), site.scope);
}

absl::StatusOr<Step> StoreOperations::Copy(const v1::Copy& copy, const Site& site) {
  // With `link` the layer is made as if on nothing.
  BuiltStage nothing;
  nothing.files.layers = site.state.files.layers;
  const BuiltStage& below = copy.link() ? nothing : site.state;
  auto work = std::make_shared<FileWork>(job_.graph, site.scope.platform, below.files,
                                         resources_.clock->NowNs());
  std::vector<CopySource> sources;
  for (const v1::Copy::Source& source : copy.sources()) {
    // Sources of one instruction nearly always come from one place.
    if (sources.empty() || !SameInput(source, copy.sources(sources.size() - 1))) {
      ASSIGN_OR_RETURN(Filesystem input, Input(source.from(), UrlFileName(source), site));
      WarnOfUnread(input, site.sink);
      work->inputs.push_back(std::move(input));
    }
    const bool kept_owner = source.from().has_stage() || source.from().has_image();
    const bool is_tree = kept_owner || source.from().kind_case() == v1::Input::kContext;
    sources.push_back({.from = &work->inputs.back(),
                       .pattern = SourcePattern(source),
                       .reset_owner = !kept_owner,
                       .parents = copy.parents() && is_tree,
                       .unpack = Unpacks(copy, source),
                       .inline_file = source.from().kind_case() == v1::Input::kInline
                                          ? &source.from().inline_()
                                          : nullptr,
                       .input = &source.from()});
  }
  CopyOptions options{.destination = copy.destination(), .mode = copy.mode()};
  ASSIGN_OR_RETURN(options.exclude, ExcludePatterns::Parse(copy.exclude()));
  if (!copy.owner().empty()) {
    ASSIGN_OR_RETURN(options.owner, copy.link() ? ParseNumericOwner(copy.owner())
                                                : ResolveOwner(work->below, copy.owner()));
  }
  if (copy.sources_size() > 1 && !options.destination.ends_with('/')) {
    options.destination += '/';
  }
  std::vector<std::vector<Digest>> chains = {IdsOf(work->below)};
  for (const Filesystem& input : work->inputs) {
    chains.push_back(IdsOf(input));
  }
  work->fill = [sources = std::move(sources), options = std::move(options),
                archives = resources_.archives, spans = job_.spans,
                scope = UnpackedArchives::Scope{job_.name_space, job_.build_id}](
                   LayerDraft& draft, const std::stop_token& stop) {
    return draft.Copy(sources, options, [&](const ArchiveFile& archive) {
      const ScopedSpan span(spans.get(), "unpack", archive.name);
      return archives->Get(scope, archive, stop);
    });
  };
  return CopyStep(std::move(work), PlanKey(site.scope, copy, chains), site);
}

}  // namespace zlayer
