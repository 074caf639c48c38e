#include "registry/image/image_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/errors.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/image/archive_kind.h"
#include "registry/image/image_export.h"
#include "registry/image/image_import.h"
#include "registry/image/image_json.h"
#include "registry/image/image_lookup.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_rows.h"
#include "registry/image/layer_fetch.h"
#include "registry/image/manifest_document.h"
#include "registry/image/platform.h"
#include "registry/image/reference.h"
#include "registry/image/repository_rows.h"

namespace zlayer {
namespace {

// An image of a namespace as the database has it.
struct NamedRow {
  std::string name_space;
  ImageRow row;
  std::vector<std::string> names;
};

absl::Status HasSeveralNames(std::string_view reference, const std::vector<std::string>& names) {
  constexpr size_t kShown = 5;
  const std::vector<std::string> shown(names.begin(),
                                       names.begin() + std::min(names.size(), kShown));
  return FailedPrecondition(fmt::format(
      "image \"{}\" has {} names ({}{}): remove them by name, or all at once with force (zlayer "
      "rmi "
      "--force)",
      reference, names.size(), Join(shown, ", "), names.size() > kShown ? ", ..." : ""));
}

// A name that an image is to get, normalized.
absl::StatusOr<std::string> ParseName(std::string_view text) {
  ASSIGN_OR_RETURN(Reference reference, Reference::Parse(text));
  if (!reference.digest.empty()) {
    return InvalidArgument(
        fmt::format("\"{}\" has a digest: an image can be given a name and tag only", text));
  }
  return reference.Normalized();
}

absl::StatusOr<NamedRow> ReadRow(Connection& connection, std::string_view name_space,
                                 const Digest& manifest) {
  NamedRow result{.name_space = std::string(name_space)};
  ASSIGN_OR_RETURN(result.row, ReadImage(connection, manifest));
  ASSIGN_OR_RETURN(result.names, ReadNames(connection, name_space, manifest));
  return result;
}

std::vector<v1::Platform> PlatformsOf(const std::vector<IndexedImage>& index) {
  std::vector<v1::Platform> platforms;
  for (const IndexedImage& image : index) {
    platforms.push_back(image.platform);
  }
  return platforms;
}

std::optional<Digest> ChooseImage(const std::vector<IndexedImage>& index,
                                  const v1::Platform& wanted) {
  const std::optional<size_t> chosen = ChoosePlatform(PlatformsOf(index), wanted);
  return chosen ? std::optional<Digest>(index[*chosen].manifest) : std::nullopt;
}

class DatabaseImageStore : public ImageStore {
 public:
  explicit DatabaseImageStore(const ImageParts& parts) : parts_(parts), fetch_(parts_) {}

