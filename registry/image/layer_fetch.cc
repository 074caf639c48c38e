#include "registry/image/layer_fetch.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "base/errors.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "registry/image/image_json.h"
#include "registry/image/image_rows.h"
#include "registry/image/layer_import.h"

namespace zlayer {
namespace {

// Threads that wait for a registry; how many transfers run at once is the registry client's to say.
constexpr size_t kMaxThreads = 16;

// The layers of an image that begins with the same blobs as `image` and of which most are known.
absl::StatusOr<std::vector<Digest>> FindKnown(Connection& connection, const StoredImage& image) {
  constexpr int64_t kCandidates = 50;
  ASSIGN_OR_RETURN(Statement query,
                   connection.Prepare("SELECT manifest FROM image_layers WHERE digest = ? AND "
                                      "position = 0 AND layer IS NOT NULL LIMIT ?"));
  query.BindDigest(1, image.layers[0].digest).Bind(2, kCandidates);
  std::vector<Digest> best;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, query.Step());
    if (!more) {
      return best;
    }
    ASSIGN_OR_RETURN(const Digest manifest, query.DigestAt(0));
    ASSIGN_OR_RETURN(const ImageRow row, ReadImage(connection, manifest));
    std::vector<Digest> known;
    for (size_t i = 0;
         i < std::min(row.layers.size(), image.layers.size()) &&
         row.layers[i].digest == image.layers[i].digest && !row.layers[i].layer.IsNone();
         ++i) {
      known.push_back(row.layers[i].layer);
    }
    best = known.size() > best.size() ? known : best;
  }
}

}  // namespace

bool MayStayAway(const StoredImage& image, const ImageLayer& layer) {
  return image.platform.os() == "windows" && IsForeignLayer(layer.media_type);
}

absl::StatusOr<bool> LayerFetch::IsHere(const ImageLayer& layer) const {
  // One that a power failure cut is fetched again.
  const absl::StatusOr<ContentFile> blob = parts_.blobs->Open(layer.digest);
  if (blob.ok() && blob->size == layer.size) {
    return true;
  }
  if (layer.layer.IsNone()) {
    return false;
  }
  absl::StatusOr<bool> made = parts_.layers->HasTar(layer.layer, layer.digest);
  return absl::IsNotFound(made.status()) ? absl::StatusOr<bool>(false) : made;
}

absl::Status LayerFetch::FetchBlob(const StoredImage& image, const ImageLayer& layer,
                                   const BlobFetcher& fetch, std::stop_token stop) {
  const auto work = [&]() -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const bool here, IsHere(layer));
    if (here) {
      return true;
    }
    ASSIGN_OR_RETURN(const std::unique_ptr<BlobWriter> writer, parts_.blobs->NewBlob());
    uint64_t size = 0;
    RETURN_IF_ERROR(fetch(
        image, layer,
        [&](std::string_view data) -> absl::Status {
          size += data.size();
          return size > layer.size
                     ? DataLoss(fmt::format("the blob {} has more than the {} bytes that its "
                                            "manifest says",
                                            layer.digest.ToString(), layer.size))
                     : writer->Append(data);
        },
        stop));
    RETURN_IF_ERROR(writer->Commit(layer.digest).status());
    return true;
  };
  return blobs_.Do(layer.digest, stop, work).status();
}

absl::Status LayerFetch::FetchBlobs(const WantedBlobs& wanted, const BlobFetcher& fetch,
                                    BlobLeases::Lease* lease, std::stop_token stop) {
  const StoredImage& image = wanted.image;
  std::vector<const ImageLayer*> missing;
  std::set<Digest> seen;
  for (size_t i = wanted.first; i < image.layers.size(); ++i) {
    const ImageLayer& layer = image.layers[i];
    if (!wanted.is_wanted(layer) || !seen.insert(layer.digest).second) {
      continue;
    }
    lease->AddNew(layer.digest);
    ASSIGN_OR_RETURN(const bool here, IsHere(layer));
    if (!here) {
      missing.push_back(&layer);
    }
  }
  return ForEachInParallel(missing.size(), kMaxThreads, std::move(stop),
                           [&](size_t i, std::stop_token stopped) {
                             return FetchBlob(image, *missing[i], fetch, std::move(stopped));
                           });
}

// The lowest layers, as far as somebody has read them on the same ones below.
absl::StatusOr<std::vector<LayerRef>> LayerFetch::KnownLayers(const StoredImage& image) const {
  std::vector<Digest> ids;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(ids, FindKnown(connection, image));
    return absl::OkStatus();
  }));
  std::vector<LayerRef> known;
  for (const Digest& id : ids) {
    absl::StatusOr<LayerRef> layer = parts_.layers->Get(id);
    if (!layer.ok()) {
      break;  // it went meanwhile, and is read again
    }
    known.push_back(*std::move(layer));
  }
  return known;
}

absl::StatusOr<std::vector<Digest>> LayerFetch::ReadLayers(const StoredImage& image,
                                                           const BlobFetcher& fetch,
                                                           std::stop_token stop) {
  if (image.layers.empty()) {
    return std::vector<Digest>();
  }
  ASSIGN_OR_RETURN(const std::vector<LayerRef> known, KnownLayers(image));
  BlobLeases::Lease lease(parts_.leases);
  const auto is_needed = [&image](const ImageLayer& layer) { return !MayStayAway(image, layer); };
  RETURN_IF_ERROR(FetchBlobs({image, is_needed, known.size()}, fetch, &lease, stop));
  std::vector<LayerSource> sources;
  for (size_t i = 0; i < image.layers.size(); ++i) {
    LayerSource& source = sources.emplace_back();
    source.blob = image.layers[i].digest;
    source.diff_id = image.layers[i].diff_id;
    if (i < known.size()) {
      source.known = known[i];
    } else if (is_needed(image.layers[i]) || parts_.blobs->Has(source.blob)) {
      lease.Add(source.blob);
      ASSIGN_OR_RETURN(source.file, parts_.blobs->Open(source.blob));
    }
  }
  LayerImport import(parts_, stop);
  absl::StatusOr<std::vector<Digest>> ids = import.Read(sources);
  if (!ids.ok()) {
    return Annotate(ids.status(), fmt::format("image {}", image.manifest.ToString()));
  }
  RETURN_IF_ERROR(import.Publish());
  return ids;
}

}  // namespace zlayer
