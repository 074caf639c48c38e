#include "registry/transfer/layer_forms.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/read_ahead.h"
#include "base/status_macros.h"
#include "registry/image/image_json.h"
#include "registry/layer/archive.h"

namespace zlayer {
namespace {

// Times of use are written anew when they are older.
constexpr int64_t kStaleNs = int64_t{24} * 3600 * 1'000'000'000;

using Sink = std::function<absl::Status(std::string_view)>;

// What `produce` writes is the tar of this digest.
absl::Status Checked(const Digest& diff_id, const Sink& sink,
                     const std::function<absl::Status(const Sink&)>& produce) {
  Sha256 digest;
  RETURN_IF_ERROR(produce([&](std::string_view piece) {
    digest.Update(piece);
    return sink(piece);
  }));
  return digest.Finish() == diff_id
             ? absl::OkStatus()
             : DataLoss(fmt::format("the store cannot make the layer {} again: its contents are "
                                    "damaged",
                                    diff_id.ToString()));
}

}  // namespace

std::optional<Compression> CompressionOf(std::string_view media_type) {
  if (media_type.ends_with("gzip")) {
    return Compression::kGzip;
  }
  if (media_type.ends_with("zstd")) {
    return Compression::kZstd;
  }
  return media_type.ends_with("tar") ? std::optional(Compression::kNone) : std::nullopt;
}

std::string_view LayerMediaType(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return kTarGzipMediaType;
    case Compression::kZstd:
      return kTarZstdMediaType;
    default:
      return kTarMediaType;
  }
}

BlobSource SourceOf(const Digest& digest, const ContentFile& file) {
  return {digest, file.size,
          [file](uint64_t offset, const std::function<absl::Status(std::string_view)>& sink) {
            return ReadContent({file.fd, file.offset + offset, file.size - offset}, Digest(), sink);
          }};
}

absl::StatusOr<std::optional<ImageLayer>> LayerForms::Find(const Digest& diff_id,
                                                           const CompressorOptions& options) {
  std::optional<ImageLayer> found;
  bool stale = false;
  RETURN_IF_ERROR(parts_.database->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement query,
                     connection.Prepare("SELECT digest, size, used FROM compressed_layers WHERE "
                                        "diff_id = ? AND compression = ?"));
    query.BindDigest(1, diff_id).BindText(2, CompressionName(options));
    ASSIGN_OR_RETURN(const bool any, query.Step());
    if (any) {
      ImageLayer& layer = found.emplace();
      layer.diff_id = diff_id;
      ASSIGN_OR_RETURN(layer.digest, query.DigestAt(0));
      layer.size = static_cast<uint64_t>(query.Int(1));
      layer.media_type = LayerMediaType(options.compression);
      stale = query.Int(2) < parts_.clock->NowNs() - kStaleNs;
    }
    return absl::OkStatus();
  }));
  if (stale) {
    RETURN_IF_ERROR(Remember(diff_id, options, {found->digest, found->media_type, found->size}));
  }
  return found;
}

absl::Status LayerForms::WriteTar(const ImageLayer& layer, const Sink& sink,
                                  const std::stop_token& stop) {
  absl::StatusOr<ContentFile> blob = parts_.blobs->Open(layer.digest);
  if (blob.ok()) {
    // A thread reads and unpacks, another one digests.
    return Checked(layer.diff_id, sink, [&](const Sink& write) {
      return CopyAhead(
          [&](const Sink& tar, const std::stop_token& stopped) {
            return ReadUncompressed(*blob, ArchiveLimits(), tar, stopped);
          },
          write, stop);
    });
  }
  if (!absl::IsNotFound(blob.status()) || layer.layer.IsNone()) {
    return blob.status();
  }
  ASSIGN_OR_RETURN(const LayerRef index, parts_.layers->Get(layer.layer));
  return WriteMade(index, layer.diff_id, sink, stop);
}

// A tar of the layer that is not stored, or its end, which cannot be checked.
absl::Status LayerForms::WriteMade(const LayerRef& layer, const WantedTar& wanted, const Sink& sink,
                                   const std::stop_token& stop) {
  const auto produce = [&](const Sink& write) {
    return parts_.layers->WriteTar(layer, wanted, write, stop);
  };
  return wanted.from == 0 ? Checked(wanted.diff_id, sink, produce) : produce(sink);
}

