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
#include "registry/image/repository_rows.h"

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
    for (size_t i = 0; i < std::min(row.layers.size(), image.layers.size()) &&
                       row.layers[i].digest == image.layers[i].digest &&
                       row.layers[i].size == image.layers[i].size && !row.layers[i].layer.IsNone();
         ++i) {
      known.push_back(row.layers[i].layer);
    }
    best = known.size() > best.size() ? known : best;
  }
}

// What comes of a blob: kept where it is missing, else only compared with its digest.
class BlobTaker {
 public:
  explicit BlobTaker(const ImageLayer& layer) : layer_(layer) {}

  absl::Status Keep(BlobStore& blobs) {
    ASSIGN_OR_RETURN(writer_, blobs.NewBlob());
    return absl::OkStatus();
  }

  absl::Status Restart(BlobStore& blobs) {
    size_ = 0;
    sha256_ = Sha256();
    return writer_ != nullptr ? Keep(blobs) : absl::OkStatus();
  }

  absl::Status Append(std::string_view data) {
    size_ += data.size();
    if (size_ > layer_.size) {
      return DataLoss(fmt::format("the blob {} has more than the {} bytes that its manifest says",
                                  layer_.digest.ToString(), layer_.size));
    }
    if (writer_ != nullptr) {
      return writer_->Append(data);
    }
    sha256_.Update(data);
    return absl::OkStatus();
  }

  absl::Status Finish() {
    if (size_ < layer_.size) {
      return DataLoss(fmt::format("the blob {} has {} bytes, and its manifest says {}",
                                  layer_.digest.ToString(), size_, layer_.size));
    }
    if (writer_ != nullptr) {
      return writer_->Commit(layer_.digest).status();
    }
    const Digest found = sha256_.Finish();
    return found == layer_.digest
               ? absl::OkStatus()
               : DataLoss(fmt::format("what came as the blob {} has the digest {}",
                                      layer_.digest.ToString(), found.ToString()));
  }

 private:
  const ImageLayer& layer_;
  std::unique_ptr<BlobWriter> writer_;
  Sha256 sha256_;
  uint64_t size_ = 0;
};

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
  const auto size = parts_.layers->TarSize(layer.layer, layer.digest);
  if (absl::IsNotFound(size.status())) {
    return false;
  }
  RETURN_IF_ERROR(size.status());
  return *size == layer.size;
}

absl::StatusOr<bool> LayerFetch::IsClaimed(const StoredImage& image,
                                           const ImageLayer& layer) const {
  bool claimed = false;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(claimed, zlayer::IsClaimed(connection, image.name_space, layer.digest));
    return absl::OkStatus();
  }));
  return claimed;
}

absl::Status LayerFetch::FetchBlob(const StoredImage& image, const ImageLayer& layer,
                                   const BlobFetcher& fetch, std::stop_token stop) {
  const auto work = [&]() -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const bool here, IsHere(layer));
    ASSIGN_OR_RETURN(const bool claimed, IsClaimed(image, layer));
    if (here && !claimed) {
      return true;
    }
    BlobTaker taker(layer);
    if (!here) {
      RETURN_IF_ERROR(taker.Keep(*parts_.blobs));
    }
    const BlobReceiver receiver{.append = [&](std::string_view data) { return taker.Append(data); },
                                .restart = [&] { return taker.Restart(*parts_.blobs); }};
    RETURN_IF_ERROR(fetch(image, layer, receiver, stop));
    RETURN_IF_ERROR(taker.Finish());
    if (claimed) {
      RETURN_IF_ERROR(parts_.database->WriteUnsynced([&](Connection& connection) {
        return EndClaim(connection, image.name_space, layer.digest);
      }));
    }
    return true;
  };
  return blobs_.Do(fmt::format("{} {}", layer.digest.ToString(), image.name_space), stop, work)
      .status();
}