  absl::StatusOr<StoredImage> Get(std::string_view name_space, std::string_view reference,
                                  const v1::Platform& platform) override;
  absl::StatusOr<RepositoryManifest> GetManifest(std::string_view name_space,
                                                 std::string_view reference) override;
  absl::StatusOr<StoredImage> EnsureLayers(const StoredImage& image, const BlobFetcher& fetch,
                                           std::stop_token stop) override;
  absl::Status EnsureBlobs(const StoredImage& image, const BlobFetcher& fetch,
                           std::stop_token stop) override;
  absl::Status EnsureBlob(const StoredImage& image, const ImageLayer& layer,
                          const BlobFetcher& fetch, std::stop_token stop) override {
    const Uses::Work work = parts_.uses->Begin();
    BlobLeases::Lease lease(parts_.leases);
    return fetch_.FetchBlobs(image, {layer}, {fetch, &lease, std::move(stop)});
  }
  absl::StatusOr<std::vector<StoredImage>> FindPulled(std::string_view name_space,
                                                      const Digest& blob) override;
  absl::StatusOr<ImagePage> List(std::string_view name_space, const ImageQuery& query) override;
  absl::StatusOr<StoredImage> Commit(std::string_view name_space, const NewImage& image,
                                     const std::vector<std::string>& tags) override;
  absl::StatusOr<StoredImage> FindBySourceHash(std::string_view name_space, std::string_view name,
                                               std::string_view source_hash) override;
  absl::StatusOr<StoredImage> Tag(std::string_view name_space, std::string_view source,
                                  std::string_view target) override;
  absl::StatusOr<StoredImage> Untag(std::string_view name_space, std::string_view name) override;
  absl::StatusOr<TagRemoval> Remove(std::string_view name_space, std::string_view reference,
                                    bool force) override;
  absl::StatusOr<std::vector<StoredImage>> Import(std::string_view name_space,
                                                  const ContentFile& archive,
                                                  std::string_view reference,
                                                  std::stop_token stop) override;
  absl::Status Export(std::string_view name_space, const ArchiveRequest& wanted,
                      const std::function<absl::Status(std::string_view)>& sink,
                      std::stop_token stop) override;
  absl::StatusOr<size_t> RemoveNameless(int64_t before_ns, Uses::Stamp since) override;
  absl::StatusOr<std::vector<Digest>> RemoveIfNameless(const Digest& manifest, int64_t before_ns,
                                                       Uses::Stamp since) override;
  absl::Status DropUnusedBlobs(const std::vector<Digest>& blobs) override {
    return parts_.leases->DropUnused(blobs);
  }

 private:
  absl::StatusOr<std::string> ReadDocument(const Digest& manifest, const Digest& document) const;
  absl::StatusOr<StoredImage> Load(NamedRow row) const;
  absl::Status LoadConfig(StoredImage* image) const;
  static absl::Status LoadUrls(StoredImage* image);
  absl::StatusOr<StoredImage> LoadManifest(std::string_view name_space, const Digest& manifest);
  absl::StatusOr<StoredImage> LoadFor(std::string_view name_space, std::string_view reference,
                                      const Digest& manifest, const v1::Platform& platform);
  absl::Status Insert(std::string_view name_space, const ImageRow& row,
                      const std::vector<std::string>& names, std::string_view source_hash);
  absl::Status DescribeLayer(TarEpoch epoch, ImageLayer* layer, BlobLeases::Lease* lease);
  absl::StatusOr<Digest> WriteDocument(const std::string& json, BlobLeases::Lease* lease);

