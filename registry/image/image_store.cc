#include "registry/image/image_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/image/archive_kind.h"
#include "registry/image/image_export.h"
#include "registry/image/image_json.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_rows.h"
#include "registry/image/layer_import.h"
#include "registry/image/oci_import.h"
#include "registry/image/platform.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

constexpr size_t kMinDigestPrefix = 12;
constexpr std::string_view kDigestPrefix = "sha256:";

// An image of a namespace as the database has it.
struct NamedRow {
  ImageRow row;
  std::vector<std::string> names;
};

// What a reference means.
struct Resolved {
  Digest manifest;
  std::string name;  // empty where it was a digest
};

bool IsDigestPrefix(std::string_view text) {
  return text.size() >= kMinDigestPrefix && text.size() <= 2 * Digest::kSize &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

absl::Status NoSuchImage(std::string_view reference) {
  return NotFound(
      fmt::format("image \"{}\" is not in the local store; import it with \"zlayer import\"",
                  ToUtf8(reference)));
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
  NamedRow result;
  ASSIGN_OR_RETURN(result.row, ReadImage(connection, manifest));
  ASSIGN_OR_RETURN(result.names, ReadNames(connection, name_space, manifest));
  return result;
}

absl::StatusOr<Resolved> ResolveDigest(Connection& connection, std::string_view name_space,
                                       std::string_view hex, std::string_view reference) {
  ASSIGN_OR_RETURN(std::vector<FoundImage> found, FindByDigest(connection, name_space, hex));
  if (found.empty()) {
    return NoSuchImage(reference);
  }
  // A whole digest is exact; of several manifests of one configuration the newest is meant.
  for (const FoundImage& image : found) {
    if (image.config != found[0].config && hex.size() < 2 * Digest::kSize) {
      return InvalidArgument(fmt::format(
          "\"{}\" is the beginning of more than one image's digest: give more digits", reference));
    }
  }
  return Resolved{found[0].manifest, ""};
}

absl::StatusOr<Resolved> Resolve(Connection& connection, std::string_view name_space,
                                 std::string_view text) {
  if (text.starts_with(kDigestPrefix) && IsDigestPrefix(text.substr(kDigestPrefix.size()))) {
    return ResolveDigest(connection, name_space, text.substr(kDigestPrefix.size()), text);
  }
  if (text.size() == 2 * Digest::kSize && IsDigestPrefix(text)) {
    return ResolveDigest(connection, name_space, text, text);
  }
  ASSIGN_OR_RETURN(Reference reference, Reference::Parse(text));
  if (!reference.digest.empty()) {
    return ResolveDigest(connection, name_space,
                         std::string_view(reference.digest).substr(kDigestPrefix.size()), text);
  }
  std::string name = reference.Normalized();
  ASSIGN_OR_RETURN(std::optional<Digest> manifest, FindByName(connection, name_space, name));
  if (manifest.has_value()) {
    return Resolved{*manifest, std::move(name)};
  }
  if (IsDigestPrefix(text)) {
    return ResolveDigest(connection, name_space, text, text);
  }
  return NoSuchImage(text);
}

class DatabaseImageStore : public ImageStore {
 public:
  DatabaseImageStore(const ImageParts& parts, const Clock* clock)
      : leases_(parts.database, parts.blobs), parts_(parts), clock_(clock) {
    parts_.leases = &leases_;
  }

  absl::StatusOr<StoredImage> Get(std::string_view name_space,
                                  std::string_view reference) override {
    NamedRow row;
    RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Resolved resolved, Resolve(connection, name_space, reference));
      ASSIGN_OR_RETURN(row, ReadRow(connection, name_space, resolved.manifest));
      return absl::OkStatus();
    }));
    return Load(std::move(row));
  }

  absl::StatusOr<std::vector<StoredImage>> List(std::string_view name_space) override;
  absl::StatusOr<StoredImage> Commit(std::string_view name_space, const NewImage& image,
                                     const std::vector<std::string>& tags) override;
  absl::StatusOr<StoredImage> Tag(std::string_view name_space, std::string_view source,
                                  std::string_view target) override;
  absl::StatusOr<TagRemoval> Remove(std::string_view name_space,
                                    std::string_view reference) override;
  absl::StatusOr<std::vector<StoredImage>> Import(std::string_view name_space,
                                                  const ContentFile& archive,
                                                  std::string_view reference,
                                                  std::stop_token stop) override;
  absl::Status Export(std::string_view name_space, std::string_view reference,
                      const std::function<absl::Status(std::string_view)>& sink,
                      std::stop_token stop) override;

 private:
  absl::StatusOr<std::string> ReadDocument(const Digest& manifest, const Digest& document) const;
  absl::StatusOr<StoredImage> Load(NamedRow row) const;
  absl::StatusOr<StoredImage> LoadManifest(std::string_view name_space, const Digest& manifest);
  absl::Status Insert(std::string_view name_space, const ImageRow& row,
                      const std::vector<std::string>& names);
  absl::Status DescribeLayer(ImageLayer* layer, BlobLeases::Lease* lease);
  absl::StatusOr<Digest> WriteDocument(const std::string& json, BlobLeases::Lease* lease);
  absl::StatusOr<std::vector<StoredImage>> ImportOci(std::string_view name_space,
                                                     const ContentFile& archive,
                                                     const std::string& name, std::stop_token stop);
  absl::StatusOr<StoredImage> ImportRootFilesystem(std::string_view name_space,
                                                   const ContentFile& archive,
                                                   const std::string& name, std::stop_token stop);
  absl::StatusOr<Digest> KeepTar(const ContentFile& archive, const Digest& digest,
                                 BlobLeases::Lease* lease);

  BlobLeases leases_;
  ImageParts parts_;
  const Clock* const clock_;
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
  image.manifest = row.row.manifest;
  image.config_digest = row.row.config;
  ASSIGN_OR_RETURN(image.manifest_json, ReadDocument(image.manifest, image.manifest));
  ASSIGN_OR_RETURN(image.config_json, ReadDocument(image.manifest, image.config_digest));
  ASSIGN_OR_RETURN(ConfigDocument config, ParseConfig(image.config_json));
  if (config.diff_ids.size() != row.row.layers.size()) {
    return DataLoss(
        fmt::format("the store's records of image {} are damaged: {} layers, {} diff ids",
                    image.manifest.ToString(), row.row.layers.size(), config.diff_ids.size()));
  }
  image.platform = std::move(config.platform);
  image.config = std::move(config.config);
  image.history = std::move(config.history);
  image.created_ns = config.created_ns;
  image.layers = std::move(row.row.layers);
  for (size_t i = 0; i < image.layers.size(); ++i) {
    image.layers[i].diff_id = config.diff_ids[i];
    image.size += image.layers[i].size;
  }
  image.references = std::move(row.names);
  return image;
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