absl::Status LayerFetch::FetchBlobs(const StoredImage& image, const std::vector<ImageLayer>& layers,
                                    const How& how) {
  std::vector<const ImageLayer*> missing;
  std::set<Digest> seen;
  for (const ImageLayer& layer : layers) {
    if (!seen.insert(layer.digest).second) {
      continue;
    }
    how.lease->AddNew(layer.digest);
    ASSIGN_OR_RETURN(const bool here, IsHere(layer));
    ASSIGN_OR_RETURN(const bool claimed, IsClaimed(image, layer));
    if (!here || claimed) {
      missing.push_back(&layer);
    }
  }
  return ForEachInParallel(missing.size(), kMaxThreads, how.stop,
                           [&](size_t i, std::stop_token stopped) {
                             return FetchBlob(image, *missing[i], how.fetch, std::move(stopped));
                           });
}

absl::Status LayerFetch::FetchClaimed(const StoredImage& image, const BlobFetcher& fetch,
                                      std::stop_token stop) {
  std::vector<ImageLayer> layers;
  for (const ImageLayer& layer : image.layers) {
    ASSIGN_OR_RETURN(const bool claimed, IsClaimed(image, layer));
    if (claimed && !MayStayAway(image, layer)) {
      layers.push_back(layer);
    }
  }
  BlobLeases::Lease lease(parts_.leases);
  return FetchBlobs(image, layers, {fetch, &lease, std::move(stop)});
}

absl::StatusOr<StoredImage> LayerFetch::WithoutClaimed(StoredImage image) const {
  for (ImageLayer& layer : image.layers) {
    if (layer.layer.IsNone() || !MayStayAway(image, layer)) {
      continue;
    }
    ASSIGN_OR_RETURN(const bool claimed, IsClaimed(image, layer));
    if (claimed) {
      layer.layer = Digest();
    }
  }
  return image;
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
  std::vector<ImageLayer> needed;
  for (size_t i = known.size(); i < image.layers.size(); ++i) {
    if (!MayStayAway(image, image.layers[i])) {
      needed.push_back(image.layers[i]);
    }
  }
  std::vector<Digest> ids;
  RETURN_IF_ERROR(ForEachInParallel(
      2, 2, std::move(stop), [&](size_t part, std::stop_token stopped) -> absl::Status {
        if (part == 0) {
          return FetchBlobs(image, needed, {fetch, &lease, std::move(stopped)});
        }
        ASSIGN_OR_RETURN(ids, ReadAsTheyCome(image, known, fetch, std::move(stopped)));
        return absl::OkStatus();
      }));
  return ids;
}

absl::StatusOr<std::vector<Digest>> LayerFetch::ReadAsTheyCome(const StoredImage& image,
                                                               const std::vector<LayerRef>& known,
                                                               const BlobFetcher& fetch,
                                                               std::stop_token stop) {
  BlobLeases::Lease lease(parts_.leases);
  absl::Status fetched;
  std::vector<LayerSource> sources;
  for (size_t i = 0; i < image.layers.size(); ++i) {
    const ImageLayer& layer = image.layers[i];
    LayerSource& source = sources.emplace_back();
    source.blob = layer.digest;
    source.diff_id = layer.diff_id;
    if (i < known.size()) {
      source.known = known[i];
    } else if (!MayStayAway(image, layer)) {
      lease.AddNew(layer.digest);
      // Mostly waits for the one that fetches all.
      source.open = [&]() -> absl::StatusOr<ContentFile> {
        fetched = FetchBlob(image, layer, fetch, stop);
        return fetched.ok() ? parts_.blobs->Open(layer.digest) : fetched;
      };
    } else if (lease.Add(layer.digest); parts_.blobs->Has(layer.digest)) {
      source.open = [&] { return parts_.blobs->Open(layer.digest); };
    }
  }
  LayerImport import(parts_, stop);
  absl::StatusOr<std::vector<Digest>> ids = import.Read(sources);
  RETURN_IF_ERROR(fetched);
  if (!ids.ok()) {
    return Annotate(ids.status(), fmt::format("image {}", image.manifest.ToString()));
  }
  RETURN_IF_ERROR(import.Publish());
  return ids;
}

}  // namespace zlayer