  const ImageParts parts_;
  LayerFetch fetch_;
  SingleFlight<std::vector<Digest>> reading_;  // by manifest
};

// Documents are read outside of the transaction that found them: kNotFound where the image was
// removed in between, kDataLoss where it was not.
absl::StatusOr<std::string> DatabaseImageStore::ReadDocument(const Digest& manifest,
                                                             const Digest& document) const {
  absl::StatusOr<std::string> text = parts_.blobs->Read(document);
  if (!absl::IsNotFound(text.status())) {
    return text;
  }
  RETURN_IF_ERROR(parts_.database->Read(
      [&](Connection& connection) { return ReadImage(connection, manifest).status(); }));
  return DataLoss(fmt::format("the store has lost the document {} of image {}: import it again",
                              document.ToString(), manifest.ToString()));
}

absl::StatusOr<StoredImage> DatabaseImageStore::Load(NamedRow row) const {
  StoredImage image;
  image.kind = row.row.kind;
  image.name_space = std::move(row.name_space);
  image.manifest = row.row.manifest;
  image.config_digest = row.row.config;
  image.created_ns = row.row.created_ns;
  image.source = std::move(row.row.source);
  image.layers = std::move(row.row.layers);
  image.references = std::move(row.names);
  for (const ImageLayer& layer : image.layers) {
    image.size += layer.size;
  }
  ASSIGN_OR_RETURN(image.manifest_json, ReadDocument(image.manifest, image.manifest));
  if (image.kind == ManifestKind::kIndex) {
    ASSIGN_OR_RETURN(const std::vector<Descriptor> manifests, ParseIndex(image.manifest_json));
    for (const Descriptor& manifest : manifests) {
      image.index.push_back({manifest.digest, manifest.platform});
    }
  }
  if (image.kind == ManifestKind::kImage) {
    RETURN_IF_ERROR(LoadConfig(&image));
    RETURN_IF_ERROR(LoadUrls(&image));
  }
  return image;
}

// Of layers that are not distributed, which only the manifest has.
absl::Status DatabaseImageStore::LoadUrls(StoredImage* image) {
  const auto is_foreign = [](const ImageLayer& layer) { return IsForeignLayer(layer.media_type); };
  if (std::none_of(image->layers.begin(), image->layers.end(), is_foreign)) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(ManifestDocument manifest, ParseManifest(image->manifest_json));
  for (size_t i = 0; i < std::min(image->layers.size(), manifest.layers.size()); ++i) {
    image->layers[i].urls = std::move(manifest.layers[i].urls);
  }
  return absl::OkStatus();
}

absl::Status DatabaseImageStore::LoadConfig(StoredImage* image) const {
  ASSIGN_OR_RETURN(image->config_json, ReadDocument(image->manifest, image->config_digest));
  ASSIGN_OR_RETURN(ConfigDocument config, ParseConfig(image->config_json));
  if (config.diff_ids.size() != image->layers.size()) {
    return DataLoss(
        fmt::format("the store's records of image {} are damaged: {} layers, {} diff ids",
                    image->manifest.ToString(), image->layers.size(), config.diff_ids.size()));
  }
  image->platform = std::move(config.platform);
  image->config = std::move(config.config);
  image->history = std::move(config.history);
  image->created_ns = config.created_ns;
  for (size_t i = 0; i < image->layers.size(); ++i) {
    image->layers[i].diff_id = config.diff_ids[i];
  }
  return absl::OkStatus();
}

// Where the manifest is an index, the image in it that is for the platform.
absl::StatusOr<StoredImage> DatabaseImageStore::LoadFor(std::string_view name_space,
                                                        std::string_view reference,
                                                        const Digest& manifest,
                                                        const v1::Platform& platform) {
  // From here on it is not collected; if it was, the next look says so.
  if (!parts_.used_manifests->TryTouch(manifest)) {
    return NoSuchImage(reference);
  }
  ASSIGN_OR_RETURN(StoredImage image, LoadManifest(name_space, manifest));
  const v1::Platform wanted = platform.os().empty() ? HostPlatform() : platform;
  for (int depth = 0; image.kind == ManifestKind::kIndex; ++depth) {
    RETURN_IF_ERROR(CheckIndexDepth(depth));
    const std::optional<Digest> chosen = ChooseImage(image.index, wanted);
    if (!chosen.has_value()) {
      return NotFound(fmt::format("image \"{}\" has nothing for {}, only for {}", ToUtf8(reference),
                                  FormatPlatform(wanted),
                                  FormatPlatforms(PlatformsOf(image.index))));
    }
    absl::StatusOr<StoredImage> child = LoadManifest(name_space, *chosen);
    if (absl::IsNotFound(child.status())) {
      return NotFound(
          fmt::format("the part for {} of image \"{}\" is not in the local store; bring it there "
                      "with \"zlayer pull\"",
                      FormatPlatform(wanted), ToUtf8(reference)));
    }
    RETURN_IF_ERROR(child.status());
    if (child->references.empty()) {
      child->references = std::move(image.references);
    }
    image = *std::move(child);
  }
  if (image.kind == ManifestKind::kArtifact) {
    return FailedPrecondition(
        fmt::format("\"{}\" is not a container image but another artifact", ToUtf8(reference)));
  }
  return image;
}

absl::StatusOr<StoredImage> DatabaseImageStore::Get(std::string_view name_space,
                                                    std::string_view reference,
                                                    const v1::Platform& platform) {
  Resolved resolved;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(resolved, Resolve(connection, name_space, reference));
    return absl::OkStatus();
  }));
  return LoadFor(name_space, reference, resolved.manifest, platform);
}

