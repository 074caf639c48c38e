#include "backends/native/solver/operations.h"

#include <fmt/format.h>

#include <utility>

#include "backends/native/file/layer_draft.h"
#include "backends/native/file/owner.h"
#include "backends/native/solver/url_file.h"
#include "base/errors.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

bool SameInput(const v1::Copy::Source& a, const v1::Copy::Source& b) {
  return a.from().SerializeAsString() == b.from().SerializeAsString() &&
         UrlFileName(a) == UrlFileName(b);
}

}  // namespace

Operations::Operations(const NativeResources& resources, const BuildJob& job, const Stages* stages)
    : resources_(resources), job_(job), stages_(stages) {}

absl::StatusOr<StageState> Operations::Base(const v1::Operation& operation) const {
  if (operation.has_stage()) {
    return (*stages_)[operation.stage().stage()];
  }
  StageState state;
  state.files.layers = &resources_.store->layers();
  if (operation.has_scratch()) {
    return state;
  }
  const v1::ImageBase& base = operation.image();
  ASSIGN_OR_RETURN(StoredImage image,
                   resources_.store->images().Get(
                       job_.name_space, base.digest().empty() ? base.reference() : base.digest()));
  std::vector<LayerRef> layers;
  for (const ImageLayer& layer : image.layers) {
    ASSIGN_OR_RETURN(LayerRef opened, resources_.store->layers().Get(layer.layer));
    layers.push_back(std::move(opened));
    state.chain.push_back(layer.layer);
  }
  state.files.view = Rootfs(std::move(layers));
  state.config = std::move(image.config);
  state.history = std::move(image.history);
  state.layers = std::move(image.layers);
  state.created_ns = image.created_ns;
  return state;
}

absl::StatusOr<OperationResult> Operations::Cached(const Digest& key,
                                                   const std::vector<Digest>& chain) const {
  if (job_.no_cache) {
    return OperationResult{.reason = "no_cache"};
  }
  absl::StatusOr<CacheRecord> record = resources_.store->records().Find(key);
  if (record.ok() && record->chain == chain) {
    absl::StatusOr<LayerRef> layer = resources_.store->layers().Get(record->layer);
    if (layer.ok()) {
      return OperationResult{.layer = *std::move(layer),
                             .created_ns = record->created_ns,
                             .cached = true,
                             .reason = "hit"};
    }
    record = layer.status();
  }
  if (!record.ok() && record.status().code() != absl::StatusCode::kNotFound) {
    return record.status();
  }
  return OperationResult{.reason = "miss"};
}

absl::StatusOr<OperationResult> Operations::Keep(const Digest& key,
                                                 const std::vector<Digest>& chain,
                                                 std::string_view index,
                                                 const std::string& tree) const {
  OperationResult result{.created_ns = resources_.clock->NowNs(),
                         .reason = job_.no_cache ? "no_cache" : "miss"};
  ASSIGN_OR_RETURN(result.layer, resources_.store->layers().Add(index, tree));
  RETURN_IF_ERROR(resources_.store->records().Put(job_.name_space,
                                                  CacheRecord{.key = key,
                                                              .layer = result.layer->id(),
                                                              .chain = chain,
                                                              .build = job_.build_id,
                                                              .created_ns = result.created_ns}));
  return result;
}

absl::StatusOr<OperationResult> Operations::MakeLayer(LayerDraft& draft, const KeyScope& scope,
                                                      const StageState& state,
                                                      std::stop_token stop) const {
  ASSIGN_OR_RETURN(std::string bytes, draft.Serialize());
  ASSIGN_OR_RETURN(const std::shared_ptr<const LayerIndex> index,
                   LayerIndex::FromBytes(std::move(bytes)));
  const std::string archives = draft.ArchiveKey();
  const std::vector<Digest> chain = archives.empty() ? std::vector<Digest>() : state.chain;
  const Digest key = archives.empty()
                         ? FileKey(scope, index->ContentDigest())
                         : UnpackKey(scope, index->ContentDigest(), archives, chain);
  ASSIGN_OR_RETURN(OperationResult cached, Cached(key, chain));
  if (cached.cached) {
    return cached;
  }
  ASSIGN_OR_RETURN(const std::string finished,
                   draft.Finish(&resources_.store->contents(), std::move(stop)));
  return Keep(key, chain, finished, "");
}

