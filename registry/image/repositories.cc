#include "registry/image/repositories.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/errors.h"
#include "base/read_ahead.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/image/image_json.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_rows.h"
#include "registry/image/manifest_document.h"
#include "registry/image/repository_rows.h"

namespace zlayer {
namespace {

// A blob that nothing names goes when it is older.
constexpr int64_t kUploadNs = int64_t{24} * 3600 * 1'000'000'000;

// What compressing a layer made is forgotten when no push asked for it so long.
constexpr int64_t kCompressedNs = 30 * kUploadNs;

absl::Status NoSuchManifest(const std::string& repository, const std::string& reference) {
  return NotFound(
      fmt::format("there is no manifest {} in {}", ToUtf8(reference), ToUtf8(repository)));
}

absl::Status NoSuchBlob(const Digest& digest) {
  return NotFound(fmt::format("there is no blob {}", digest.ToString()));
}

// What there is to say where a repository has no such manifest of its own.
absl::Status NotToBeDeleted(Connection& connection, std::string_view name_space,
                            const std::string& repository, const std::string& reference) {
  if (const auto digest = Digest::Parse(reference); digest.ok()) {
    ASSIGN_OR_RETURN(const bool part, IsInIndexOf(connection, name_space, repository, *digest));
    if (part) {
      return FailedPrecondition(
          fmt::format("the manifest {} is part of an index that is in {}", reference, repository));
    }
  }
  return NoSuchManifest(repository, reference);
}

bool IsDigest(const std::string& reference) { return reference.find(':') != std::string::npos; }

// An image's layers, but for those that it was given by their ids. The other blobs of what is
// pulled come before its manifest.
std::vector<Digest> BlobsToFetch(const ImageRow& row) {
  std::vector<Digest> blobs;
  for (const ImageLayer& layer : row.layers) {
    if (row.kind == ManifestKind::kImage && layer.layer.IsNone()) {
      blobs.push_back(layer.digest);
    }
  }
  return blobs;
}

// Bytes that the store has.
class FileReader : public BlobReader {
 public:
  FileReader(const Digest& digest, ContentFile file) : digest_(digest), file_(std::move(file)) {}

  uint64_t size() const override { return file_.size; }
  const ContentFile* file() const override { return &file_; }
  absl::Status Read(uint64_t offset, uint64_t length,
                    const std::function<absl::Status(std::string_view)>& sink,
                    std::stop_token stop) override {
    const bool whole = offset == 0 && length == file_.size;
    return ReadContent({file_.fd, file_.offset + offset, length}, whole ? digest_ : Digest(),
                       [&](std::string_view piece) {
                         return stop.stop_requested() ? Cancelled("reading a blob was stopped")
                                                      : sink(piece);
                       });
  }

 private:
  const Digest digest_;
  const ContentFile file_;
};

// The tar of a layer that is an index and contents. Reads that follow each other go on where the
// last one ended.
class TarReader : public BlobReader {
 public:
  TarReader(LayerStore* layers, LayerRef layer, const Digest& diff_id, uint64_t size)
      : layers_(layers), layer_(std::move(layer)), diff_id_(diff_id), size_(size) {}

  uint64_t size() const override { return size_; }
  const ContentFile* file() const override { return nullptr; }
  absl::Status Read(uint64_t offset, uint64_t length,
                    const std::function<absl::Status(std::string_view)>& sink,
                    std::stop_token stop) override {
    if (stream_ == nullptr || offset != at_) {
      Begin(offset);
    }
    while (length > 0) {
      ASSIGN_OR_RETURN(const std::string piece,
                       stream_->Next(std::min<uint64_t>(length, kPiece), stop));
      at_ += piece.size();
      length -= piece.size();
      digest_.Update(piece);
      if (piece.empty() || (from_start_ && at_ == size_ && digest_.Finish() != diff_id_)) {
        return DataLoss(
            fmt::format("the store cannot make the layer {} again: its contents are "
                        "damaged",
                        diff_id_.ToString()));
      }
      RETURN_IF_ERROR(sink(piece));
    }
    return absl::OkStatus();
  }