absl::StatusOr<std::vector<StoredImage>> DatabaseImageStore::List(std::string_view name_space) {
  std::vector<NamedRow> rows;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(std::vector<Digest> manifests, ReadManifests(connection, name_space));
    for (const Digest& manifest : manifests) {
      ASSIGN_OR_RETURN(NamedRow row, ReadRow(connection, name_space, manifest));
      rows.push_back(std::move(row));
    }
    return absl::OkStatus();
  }));
  std::sort(rows.begin(), rows.end(), [](const NamedRow& a, const NamedRow& b) {
    if (a.names.empty() != b.names.empty()) {
      return b.names.empty();
    }
    return a.names.empty() ? a.row.manifest < b.row.manifest : a.names[0] < b.names[0];
  });
  std::vector<StoredImage> images;
  for (NamedRow& row : rows) {
    absl::StatusOr<StoredImage> image = Load(std::move(row));
    if (image.ok()) {
      images.push_back(*std::move(image));
    } else if (!absl::IsNotFound(image.status())) {
      return image.status();
    }
  }
  return images;
}

absl::Status DatabaseImageStore::Insert(std::string_view name_space, const ImageRow& row,
                                        const std::vector<std::string>& names) {
  return parts_.database->Write([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(InsertImage(connection, row));
    for (const std::string& name : names) {
      RETURN_IF_ERROR(SetTag(connection, name_space, name, row.manifest, clock_->NowNs()));
    }
    return SetTag(connection, name_space, "", row.manifest, clock_->NowNs());
  });
}