absl::StatusOr<RemoteDescriptor> LayerForms::Compress(
    const ImageLayer& layer, const CompressorOptions& options,
    const std::function<absl::Status(std::string_view)>& sink, std::stop_token stop) {
  RemoteDescriptor made;
  made.media_type = LayerMediaType(options.compression);
  Sha256 digest;
  ASSIGN_OR_RETURN(const std::unique_ptr<Compressor> compressor, MakeCompressor(
                                                                     options,
                                                                     [&](std::string_view piece) {
                                                                       digest.Update(piece);
                                                                       made.size += piece.size();
                                                                       return sink(piece);
                                                                     },
                                                                     stop));
  RETURN_IF_ERROR(
      CopyAhead([&](const auto& tar,
                    const std::stop_token& stopped) { return WriteTar(layer, tar, stopped); },
                [&](std::string_view piece) { return compressor->Append(piece); }, stop));
  RETURN_IF_ERROR(compressor->Finish());
  made.digest = digest.Finish();
  RETURN_IF_ERROR(Remember(layer.diff_id, options, made));
  return made;
}

absl::Status LayerForms::Remember(const Digest& diff_id, const CompressorOptions& options,
                                  const RemoteDescriptor& made) {
  return parts_.database->WriteUnsynced([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement insert,
                     connection.Prepare("INSERT INTO compressed_layers (diff_id, compression, "
                                        "digest, size, used) VALUES (?, ?, ?, ?, ?) ON CONFLICT "
                                        "DO UPDATE SET digest = excluded.digest, "
                                        "size = excluded.size, used = excluded.used"));
    insert.BindDigest(1, diff_id).BindText(2, CompressionName(options));
    insert.BindDigest(3, made.digest).Bind(4, static_cast<int64_t>(made.size));
    return insert.Bind(5, parts_.clock->NowNs()).Run();
  });
}

absl::StatusOr<BlobSource> LayerForms::Open(const ImageLayer& layer, std::stop_token stop) {
  absl::StatusOr<ContentFile> blob = parts_.blobs->Open(layer.digest);
  if (blob.ok()) {
    return SourceOf(layer.digest, *blob);
  }
  if (!absl::IsNotFound(blob.status()) || layer.layer.IsNone()) {
    return blob.status();
  }
  ASSIGN_OR_RETURN(const LayerRef index, parts_.layers->Get(layer.layer));
  return BlobSource{
      layer.digest, layer.size,
      [this, index, digest = layer.digest, stop = std::move(stop)](
          uint64_t offset, const std::function<absl::Status(std::string_view)>& sink) {
        return CopyAhead(
            [&](const auto& tar, const std::stop_token& stopped) {
              return WriteMade(index, {digest, offset}, tar, stopped);
            },
            sink, stop);
      }};
}

absl::StatusOr<std::vector<std::string>> RepositoriesWith(Database& database,
                                                          const std::string& name_space,
                                                          const RemoteRepository& where,
                                                          const Digest& blob) {
  constexpr int64_t kMost = 3;
  // An image has one source, the last one, but may be in several repositories.
  constexpr const char* kQuery =
      "WITH named AS (SELECT manifest FROM image_layers WHERE digest = ?1 "
      "UNION SELECT manifest FROM images WHERE config = ?1), "
      "known AS (SELECT repository FROM repository_manifests r JOIN images USING (manifest) "
      "WHERE r.manifest IN named AND namespace = ?2 AND source <> '' "
      "UNION SELECT source FROM images JOIN tags USING (manifest) "
      "WHERE manifest IN named AND namespace = ?2) "
      "SELECT repository FROM known WHERE repository > ?3 AND repository < ?4 AND "
      "repository <> ?5 LIMIT ?6";
  std::vector<std::string> repositories;
  RETURN_IF_ERROR(database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement query, connection.Prepare(kQuery));
    const std::string first = where.registry + "/";
    const std::string end = where.registry + "0";
    const std::string self = first + where.repository;
    query.BindDigest(1, blob).BindText(2, name_space).BindText(3, first).BindText(4, end);
    query.BindText(5, self).Bind(6, kMost);
    while (true) {
      ASSIGN_OR_RETURN(const bool more, query.Step());
      if (!more) {
        return absl::OkStatus();
      }
      repositories.emplace_back(query.Text(0).substr(first.size()));
    }
  }));
  return repositories;
}

}  // namespace zlayer