 private:
  static constexpr uint64_t kPiece = uint64_t{1} << 20;

  void Begin(uint64_t offset) {
    at_ = offset;
    from_start_ = offset == 0;
    digest_ = Sha256();
    stream_ = std::make_unique<ReadAhead>(
        [layers = layers_, layer = layer_, wanted = WantedTar(diff_id_, offset)](
            const std::function<absl::Status(std::string_view)>& sink, std::stop_token stop) {
          return layers->WriteTar(layer, wanted, sink, std::move(stop));
        });
  }

  LayerStore* const layers_;
  const LayerRef layer_;
  const Digest diff_id_;
  const uint64_t size_;
  uint64_t at_ = 0;
  bool from_start_ = false;
  Sha256 digest_;
  std::unique_ptr<ReadAhead> stream_;
};

class StoredUpload : public BlobUpload {
 public:
  StoredUpload(const ImageParts& parts, std::string_view name_space,
               std::unique_ptr<BlobWriter> writer)
      : parts_(parts), name_space_(name_space), writer_(std::move(writer)) {}

  absl::Status Append(std::string_view data) override {
    size_ += data.size();
    return writer_->Append(data);
  }
  uint64_t size() const override { return size_; }

  absl::Status Commit(const Digest& expected) override {
    if (const Digest found = writer_->Finish(); found != expected) {
      return InvalidArgument(fmt::format("what was sent has the digest {}, not {}",
                                         found.ToString(), expected.ToString()));
    }
    BlobLeases::Lease lease(parts_.leases);
    lease.AddNew(expected);
    RETURN_IF_ERROR(writer_->Commit(expected).status());
    return parts_.database->WriteUnsynced([&](Connection& connection) {
      return AddUploadedBlob(connection, name_space_, expected, parts_.clock->NowNs());
    });
  }

 private:
  const ImageParts& parts_;
  const std::string name_space_;
  const std::unique_ptr<BlobWriter> writer_;
  uint64_t size_ = 0;
};

class StoreRepositories : public Repositories {
 public:
  explicit StoreRepositories(const ImageParts& parts) : parts_(parts) {}

  absl::StatusOr<RepositoryManifest> GetManifest(std::string_view name_space,
                                                 const std::string& repository,
                                                 const std::string& reference) override;
  absl::StatusOr<Digest> PutManifest(std::string_view name_space,
                                     const ManifestPut& manifest) override;
  absl::Status DeleteManifest(std::string_view name_space, const std::string& repository,
                              const std::string& reference) override;
  absl::StatusOr<std::vector<std::string>> ListTags(std::string_view name_space,
                                                    const std::string& repository,
                                                    const std::string& after,
                                                    size_t limit) override {
    std::vector<std::string> tags;
    RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(tags, ReadTags(connection, name_space, repository, after, limit));
      if (!tags.empty()) {
        return absl::OkStatus();
      }
      ASSIGN_OR_RETURN(const bool found, HasRepository(connection, name_space, repository));
      return found ? absl::OkStatus()
                   : NotFound(fmt::format("there is no repository {}", ToUtf8(repository)));
    }));
    return tags;
  }
  absl::StatusOr<std::vector<std::string>> ListRepositories(std::string_view name_space,
                                                            const std::string& after,
                                                            size_t limit) override {
    std::vector<std::string> names;
    RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(names, ReadRepositories(connection, name_space, after, limit));
      return absl::OkStatus();
    }));
    return names;
  }
  absl::StatusOr<std::vector<Referrer>> ListReferrers(std::string_view name_space,
                                                      const std::string& repository,
                                                      const Digest& subject) override;
  absl::StatusOr<std::unique_ptr<BlobReader>> OpenBlob(std::string_view name_space,
                                                       const Digest& digest) override;
  absl::StatusOr<std::unique_ptr<BlobUpload>> NewBlob(std::string_view name_space) override {
    ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> writer, parts_.blobs->NewBlob());
    return std::make_unique<StoredUpload>(parts_, name_space, std::move(writer));
  }
  absl::Status DeleteBlob(std::string_view name_space, const Digest& digest) override;
  absl::Status DropStaleRows() override;

 private:
  absl::StatusOr<ImageRow> Describe(const AnyManifest& document, const ManifestPut& put);
  absl::StatusOr<ConfigDocument> ReadConfig(const Descriptor& config);
  absl::StatusOr<std::unique_ptr<BlobReader>> OpenAnyones(const Digest& digest);
  absl::Status CheckParts(std::string_view name_space, const AnyManifest& document, bool sparse);

  const ImageParts parts_;
};