// Fills in what a layer lacks, and describes one anew whose bytes no one could produce any more.
absl::Status DatabaseImageStore::DescribeLayer(ImageLayer* layer, BlobLeases::Lease* lease) {
  if (!layer->digest.IsNone()) {
    lease->Add(layer->digest);
    if (parts_.blobs->Has(layer->digest)) {
      return absl::OkStatus();
    }
  }
  ASSIGN_OR_RETURN(LayerRef index, parts_.layers->Get(layer->layer));
  ASSIGN_OR_RETURN(TarIdentity tar, parts_.layers->EnsureTarIdentity(index, std::stop_token()));
  if (layer->digest == tar.diff_id) {
    return absl::OkStatus();
  }
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
  BlobLeases::Lease lease(&leases_);
  NewImage complete = image;
  for (ImageLayer& layer : complete.layers) {
    RETURN_IF_ERROR(DescribeLayer(&layer, &lease));
  }
  std::string config = WriteConfig(complete);
  ImageRow row{{}, {}, complete.created_ns, complete.layers};
  ASSIGN_OR_RETURN(row.config, WriteDocument(config, &lease));
  ASSIGN_OR_RETURN(row.manifest,
                   WriteDocument(WriteManifest(complete, row.config, config.size()), &lease));
  RETURN_IF_ERROR(Insert(name_space, row, names));
  return LoadManifest(name_space, row.manifest);
}

absl::StatusOr<StoredImage> DatabaseImageStore::Tag(std::string_view name_space,
                                                    std::string_view source,
                                                    std::string_view target) {
  ASSIGN_OR_RETURN(std::string name, ParseName(target));
  Digest manifest;
  RETURN_IF_ERROR(parts_.database->Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Resolved resolved, Resolve(connection, name_space, source));
    manifest = resolved.manifest;
    return SetTag(connection, name_space, name, manifest, clock_->NowNs());
  }));
  return LoadManifest(name_space, manifest);
}

absl::StatusOr<TagRemoval> DatabaseImageStore::Remove(std::string_view name_space,
                                                      std::string_view reference) {
  TagRemoval removal;
  std::vector<Digest> blobs;
  RETURN_IF_ERROR(parts_.database->Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Resolved resolved, Resolve(connection, name_space, reference));
    ASSIGN_OR_RETURN(NamedRow row, ReadRow(connection, name_space, resolved.manifest));
    if (resolved.name.empty()) {
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
    blobs = {row.row.manifest, row.row.config};
    for (const ImageLayer& layer : row.row.layers) {
      blobs.push_back(layer.digest);
    }
    return RemoveUnnamed(connection, resolved.manifest);
  }));
  // The image is gone whatever happens now; a blob that stays is garbage that the collector finds.
  leases_.DropUnused(blobs).IgnoreError();
  return removal;
}

absl::StatusOr<std::vector<StoredImage>> DatabaseImageStore::Import(std::string_view name_space,
                                                                    const ContentFile& archive,
                                                                    std::string_view reference,
                                                                    std::stop_token stop) {
  std::string name;
  if (!reference.empty()) {
    ASSIGN_OR_RETURN(name, ParseName(reference));
  }
  ASSIGN_OR_RETURN(ArchiveKind kind, DetectArchive(archive, stop));
  if (kind == ArchiveKind::kDocker) {
    return InvalidArgument(
        "a docker archive cannot be imported by this version; convert it with \"skopeo copy "
        "docker-archive:FILE oci-archive:FILE\"");
  }
  if (kind == ArchiveKind::kOci) {
    return ImportOci(name_space, archive, name, std::move(stop));
  }
  if (name.empty()) {
    return InvalidArgument(
        "the archive is a root filesystem, which has no name of its own: say what the image is to "
        "be called (zlayer import FILE REF)");
  }
  ASSIGN_OR_RETURN(StoredImage image,
                   ImportRootFilesystem(name_space, archive, name, std::move(stop)));
  return std::vector<StoredImage>{std::move(image)};
}