absl::StatusOr<RepositoryManifest> DatabaseImageStore::GetManifest(std::string_view name_space,
                                                                   std::string_view reference) {
  ImageRow row;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const Resolved resolved, Resolve(connection, name_space, reference));
    ASSIGN_OR_RETURN(row, ReadImage(connection, resolved.manifest));
    return absl::OkStatus();
  }));
  if (!parts_.used_manifests->TryTouch(row.manifest)) {
    return NoSuchImage(reference);
  }
  return ReadManifest(*parts_.blobs, row);
}

absl::StatusOr<StoredImage> DatabaseImageStore::EnsureLayers(const StoredImage& image,
                                                             const BlobFetcher& fetch,
                                                             std::stop_token stop) {
  StoredImage known = image;
  const auto is_unknown = [&image](const ImageLayer& layer) {
    return layer.layer.IsNone() && !MayStayAway(image, layer);
  };
  if (std::any_of(known.layers.begin(), known.layers.end(), is_unknown)) {
    const Uses::Work work = parts_.uses->Begin();
    ASSIGN_OR_RETURN(const std::vector<Digest> ids, reading_.Do(image.manifest, stop, [&] {
      return fetch_.ReadLayers(image, fetch, stop);
    }));
    for (size_t i = 0; i < ids.size(); ++i) {
      known.layers[i].layer = ids[i];
    }
    const ImageRow row{.manifest = image.manifest, .layers = known.layers};
    RETURN_IF_ERROR(
        parts_.database->Write([&](Connection& connection) { return SetLayers(connection, row); }));
  }
  // Last: another namespace may have been the one that read.
  RETURN_IF_ERROR(fetch_.FetchClaimed(image, fetch, std::move(stop)));
  return fetch_.WithoutClaimed(std::move(known));
}

absl::Status DatabaseImageStore::EnsureBlobs(const StoredImage& image, const BlobFetcher& fetch,
                                             std::stop_token stop) {
  BlobLeases::Lease lease(parts_.leases);
  std::vector<ImageLayer> distributed;
  std::copy_if(image.layers.begin(), image.layers.end(), std::back_inserter(distributed),
               [](const ImageLayer& layer) { return !IsForeignLayer(layer.media_type); });
  return fetch_.FetchBlobs(image, distributed, {fetch, &lease, std::move(stop)});
}

absl::StatusOr<std::vector<StoredImage>> DatabaseImageStore::FindPulled(std::string_view name_space,
                                                                        const Digest& blob) {
  std::vector<Digest> manifests;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(manifests, FindImagesToPull(connection, name_space, blob));
    return absl::OkStatus();
  }));
  std::vector<StoredImage> images;
  for (const Digest& manifest : manifests) {
    if (!parts_.used_manifests->TryTouch(manifest)) {
      continue;
    }
    absl::StatusOr<StoredImage> image = LoadManifest(name_space, manifest);
    if (image.ok()) {
      images.push_back(*std::move(image));
    } else if (!absl::IsNotFound(image.status())) {
      return image.status();
    }
  }
  return images;
}

absl::StatusOr<StoredImage> DatabaseImageStore::LoadManifest(std::string_view name_space,
                                                             const Digest& manifest) {
  NamedRow row;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(row, ReadRow(connection, name_space, manifest));
    return absl::OkStatus();
  }));
  return Load(std::move(row));
}

absl::StatusOr<ImagePage> DatabaseImageStore::List(std::string_view name_space,
                                                   const ImageQuery& query) {
  RETURN_IF_ERROR(CheckGlob(query.pattern));
  std::vector<std::pair<NamedRow, std::string>> rows;
  ImagePage page;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(std::vector<ImagePosition> places,
                     FindPage(connection, name_space, query, &page.next));
    for (ImagePosition& place : places) {
      ASSIGN_OR_RETURN(NamedRow row, ReadRow(connection, name_space, place.manifest));
      rows.emplace_back(std::move(row), std::move(place.name));
    }
    return absl::OkStatus();
  }));
  for (auto& [row, name] : rows) {
    absl::StatusOr<StoredImage> image = Load(std::move(row));
    if (image.ok()) {
      page.images.push_back({*std::move(image), std::move(name)});
    } else if (!absl::IsNotFound(image.status())) {
      return image.status();
    }
  }
  return page;
}