absl::StatusOr<RepositoryManifest> StoreRepositories::GetManifest(std::string_view name_space,
                                                                  const std::string& repository,
                                                                  const std::string& reference) {
  ImageRow row;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(std::optional<Digest> found,
                     FindInRepository(connection, name_space, repository, reference));
    if (const auto digest = Digest::Parse(reference); !found.has_value() && digest.ok()) {
      ASSIGN_OR_RETURN(const bool part, IsInIndexOf(connection, name_space, repository, *digest));
      found = part ? std::optional<Digest>(*digest) : std::nullopt;
    }
    if (!found.has_value()) {
      return NoSuchManifest(repository, reference);
    }
    ASSIGN_OR_RETURN(row, ReadImage(connection, *found));
    return absl::OkStatus();
  }));
  if (!parts_.used_manifests->TryTouch(row.manifest)) {
    return NoSuchManifest(repository, reference);
  }
  return ReadManifest(*parts_.blobs, row);
}

// Blobs and manifests that a manifest names must be the namespace's, unless it is sparse, and those
// that are must have the sizes that it says.
absl::Status StoreRepositories::CheckParts(std::string_view name_space, const AnyManifest& document,
                                           bool sparse) {
  std::vector<Descriptor> blobs;
  if (document.kind != ManifestKind::kIndex) {
    blobs.push_back(document.config);
  }
  for (const Descriptor& layer : document.layers) {
    if (!IsForeignLayer(layer.media_type)) {
      blobs.push_back(layer);
    }
  }
  std::vector<Descriptor> here;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    for (const Descriptor& blob : blobs) {
      ASSIGN_OR_RETURN(const bool has, HasBlob(connection, name_space, blob.digest));
      if (has) {
        here.push_back(blob);
      } else if (!sparse) {
        return FailedPrecondition(fmt::format("the manifest names the blob {}, which is not here",
                                              blob.digest.ToString()));
      }
    }
    for (const Descriptor& child : document.manifests) {
      ASSIGN_OR_RETURN(const bool has, HasImage(connection, name_space, child.digest));
      if (has) {
        here.push_back(child);
      } else if (!sparse) {
        return FailedPrecondition(fmt::format("the index names the manifest {}, which is not here",
                                              child.digest.ToString()));
      }
    }
    return absl::OkStatus();
  }));
  for (const Descriptor& part : here) {
    const absl::StatusOr<std::unique_ptr<BlobReader>> reader = OpenAnyones(part.digest);
    if (absl::IsNotFound(reader.status())) {
      continue;  // a registry has it, or it can be made once it is needed
    }
    RETURN_IF_ERROR(reader.status());
    if ((*reader)->size() != part.size) {
      return InvalidArgument(
          fmt::format("the manifest says that {} has {} bytes, but what is here has {}",
                      part.digest.ToString(), part.size, (*reader)->size()));
    }
  }
  return absl::OkStatus();
}