absl::StatusOr<std::vector<StoredImage>> DatabaseImageStore::ImportOci(std::string_view name_space,
                                                                       const ContentFile& archive,
                                                                       const std::string& name,
                                                                       std::stop_token stop) {
  OciImport import(parts_, std::move(stop));
  ASSIGN_OR_RETURN(std::vector<ImportedImage> images, import.Run(archive, name));
  RETURN_IF_ERROR(parts_.database->Write([&](Connection& connection) -> absl::Status {
    for (const ImportedImage& image : images) {
      RETURN_IF_ERROR(InsertImage(connection, image.row));
      RETURN_IF_ERROR(
          SetTag(connection, name_space, image.name, image.row.manifest, clock_->NowNs()));
    }
    return absl::OkStatus();
  }));
  std::vector<StoredImage> stored;
  std::set<Digest> loaded;
  for (const ImportedImage& image : images) {
    if (loaded.insert(image.row.manifest).second) {
      ASSIGN_OR_RETURN(StoredImage loaded_image, LoadManifest(name_space, image.row.manifest));
      stored.push_back(std::move(loaded_image));
    }
  }
  return stored;
}

// The tar as a blob.
absl::StatusOr<Digest> DatabaseImageStore::KeepTar(const ContentFile& archive, const Digest& digest,
                                                   BlobLeases::Lease* lease) {
  lease->AddNew(digest);
  ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> writer, parts_.blobs->NewBlob());
  RETURN_IF_ERROR(
      ReadContent(archive, Digest(), [&](std::string_view data) { return writer->Append(data); }));
  return writer->Commit(digest);
}

absl::StatusOr<StoredImage> DatabaseImageStore::ImportRootFilesystem(std::string_view name_space,
                                                                     const ContentFile& archive,
                                                                     const std::string& name,
                                                                     std::stop_token stop) {
  LayerImport import(parts_, std::move(stop));
  ASSIGN_OR_RETURN(LayerImport::RootFilesystem root, import.ReadRootFilesystem(archive));
  BlobLeases::Lease lease(&leases_);
  ImageLayer layer;
  layer.layer = root.layer;
  if (!root.blob.IsNone()) {
    RETURN_IF_ERROR(KeepTar(archive, root.blob, &lease).status());
    layer.diff_id = layer.digest = root.blob;
    layer.size = root.size;
    layer.media_type = kTarMediaType;
  }
  RETURN_IF_ERROR(import.Publish());
  NewImage image;
  image.platform = HostPlatform();
  image.created_ns = clock_->NowNs();
  image.history.push_back({image.created_ns, "", "imported from a root filesystem tar", "", false});
  image.layers.push_back(std::move(layer));
  return Commit(name_space, image, {name});
}

absl::Status DatabaseImageStore::Export(std::string_view name_space, std::string_view reference,
                                        const std::function<absl::Status(std::string_view)>& sink,
                                        std::stop_token stop) {
  Resolved resolved;
  NamedRow row;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(resolved, Resolve(connection, name_space, reference));
    ASSIGN_OR_RETURN(row, ReadRow(connection, name_space, resolved.manifest));
    return absl::OkStatus();
  }));
  ASSIGN_OR_RETURN(StoredImage image, Load(std::move(row)));
  BlobLeases::Lease lease(&leases_);
  for (const ImageLayer& layer : image.layers) {
    lease.Add(layer.digest);
  }
  if (resolved.name.empty() && !image.references.empty()) {
    resolved.name = image.references[0];
  }
  return ExportOciArchive(parts_, image, resolved.name, sink, std::move(stop));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ImageStore>> OpenImageStore(Database* database, BlobStore* blobs,
                                                           ContentStore* contents,
                                                           LayerStore* layers, const Clock* clock,
                                                           std::string tmp_directory) {
  ImageParts parts{database, blobs, contents, layers, nullptr, std::move(tmp_directory)};
  return std::make_unique<DatabaseImageStore>(parts, clock);
}

}  // namespace zlayer