absl::Status DatabaseImageStore::Insert(std::string_view name_space, const ImageRow& row,
                                        const std::vector<std::string>& names,
                                        std::string_view source_hash) {
  return parts_.database->Write([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(InsertImage(connection, row));
    for (const std::string& name : names) {
      RETURN_IF_ERROR(SetTag(connection, name_space, name, row.manifest, parts_.clock->NowNs()));
    }
    if (!names.empty() && !source_hash.empty()) {
      RETURN_IF_ERROR(SetSourceHash(connection, name_space, names[0], source_hash));
    }
    return SetTag(connection, name_space, "", row.manifest, parts_.clock->NowNs());
  });
}

// Fills in what a layer lacks, and describes one anew whose bytes no one could produce any more.
absl::Status DatabaseImageStore::DescribeLayer(TarEpoch epoch, ImageLayer* layer,
                                               BlobLeases::Lease* lease) {
  if (!layer->digest.IsNone()) {
    lease->Add(layer->digest);
    if (layer->layer.IsNone() || parts_.blobs->Has(layer->digest) ||
        IsForeignLayer(layer->media_type)) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const auto size, parts_.layers->TarSize(layer->layer, layer->digest));
    if (size == layer->size) {
      return absl::OkStatus();
    }
  }
  ASSIGN_OR_RETURN(TarIdentity tar, parts_.layers->EnsureTarIdentity(layer->layer, epoch, {}));
  lease->Add(tar.diff_id);
  *layer = {layer->layer, tar.diff_id, tar.diff_id, tar.size, std::string(kTarMediaType)};
  return absl::OkStatus();
}

absl::StatusOr<Digest> DatabaseImageStore::WriteDocument(const std::string& json,
                                                         BlobLeases::Lease* lease) {
  lease->AddNew(Digest::Of(json));
  return parts_.blobs->Write(json);
}

absl::StatusOr<StoredImage> DatabaseImageStore::Commit(std::string_view name_space,
                                                       const NewImage& image,
                                                       const std::vector<std::string>& tags) {
  std::vector<std::string> names;
  for (const std::string& tag : tags) {
    ASSIGN_OR_RETURN(std::string name, ParseName(tag));
    names.push_back(std::move(name));
  }
  const Uses::Work work = parts_.uses->Begin();
  BlobLeases::Lease lease(parts_.leases);
  NewImage complete = image;
  for (ImageLayer& layer : complete.layers) {
    RETURN_IF_ERROR(DescribeLayer(image.layer_epoch, &layer, &lease));
    layer.media_type = LayerMediaTypeIn(image.format, layer.media_type);
  }
  std::string config = WriteConfig(complete);
  ImageRow row{{}, {}, complete.created_ns, complete.layers};
  row.source = complete.source;
  ASSIGN_OR_RETURN(row.config, WriteDocument(config, &lease));
  ASSIGN_OR_RETURN(row.manifest,
                   WriteDocument(WriteManifest(complete, row.config, config.size()), &lease));
  RETURN_IF_ERROR(Insert(name_space, row, names, image.source_hash));
  return LoadManifest(name_space, row.manifest);
}

absl::StatusOr<StoredImage> DatabaseImageStore::FindBySourceHash(std::string_view name_space,
                                                                 std::string_view name,
                                                                 std::string_view source_hash) {
  ASSIGN_OR_RETURN(const std::string normalized, ParseName(name));
  std::optional<Digest> manifest;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(manifest,
                     zlayer::FindBySourceHash(connection, name_space, normalized, source_hash));
    return absl::OkStatus();
  }));
  if (!manifest.has_value() || !parts_.used_manifests->TryTouch(*manifest)) {
    return NoSuchImage(name);
  }
  return LoadManifest(name_space, *manifest);
}