// The row of what is put; an image whose configuration is not one of an image is an artifact.
absl::StatusOr<ImageRow> StoreRepositories::Describe(const AnyManifest& document,
                                                     const ManifestPut& put) {
  ImageRow row;
  row.manifest = Digest::Of(put.bytes);
  row.kind = document.kind;
  row.media_type = document.media_type;
  row.subject = document.subject;
  row.source = put.sparse ? put.repository : "";
  row.config = document.kind == ManifestKind::kIndex ? row.manifest : document.config.digest;
  for (size_t i = 0; i < document.layers.size(); ++i) {
    const Descriptor& layer = document.layers[i];
    row.layers.push_back({i < put.layers.size() ? put.layers[i] : Digest(), Digest(), layer.digest,
                          layer.size, layer.media_type});
  }
  for (const Descriptor& child : document.manifests) {
    row.children.push_back(child.digest);
  }
  if (row.kind == ManifestKind::kImage) {
    absl::StatusOr<ConfigDocument> config = ReadConfig(document.config);
    if (config.ok() && config->diff_ids.size() == row.layers.size()) {
      row.created_ns = config->created_ns;
    } else if (put.sparse) {
      return config.ok() ? InvalidArgument("its configuration has another number of layers")
                         : config.status();
    } else {
      row.kind = ManifestKind::kArtifact;
    }
  }
  return row;
}

absl::StatusOr<ConfigDocument> StoreRepositories::ReadConfig(const Descriptor& config) {
  if (config.size > kMaxConfigBytes) {
    return InvalidArgument(fmt::format("its configuration has {} bytes, at most {} are allowed",
                                       config.size, kMaxConfigBytes));
  }
  ASSIGN_OR_RETURN(const std::string json, parts_.blobs->Read(config.digest));
  return ParseConfig(json);
}

absl::StatusOr<Digest> StoreRepositories::PutManifest(std::string_view name_space,
                                                      const ManifestPut& put) {
  ASSIGN_OR_RETURN(const AnyManifest document, ParseAnyManifest(put.media_type, put.bytes));
  const Digest digest = Digest::Of(put.bytes);
  const Uses::Work work = parts_.uses->Begin();
  BlobLeases::Lease lease(parts_.leases);
  lease.Add(document.config.digest);
  for (const Descriptor& layer : document.layers) {
    lease.Add(layer.digest);
  }
  RETURN_IF_ERROR(CheckParts(name_space, document, put.sparse));
  ASSIGN_OR_RETURN(const ImageRow row, Describe(document, put));
  lease.AddNew(digest);
  RETURN_IF_ERROR(parts_.blobs->Write(put.bytes).status());
  parts_.used_manifests->Touch(digest);
  const std::vector<Digest> claims = put.sparse ? BlobsToFetch(row) : std::vector<Digest>();
  RETURN_IF_ERROR(parts_.database->Write([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(ClaimBlobs(connection, name_space, claims));
    RETURN_IF_ERROR(InsertImage(connection, row));
    RETURN_IF_ERROR(AddToRepository(connection, name_space, put.repository, digest));
    const std::string name = put.tag.empty() ? "" : put.repository + ":" + put.tag;
    return SetTag(connection, name_space, name, digest, parts_.clock->NowNs());
  }));
  return digest;
}

