#include "daemon/build/merge_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/layer/merge_layers.h"
#include "registry/layer/rootfs.h"

namespace zlayer {
namespace {

// Raised whenever the same layers would become another one.
constexpr std::string_view kVersion = "merge 1";

std::vector<Digest> IdsOf(const std::vector<ImageLayer>& layers, size_t from, size_t to) {
  std::vector<Digest> ids;
  for (size_t i = from; i < to; ++i) {
    ids.push_back(layers[i].layer);
  }
  return ids;
}

// Of the layers `above` on those `below`, lowest first.
Digest KeyOf(const MergeScope& scope, const std::vector<Digest>& below,
             const std::vector<Digest>& above) {
  Sha256 key;
  key.Update(fmt::format("{} {} {} {} {} ", kVersion, scope.name_space.size(), scope.name_space,
                         below.size(), above.size()));
  for (const std::vector<Digest>* ids : {&below, &above}) {
    for (const Digest& id : *ids) {
      key.Update(id.Bytes());
    }
  }
  return key.Finish();
}

absl::StatusOr<std::vector<LayerRef>> OpenAll(Store& store, const std::vector<Digest>& ids) {
  std::vector<LayerRef> layers;
  for (const Digest& id : ids) {
    ASSIGN_OR_RETURN(LayerRef layer, store.layers().Get(id));
    layers.push_back(std::move(layer));
  }
  return layers;
}

// A layer may have contents in its tree alone, which will not be the merged layer's.
absl::Status StoreContents(Store& store, const Rootfs& view, const LayerIndex& merged,
                           const std::stop_token& stop) {
  std::map<Digest, Entry> files;
  for (size_t i = 0; i < merged.size(); ++i) {
    if (merged.TypeAt(i) == EntryType::kFile) {
      Entry file = merged.At(i);
      files.try_emplace(file.content, std::move(file));
    }
  }
  std::vector<Digest> digests;
  for (const auto& file : files) {
    digests.push_back(file.first);
  }
  ASSIGN_OR_RETURN(const std::vector<bool> stored, store.contents().Has(digests));
  ASSIGN_OR_RETURN(const std::unique_ptr<PackWriter> pack, store.contents().NewPack());
  for (size_t i = 0; i < digests.size(); ++i) {
    if (stop.stop_requested()) {
      return Cancelled("the build was canceled");
    }
    if (stored[i]) {
      continue;
    }
    const std::string& path = files.at(digests[i]).path;
    const std::optional<RootfsEntry> found = view.Lookup(path);
    if (!found.has_value()) {
      return Internal(fmt::format("the merged layer has /{}, which no layer has", path));
    }
    ASSIGN_OR_RETURN(const ContentFile content,
                     store.layers().OpenContent(*view.layers()[found->layer], found->entry));
    RETURN_IF_ERROR(pack->Copy(content, digests[i]).status());
  }
  return pack->Commit();
}

absl::StatusOr<LayerRef> Make(Store& store, const std::vector<Digest>& below,
                              const std::vector<Digest>& above, const std::stop_token& stop) {
  ASSIGN_OR_RETURN(std::vector<LayerRef> lower, OpenAll(store, below));
  ASSIGN_OR_RETURN(std::vector<LayerRef> upper, OpenAll(store, above));
  ASSIGN_OR_RETURN(std::string bytes, MergeLayers(upper, Rootfs(std::move(lower))));
  ASSIGN_OR_RETURN(const std::shared_ptr<const LayerIndex> merged,
                   LayerIndex::FromBytes(std::string(bytes)));
  RETURN_IF_ERROR(StoreContents(store, Rootfs(std::move(upper)), *merged, stop));
  return store.layers().Add(bytes, "");
}

absl::StatusOr<Digest> FindOrMake(const MergeScope& scope, const NewImage& image,
                                  const std::vector<Digest>& below,
                                  const std::vector<Digest>& above, const std::stop_token& stop) {
  RecordStore& records = scope.store->records();
  const Digest key = KeyOf(scope, below, above);
  ASSIGN_OR_RETURN(const LayerRef known, RecordedLayer(*scope.store, key));
  if (known != nullptr) {
    records.Touch(key);
    return known->id();
  }
  ASSIGN_OR_RETURN(const LayerRef made, Make(*scope.store, below, above, stop));
  RETURN_IF_ERROR(
      records.Put(scope.name_space,
                  CacheRecord{.key = key,
                              .layer = made->id(),
                              .build = scope.build_id,
                              .created_ns = image.created_ns,
                              .description = fmt::format("{} layers put together", above.size())}));
  return made->id();
}

// The last `count` entries with a layer lose it.
void TakeLayers(size_t count, std::vector<ImageHistory>* history) {
  for (auto entry = history->rbegin(); entry != history->rend() && count > 0; ++entry) {
    if (!entry->empty_layer) {
      entry->empty_layer = true;
      --count;
    }
  }
}

}  // namespace

Layering LayeringOf(const v1::BuildSpec& spec) {
  if (spec.squash()) {
    return Layering::kOneForImage;
  }
  return spec.has_layers() && !spec.layers() ? Layering::kOneForBuild : Layering::kPerInstruction;
}

absl::StatusOr<NewImage> MergeImage(const MergeScope& scope, Layering layering, NewImage image,
                                    std::stop_token stop) {
  // Those of the base come with their descriptors.
  const auto own = std::find_if(image.layers.begin(), image.layers.end(),
                                [](const ImageLayer& layer) { return layer.digest.IsNone(); });
  const size_t first =
      layering == Layering::kOneForBuild ? static_cast<size_t>(own - image.layers.begin()) : 0;
  const size_t count = image.layers.size() - first;
  if (layering == Layering::kPerInstruction || count < 2) {
    return image;
  }
  ASSIGN_OR_RETURN(const Digest merged,
                   FindOrMake(scope, image, IdsOf(image.layers, 0, first),
                              IdsOf(image.layers, first, image.layers.size()), stop));
  image.layers.resize(first);
  image.layers.push_back({.layer = merged});
  TakeLayers(count, &image.history);
  image.history.push_back({.created_ns = image.created_ns,
                           .created_by = fmt::format("{} layers put together", count),
                           .comment = "zlayer",
                           .author = image.config.author()});
  return image;
}

}  // namespace zlayer