absl::StatusOr<StoredImage> DatabaseImageStore::Tag(std::string_view name_space,
                                                    std::string_view source,
                                                    std::string_view target) {
  ASSIGN_OR_RETURN(std::string name, ParseName(target));
  Digest manifest;
  RETURN_IF_ERROR(parts_.database->Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Resolved resolved, Resolve(connection, name_space, source));
    manifest = resolved.manifest;
    return SetTag(connection, name_space, name, manifest, parts_.clock->NowNs());
  }));
  return LoadManifest(name_space, manifest);
}

absl::StatusOr<StoredImage> DatabaseImageStore::Untag(std::string_view name_space,
                                                      std::string_view name) {
  ASSIGN_OR_RETURN(Reference reference, Reference::Parse(name));
  if (!reference.digest.empty()) {
    return InvalidArgument(
        fmt::format("\"{}\" has a digest: only a name can be taken from an image", name));
  }
  const std::string normalized = reference.Normalized();
  Digest manifest;
  RETURN_IF_ERROR(parts_.database->Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(std::optional<Digest> found, FindByName(connection, name_space, normalized));
    if (!found.has_value()) {
      return NotFound(fmt::format("no image is called \"{}\"", name));
    }
    manifest = *found;
    RETURN_IF_ERROR(RemoveName(connection, name_space, normalized));
    return SetTag(connection, name_space, "", manifest, parts_.clock->NowNs());
  }));
  return LoadManifest(name_space, manifest);
}

absl::StatusOr<TagRemoval> DatabaseImageStore::Remove(std::string_view name_space,
                                                      std::string_view reference, bool force) {
  TagRemoval removal;
  std::vector<Digest> blobs;
  RETURN_IF_ERROR(parts_.database->Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Resolved resolved, Resolve(connection, name_space, reference));
    ASSIGN_OR_RETURN(NamedRow row, ReadRow(connection, name_space, resolved.manifest));
    if (resolved.name.empty()) {
      if (row.names.size() > 1 && !force) {
        return HasSeveralNames(reference, row.names);
      }
      removal.untagged = row.names;
      RETURN_IF_ERROR(RemoveNames(connection, name_space, resolved.manifest));
    } else {
      removal.untagged = {resolved.name};
      RETURN_IF_ERROR(RemoveName(connection, name_space, resolved.name));
    }
    ASSIGN_OR_RETURN(bool left, HasImage(connection, name_space, resolved.manifest));
    if (left) {
      return absl::OkStatus();
    }
    removal.removed = resolved.manifest;
    blobs = BlobsOf(row.row);
    ASSIGN_OR_RETURN(const std::vector<Digest> children,
                     FindOnlyChildren(connection, name_space, resolved.manifest));
    for (const Digest& child : children) {
      ASSIGN_OR_RETURN(const ImageRow image, ReadImage(connection, child));
      const std::vector<Digest> more = BlobsOf(image);
      blobs.insert(blobs.end(), more.begin(), more.end());
      RETURN_IF_ERROR(RemoveNames(connection, name_space, child));
      RETURN_IF_ERROR(RemoveUnnamed(connection, child));
    }
    return RemoveUnnamed(connection, resolved.manifest);
  }));
  // The image is gone whatever happens now; a blob that stays is garbage that the collector finds.
  parts_.leases->DropUnused(blobs).IgnoreError();
  return removal;
}

absl::StatusOr<size_t> DatabaseImageStore::RemoveNameless(int64_t before_ns, Uses::Stamp since) {
  std::vector<NamelessImage> nameless;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(nameless, FindNameless(connection, before_ns));
    return absl::OkStatus();
  }));
  size_t removed = 0;
  for (const NamelessImage& image : nameless) {
    ASSIGN_OR_RETURN(const std::vector<Digest> blobs,
                     RemoveIfNameless(image.manifest, before_ns, since));
    removed += blobs.empty() ? 0 : 1;
    RETURN_IF_ERROR(parts_.leases->DropUnused(blobs));
  }
  return removed;
}