absl::Status StoreRepositories::DeleteManifest(std::string_view name_space,
                                               const std::string& repository,
                                               const std::string& reference) {
  std::vector<Digest> blobs;
  RETURN_IF_ERROR(parts_.database->Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<Digest> found,
                     FindInRepository(connection, name_space, repository, reference));
    if (!found.has_value()) {
      return NotToBeDeleted(connection, name_space, repository, reference);
    }
    if (!IsDigest(reference)) {
      RETURN_IF_ERROR(RemoveName(connection, name_space, repository + ":" + reference));
      return SetTag(connection, name_space, "", *found, parts_.clock->NowNs());
    }
    ASSIGN_OR_RETURN(const ImageRow row, ReadImage(connection, *found));
    RETURN_IF_ERROR(RemoveFromRepository(connection, name_space, repository, *found));
    ASSIGN_OR_RETURN(const bool stays, IsElsewhere(connection, name_space, *found));
    if (stays) {
      return SetTag(connection, name_space, "", *found, parts_.clock->NowNs());
    }
    RETURN_IF_ERROR(RemoveNames(connection, name_space, *found));
    blobs = BlobsOf(row);
    return RemoveUnnamed(connection, *found);
  }));
  parts_.leases->DropUnused(blobs).IgnoreError();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Referrer>> StoreRepositories::ListReferrers(
    std::string_view name_space, const std::string& repository, const Digest& subject) {
  std::vector<Digest> found;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(found, FindReferrers(connection, name_space, repository, subject));
    return absl::OkStatus();
  }));
  std::vector<Referrer> referrers;
  for (const Digest& digest : found) {
    absl::StatusOr<std::string> bytes = parts_.blobs->Read(digest);
    if (absl::IsNotFound(bytes.status())) {
      continue;  // it was removed meanwhile
    }
    RETURN_IF_ERROR(bytes.status());
    ASSIGN_OR_RETURN(AnyManifest document, ParseAnyManifest("", *bytes));
    referrers.push_back({digest, std::move(document.media_type), bytes->size(),
                         std::move(document.artifact_type), std::move(document.annotations)});
  }
  return referrers;
}

absl::StatusOr<std::unique_ptr<BlobReader>> StoreRepositories::OpenBlob(std::string_view name_space,
                                                                        const Digest& digest) {
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const bool has, HasBlob(connection, name_space, digest));
    return has ? absl::OkStatus() : NoSuchBlob(digest);
  }));
  return OpenAnyones(digest);
}

// Whichever namespace has it.
absl::StatusOr<std::unique_ptr<BlobReader>> StoreRepositories::OpenAnyones(const Digest& digest) {
  absl::StatusOr<ContentFile> file = parts_.blobs->Open(digest);
  if (file.ok()) {
    return std::make_unique<FileReader>(digest, *std::move(file));
  }
  if (!absl::IsNotFound(file.status())) {
    return file.status();
  }
  Digest layer;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(layer, FindLayer(connection, digest));
    return layer.IsNone() ? NoSuchBlob(digest) : absl::OkStatus();
  }));
  ASSIGN_OR_RETURN(LayerRef opened, parts_.layers->Get(layer));
  ASSIGN_OR_RETURN(const std::optional<uint64_t> size, parts_.layers->TarSize(layer, digest));
  if (!size.has_value()) {
    return NoSuchBlob(digest);
  }
  return std::make_unique<TarReader>(parts_.layers, std::move(opened), digest, *size);
}

absl::Status StoreRepositories::DeleteBlob(std::string_view name_space, const Digest& digest) {
  RETURN_IF_ERROR(parts_.database->Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const bool had, HasBlob(connection, name_space, digest));
    if (!had) {
      return NoSuchBlob(digest);
    }
    RETURN_IF_ERROR(RemoveUploadedBlob(connection, name_space, digest));
    ASSIGN_OR_RETURN(const bool named, HasBlob(connection, name_space, digest));
    return named ? FailedPrecondition(fmt::format("the blob {} is part of a manifest that is here",
                                                  digest.ToString()))
                 : absl::OkStatus();
  }));
  return parts_.leases->DropUnused({digest});
}

absl::Status StoreRepositories::DropStaleRows() {
  return parts_.database->Write([&](Connection& connection) -> absl::Status {
    const int64_t now_ns = parts_.clock->NowNs();
    RETURN_IF_ERROR(RemoveVainClaims(connection));
    RETURN_IF_ERROR(RemoveCompressed(connection, now_ns - kCompressedNs));
    return RemoveUploadedBefore(connection, now_ns - kUploadNs);
  });
}

}  // namespace

std::unique_ptr<Repositories> OpenRepositories(const ImageParts& parts) {
  return std::make_unique<StoreRepositories>(parts);
}

}  // namespace zlayer