absl::StatusOr<OperationResult> Operations::MakeDirectory(const v1::MakeDirectory& make,
                                                          const KeyScope& scope,
                                                          const StageState& state,
                                                          std::stop_token stop) const {
  LayerDraft draft(&state.files, resources_.clock->NowNs());
  Owner owner;
  if (!make.owner().empty()) {
    ASSIGN_OR_RETURN(owner, ResolveOwner(state.files, make.owner()));
  }
  RETURN_IF_ERROR(draft.MakeDirectory(make.path(), make.mode(), owner));
  return MakeLayer(draft, scope, state, std::move(stop));
}

absl::StatusOr<Filesystem> Operations::Image(const v1::ImageBase& image) const {
  v1::Operation base;
  *base.mutable_image() = image;
  ASSIGN_OR_RETURN(StageState state, Base(base));
  return std::move(state.files);
}

absl::StatusOr<Filesystem> Operations::Input(const v1::Input& input, std::string_view name,
                                             const TransferProgress& progress,
                                             std::stop_token stop) const {
  const auto remote = [&](absl::StatusOr<LayerRef> layer) -> absl::StatusOr<Filesystem> {
    RETURN_IF_ERROR(layer.status());
    return Filesystem{.view = Rootfs({*std::move(layer)}), .layers = &resources_.store->layers()};
  };
  const FetchScope scope{.name_space = job_.name_space,
                         .memo = &fetched_,
                         .progress = progress,
                         .stop = stop};
  switch (input.kind_case()) {
    case v1::Input::kStage:
      return (*stages_)[input.stage()].files;
    case v1::Input::kImage:
      return Image(input.image());
    case v1::Input::kContext: {
      const auto context = job_.contexts.find(input.context());
      if (context == job_.contexts.end()) {
        return InvalidArgument(
            input.context().empty()
                ? "the build copies from the build context, but the request has none"
                : fmt::format("the request has no context named \"{}\"", input.context()));
      }
      ASSIGN_OR_RETURN(const StoredContext stored, resources_.store->contexts().Get(
                                                       job_.name_space, context->second));
      ASSIGN_OR_RETURN(LayerRef layer, resources_.store->layers().Get(stored.layer));
      return Filesystem{.view = Rootfs({std::move(layer)}), .layers = &resources_.store->layers()};
    }
    case v1::Input::kHttp:
      return remote(resources_.remote->Http(input.http(), name, scope));
    case v1::Input::kGit:
      return remote(resources_.remote->Git(input.git(), scope));
    default:
      return Filesystem{.view = Rootfs(), .layers = &resources_.store->layers()};
  }
}

absl::StatusOr<OperationResult> Operations::Copy(const v1::Copy& copy, const KeyScope& scope,
                                                 const StageState& state,
                                                 const TransferProgress& progress,
                                                 std::stop_token stop) const {
  std::vector<Filesystem> inputs;
  inputs.reserve(copy.sources_size());
  std::vector<CopySource> sources;
  for (const v1::Copy::Source& source : copy.sources()) {
    // Sources of one instruction nearly always come from one place.
    if (inputs.empty() || !SameInput(source, copy.sources(sources.size() - 1))) {
      ASSIGN_OR_RETURN(Filesystem input, Input(source.from(), UrlFileName(source), progress, stop));
      inputs.push_back(std::move(input));
    }
    const bool kept_owner = source.from().has_stage() || source.from().has_image();
    const bool is_tree = kept_owner || source.from().kind_case() == v1::Input::kContext;
    sources.push_back({.from = &inputs.back(),
                       .pattern = SourcePattern(source),
                       .reset_owner = !kept_owner,
                       .parents = copy.parents() && is_tree,
                       .unpack = Unpacks(copy, source),
                       .inline_file = source.from().kind_case() == v1::Input::kInline
                                          ? &source.from().inline_()
                                          : nullptr});
  }
  // With `link` the layer is made as if on nothing.
  StageState nothing;
  nothing.files.layers = state.files.layers;
  const StageState& below = copy.link() ? nothing : state;
  CopyOptions options{.destination = copy.destination(), .mode = copy.mode()};
  ASSIGN_OR_RETURN(options.exclude, ExcludePatterns::Parse(copy.exclude()));
  if (!copy.owner().empty()) {
    ASSIGN_OR_RETURN(options.owner, copy.link() ? ParseNumericOwner(copy.owner())
                                                : ResolveOwner(state.files, copy.owner()));
  }
  if (copy.sources_size() > 1 && !options.destination.ends_with('/')) {
    options.destination += '/';
  }
  LayerDraft draft(&below.files, resources_.clock->NowNs());
  RETURN_IF_ERROR(draft.Copy(sources, options));
  return MakeLayer(draft, scope, below, std::move(stop));
}

}  // namespace zlayer