absl::StatusOr<std::vector<Digest>> DatabaseImageStore::RemoveIfNameless(const Digest& manifest,
                                                                         int64_t before_ns,
                                                                         Uses::Stamp since) {
  std::vector<Digest> blobs;
  if (!parts_.used_manifests->StartRemoving(manifest, since)) {
    return blobs;
  }
  const absl::Status status = parts_.database->Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(blobs, zlayer::RemoveIfNameless(connection, manifest, before_ns));
    return absl::OkStatus();
  });
  parts_.used_manifests->EndRemoving(manifest);
  RETURN_IF_ERROR(status);
  return blobs;
}

absl::StatusOr<std::vector<StoredImage>> DatabaseImageStore::Import(std::string_view name_space,
                                                                    const ContentFile& archive,
                                                                    std::string_view reference,
                                                                    std::stop_token stop) {
  const Uses::Work work = parts_.uses->Begin();
  std::string name;
  if (!reference.empty()) {
    ASSIGN_OR_RETURN(name, ParseName(reference));
  }
  ASSIGN_OR_RETURN(const ArchiveKind kind, DetectArchive(archive, stop));
  std::vector<StoredImage> images;
  if (kind != ArchiveKind::kRootFilesystem) {
    ASSIGN_OR_RETURN(const std::vector<ArchiveImage> imported,
                     ImportImages(parts_, name_space, archive, kind, name, std::move(stop)));
    for (const ArchiveImage& image : imported) {
      ASSIGN_OR_RETURN(images.emplace_back(), LoadManifest(name_space, image.manifest));
      images.back().references.assign(image.names.begin(), image.names.end());
    }
    return images;
  }
  if (name.empty()) {
    return InvalidArgument(
        "the archive is a root filesystem, which has no name of its own: say what the image is to "
        "be called (zlayer import FILE REF)");
  }
  BlobLeases::Lease lease(parts_.leases);
  ASSIGN_OR_RETURN(const NewImage image,
                   ImportRootFilesystem(parts_, archive, &lease, std::move(stop)));
  ASSIGN_OR_RETURN(images.emplace_back(), Commit(name_space, image, {name}));
  return images;
}

absl::Status DatabaseImageStore::Export(std::string_view name_space, const ArchiveRequest& wanted,
                                        const std::function<absl::Status(std::string_view)>& sink,
                                        std::stop_token stop) {
  std::vector<Resolved> resolved;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    for (const std::string& reference : wanted.references) {
      ASSIGN_OR_RETURN(resolved.emplace_back(), Resolve(connection, name_space, reference));
    }
    return absl::OkStatus();
  }));
  ExportedImages images;
  BlobLeases::Lease lease(parts_.leases);
  std::vector<LayerRef> layers;  // kept, although the images may be removed meanwhile
  for (size_t i = 0; i < resolved.size(); ++i) {
    ASSIGN_OR_RETURN(StoredImage image, LoadFor(name_space, wanted.references[i],
                                                resolved[i].manifest, v1::Platform()));
    for (const ImageLayer& layer : image.layers) {
      lease.Add(layer.digest);
      if (!layer.layer.IsNone()) {
        ASSIGN_OR_RETURN(layers.emplace_back(), parts_.layers->Get(layer.layer));
      }
    }
    std::string name = std::move(resolved[i].name);
    if (name.empty() && !image.references.empty()) {
      name = image.references[0];
    }
    ExportedImage& exported = images[image.manifest];
    if (!name.empty()) {
      exported.names.insert(std::move(name));
    }
    exported.image = std::move(image);
  }
  return wanted.format == ArchiveRequest::Format::kDocker
             ? ExportDockerArchive(parts_, images, sink, std::move(stop))
             : ExportOciArchive(parts_, images, sink, std::move(stop));
}

}  // namespace

std::unique_ptr<ImageStore> OpenImageStore(const ImageParts& parts) {
  return std::make_unique<DatabaseImageStore>(parts);
}

}  // namespace zlayer
