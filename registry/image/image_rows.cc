#include "registry/image/image_rows.h"

#include <fmt/format.h>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/meta/boot.h"

namespace zlayer {
namespace {

uint64_t SizeOf(const std::vector<ImageLayer>& layers) {
  uint64_t size = 0;
  for (const ImageLayer& layer : layers) {
    size += layer.size;
  }
  return size;
}

void BindDigestOrNull(Statement& statement, int parameter, const Digest& digest) {
  if (digest.IsNone()) {
    statement.BindNull(parameter);
  } else {
    statement.BindDigest(parameter, digest);
  }
}

absl::StatusOr<Digest> DigestOrNone(const Statement& row, int column) {
  return row.IsNull(column) ? absl::StatusOr<Digest>(Digest()) : row.DigestAt(column);
}

absl::Status SetSource(Connection& connection, const ImageRow& image) {
  if (image.source.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(Statement update,
                   connection.Prepare("UPDATE images SET source = ? WHERE manifest = ?"));
  return update.BindText(1, image.source).BindDigest(2, image.manifest).Run();
}

// Whether something but a name needs the image {0}: an index that it is in, the manifest that it is
// about, or a named image that it is another form of (what a push made of it).
constexpr std::string_view kIsNeeded =
    "(EXISTS (SELECT 1 FROM index_manifests WHERE child = {0}) "
    "OR EXISTS (SELECT 1 FROM images a JOIN images b ON b.manifest = a.subject "
    "WHERE a.manifest = {0}) "
    "OR EXISTS (SELECT 1 FROM images a JOIN images b ON b.config = a.config AND b.manifest <> {0} "
    "JOIN tags t ON t.manifest = b.manifest WHERE a.manifest = {0} AND a.source <> '' "
    "AND t.reference <> ''))";

std::string IsNeededSql(std::string_view manifest) {
  return fmt::format(fmt::runtime(kIsNeeded), manifest);
}

absl::StatusOr<bool> IsNeeded(Connection& connection, const Digest& manifest) {
  ASSIGN_OR_RETURN(Statement query, connection.Prepare("SELECT " + IsNeededSql("?1")));
  query.BindDigest(1, manifest);
  RETURN_IF_ERROR(query.Step().status());
  return query.Int(0) != 0;
}

}  // namespace

absl::Status InsertImage(Connection& connection, const ImageRow& image) {
  ASSIGN_OR_RETURN(
      Statement insert,
      connection.Prepare("INSERT INTO images (manifest, config, created, size, boot, kind, "
                         "media_type, subject, source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
                         "ON CONFLICT DO NOTHING"));
  insert.BindDigest(1, image.manifest).BindDigest(2, image.config).Bind(3, image.created_ns);
  insert.Bind(4, static_cast<int64_t>(SizeOf(image.layers))).BindText(5, BootId());
  insert.Bind(6, static_cast<int64_t>(image.kind)).BindText(7, image.media_type);
  BindDigestOrNull(insert, 8, image.subject);
  insert.BindText(9, image.source);
  RETURN_IF_ERROR(insert.Run());
  if (connection.changes() == 0) {
    RETURN_IF_ERROR(SetSource(connection, image));
    return SetLayers(connection, image);
  }
  ASSIGN_OR_RETURN(
      Statement layers,
      connection.Prepare("INSERT INTO image_layers (manifest, position, layer, digest, "
                         "size, media_type) VALUES (?, ?, ?, ?, ?, ?)"));
  for (size_t i = 0; i < image.layers.size(); ++i) {
    const ImageLayer& layer = image.layers[i];
    layers.BindDigest(1, image.manifest).Bind(2, static_cast<int64_t>(i));
    BindDigestOrNull(layers, 3, layer.layer);
    layers.BindDigest(4, layer.digest);
    layers.Bind(5, static_cast<int64_t>(layer.size)).BindText(6, layer.media_type);
    RETURN_IF_ERROR(layers.Run());
  }
  ASSIGN_OR_RETURN(Statement child,
                   connection.Prepare("INSERT INTO index_manifests (manifest, child) "
                                      "VALUES (?, ?) ON CONFLICT DO NOTHING"));
  for (const Digest& manifest : image.children) {
    RETURN_IF_ERROR(child.BindDigest(1, image.manifest).BindDigest(2, manifest).Run());
  }
  return absl::OkStatus();
}

absl::Status SetLayers(Connection& connection, const ImageRow& image) {
  ASSIGN_OR_RETURN(Statement update,
                   connection.Prepare("UPDATE image_layers SET layer = ? WHERE manifest = ? AND "
                                      "position = ? AND layer IS NULL"));
  for (size_t i = 0; i < image.layers.size(); ++i) {
    if (!image.layers[i].layer.IsNone()) {
      update.BindDigest(1, image.layers[i].layer).BindDigest(2, image.manifest);
      RETURN_IF_ERROR(update.Bind(3, static_cast<int64_t>(i)).Run());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ImageRow> ReadImage(Connection& connection, const Digest& manifest) {
  ImageRow image;
  image.manifest = manifest;
  ASSIGN_OR_RETURN(Statement query,
                   connection.Prepare("SELECT config, created, kind, media_type, subject, source "
                                      "FROM images WHERE manifest = ?"));
  ASSIGN_OR_RETURN(bool found, query.BindDigest(1, manifest).Step());
  if (!found) {
    return NotFound(fmt::format("image {} is not in the local store", manifest.ToString()));
  }
  ASSIGN_OR_RETURN(image.config, query.DigestAt(0));
  image.created_ns = query.Int(1);
  image.kind = static_cast<ManifestKind>(query.Int(2));
  image.media_type = query.Text(3);
  ASSIGN_OR_RETURN(image.subject, DigestOrNone(query, 4));
  image.source = query.Text(5);
  ASSIGN_OR_RETURN(Statement layers,
                   connection.Prepare("SELECT layer, digest, size, media_type FROM image_layers "
                                      "WHERE manifest = ? ORDER BY position"));
  layers.BindDigest(1, manifest);
  while (true) {
    ASSIGN_OR_RETURN(bool more, layers.Step());
    if (!more) {
      return image;
    }
    ImageLayer layer;
    ASSIGN_OR_RETURN(layer.layer, DigestOrNone(layers, 0));
    ASSIGN_OR_RETURN(layer.digest, layers.DigestAt(1));
    layer.size = static_cast<uint64_t>(layers.Int(2));
    layer.media_type = layers.Text(3);
    image.layers.push_back(std::move(layer));
  }
}

absl::Status SetTag(Connection& connection, std::string_view name_space, const std::string& name,
                    const Digest& manifest, int64_t now_ns) {
  std::optional<Digest> old;
  if (name.empty()) {
    ASSIGN_OR_RETURN(bool present, HasImage(connection, name_space, manifest));
    if (present) {
      return absl::OkStatus();
    }
  } else {
    ASSIGN_OR_RETURN(old, FindByName(connection, name_space, name));
    RETURN_IF_ERROR(RemoveName(connection, name_space, name));
    ASSIGN_OR_RETURN(Statement nameless,
                     connection.Prepare("DELETE FROM tags WHERE namespace = ? AND reference = '' "
                                        "AND manifest = ?"));
    RETURN_IF_ERROR(nameless.BindText(1, name_space).BindDigest(2, manifest).Run());
  }
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO tags (namespace, reference, manifest, updated) "
                                      "VALUES (?, ?, ?, ?)"));
  insert.BindText(1, name_space).BindText(2, name).BindDigest(3, manifest).Bind(4, now_ns);
  RETURN_IF_ERROR(insert.Run());
  if (old.has_value() && *old != manifest) {
    return SetTag(connection, name_space, "", *old, now_ns);
  }
  return absl::OkStatus();
}

absl::Status SetSourceHash(Connection& connection, std::string_view name_space,
                           const std::string& name, std::string_view hash) {
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO source_hashes SELECT namespace, reference, "
                                      "manifest, ?3 FROM tags WHERE namespace = ?1 AND "
                                      "reference = ?2"));
  return insert.BindText(1, name_space).BindText(2, name).BindText(3, hash).Run();
}

absl::StatusOr<std::optional<Digest>> FindBySourceHash(Connection& connection,
                                                       std::string_view name_space,
                                                       const std::string& name,
                                                       std::string_view hash) {
  ASSIGN_OR_RETURN(Statement query,
                   connection.Prepare("SELECT manifest FROM source_hashes WHERE namespace = ? AND "
                                      "reference = ? AND hash = ?"));
  ASSIGN_OR_RETURN(const bool found,
                   query.BindText(1, name_space).BindText(2, name).BindText(3, hash).Step());
  if (!found) {
    return std::optional<Digest>();
  }
  ASSIGN_OR_RETURN(const Digest manifest, query.DigestAt(0));
  return std::optional<Digest>(manifest);
}

absl::StatusOr<std::optional<Digest>> FindByName(Connection& connection,
                                                 std::string_view name_space,
                                                 const std::string& name) {
  ASSIGN_OR_RETURN(Statement query,
                   connection.Prepare("SELECT manifest FROM tags WHERE namespace = ? AND "
                                      "reference = ? AND reference <> ''"));
  ASSIGN_OR_RETURN(bool found, query.BindText(1, name_space).BindText(2, name).Step());
  if (!found) {
    return std::optional<Digest>();
  }
  ASSIGN_OR_RETURN(Digest manifest, query.DigestAt(0));
  return std::optional<Digest>(manifest);
}

absl::StatusOr<std::vector<FoundImage>> FindByDigest(Connection& connection,
                                                     std::string_view name_space,
                                                     std::string_view hex) {
  std::string padding(2 * Digest::kSize - hex.size(), '0');
  ASSIGN_OR_RETURN(Digest first, Digest::FromHex(std::string(hex) + padding));
  padding.assign(padding.size(), 'f');
  ASSIGN_OR_RETURN(Digest last, Digest::FromHex(std::string(hex) + padding));
  ASSIGN_OR_RETURN(
      Statement query,
      // CROSS: the images that fit first, since a namespace may have many names.
      connection.Prepare("SELECT images.manifest, config FROM images CROSS JOIN tags "
                         "ON tags.manifest = images.manifest WHERE namespace = ?1 AND "
                         "(images.manifest BETWEEN ?2 AND ?3 OR config BETWEEN ?2 AND ?3) "
                         "GROUP BY images.manifest ORDER BY max(updated) DESC, images.manifest"));
  query.BindText(1, name_space).BindDigest(2, first).BindDigest(3, last);
  std::vector<FoundImage> found;
  while (true) {
    ASSIGN_OR_RETURN(bool more, query.Step());
    if (!more) {
      return found;
    }
    FoundImage image;
    ASSIGN_OR_RETURN(image.manifest, query.DigestAt(0));
    ASSIGN_OR_RETURN(image.config, query.DigestAt(1));
    found.push_back(image);
  }
}

absl::Status ForEachName(Connection& connection, std::string_view name_space,
                         const ImagePosition& after,
                         const std::function<bool(const ImagePosition&)>& visit) {
  ASSIGN_OR_RETURN(Statement query,
                   connection.Prepare(fmt::format(
                       "SELECT reference, manifest FROM tags WHERE namespace = ?1 AND "
                       "(reference, manifest) > (?2, ?3) AND (reference <> '' OR NOT {}) "
                       "ORDER BY reference, manifest",
                       IsNeededSql("tags.manifest"))));
  query.BindText(1, name_space).BindText(2, after.name).BindDigest(3, after.manifest);
  while (true) {
    ASSIGN_OR_RETURN(bool more, query.Step());
    if (!more) {
      return absl::OkStatus();
    }
    ImagePosition at{std::string(query.Text(0)), {}};
    ASSIGN_OR_RETURN(at.manifest, query.DigestAt(1));
    if (!visit(at)) {
      return absl::OkStatus();
    }
  }
}

absl::StatusOr<std::vector<std::string>> ReadNames(Connection& connection,
                                                   std::string_view name_space,
                                                   const Digest& manifest) {
  ASSIGN_OR_RETURN(Statement query,
                   connection.Prepare("SELECT reference FROM tags WHERE namespace = ? AND "
                                      "manifest = ? AND reference <> '' ORDER BY reference"));
  query.BindText(1, name_space).BindDigest(2, manifest);
  std::vector<std::string> names;
  while (true) {
    ASSIGN_OR_RETURN(bool more, query.Step());
    if (!more) {
      return names;
    }
    names.emplace_back(query.Text(0));
  }
}

absl::StatusOr<bool> HasImage(Connection& connection, std::string_view name_space,
                              const Digest& manifest) {
  ASSIGN_OR_RETURN(Statement query, connection.Prepare("SELECT 1 FROM tags WHERE manifest = ? AND "
                                                       "namespace = ? LIMIT 1"));
  return query.BindDigest(1, manifest).BindText(2, name_space).Step();
}

absl::Status RemoveName(Connection& connection, std::string_view name_space,
                        const std::string& name) {
  ASSIGN_OR_RETURN(Statement remove,
                   connection.Prepare("DELETE FROM tags WHERE namespace = ? AND reference = ?"));
  return remove.BindText(1, name_space).BindText(2, name).Run();
}

absl::Status RemoveNames(Connection& connection, std::string_view name_space,
                         const Digest& manifest) {
  ASSIGN_OR_RETURN(Statement remove,
                   connection.Prepare("DELETE FROM tags WHERE manifest = ? AND namespace = ?"));
  return remove.BindDigest(1, manifest).BindText(2, name_space).Run();
}

absl::Status RemoveUnnamed(Connection& connection, const Digest& manifest) {
  ASSIGN_OR_RETURN(Statement remove,
                   connection.Prepare("DELETE FROM images WHERE manifest = ?1 AND NOT EXISTS "
                                      "(SELECT 1 FROM tags WHERE tags.manifest = ?1)"));
  return remove.BindDigest(1, manifest).Run();
}

// Into a repository here, that is, and not pulled.
absl::StatusOr<bool> IsSent(Connection& connection, const Digest& manifest) {
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare("SELECT 1 FROM repository_manifests r JOIN images i ON "
                         "i.manifest = r.manifest WHERE r.manifest = ? AND i.source = '' LIMIT 1"));
  return query.BindDigest(1, manifest).Step();
}

absl::StatusOr<std::vector<NamelessImage>> FindNameless(Connection& connection, int64_t before_ns) {
  ASSIGN_OR_RETURN(Statement query,
                   connection.Prepare("SELECT manifest, max(updated), min(namespace), "
                                      "max(namespace) FROM tags GROUP BY manifest "
                                      "HAVING max(reference) = '' AND max(updated) < ?"));
  query.Bind(1, before_ns);
  std::vector<NamelessImage> found;
  while (true) {
    ASSIGN_OR_RETURN(bool more, query.Step());
    if (!more) {
      return found;
    }
    ASSIGN_OR_RETURN(const Digest manifest, query.DigestAt(0));
    ASSIGN_OR_RETURN(const bool needed, IsNeeded(connection, manifest));
    if (!needed) {
      const bool only = query.Text(2) == query.Text(3);
      found.push_back({manifest, only ? std::string(query.Text(2)) : "", query.Int(1)});
    }
  }
}

absl::StatusOr<std::vector<NamelessImage>> FindCachedImages(Connection& connection) {
  ASSIGN_OR_RETURN(const std::vector<NamelessImage> nameless, FindNameless(connection, INT64_MAX));
  std::vector<NamelessImage> cached;
  for (const NamelessImage& image : nameless) {
    ASSIGN_OR_RETURN(const bool is_sent, IsSent(connection, image.manifest));
    if (!is_sent) {
      cached.push_back(image);
    }
  }
  return cached;
}

absl::StatusOr<std::vector<Digest>> RemoveIfNameless(Connection& connection, const Digest& manifest,
                                                     int64_t before_ns) {
  ASSIGN_OR_RETURN(Statement stays,
                   connection.Prepare("SELECT 1 FROM tags WHERE manifest = ? AND "
                                      "(reference <> '' OR updated >= ?) LIMIT 1"));
  ASSIGN_OR_RETURN(const bool found, stays.BindDigest(1, manifest).Bind(2, before_ns).Step());
  ASSIGN_OR_RETURN(const bool needed, IsNeeded(connection, manifest));
  absl::StatusOr<ImageRow> image = ReadImage(connection, manifest);
  if (found || needed || absl::IsNotFound(image.status())) {
    return std::vector<Digest>();
  }
  RETURN_IF_ERROR(image.status());
  ASSIGN_OR_RETURN(Statement remove, connection.Prepare("DELETE FROM images WHERE manifest = ?"));
  RETURN_IF_ERROR(remove.BindDigest(1, manifest).Run());
  return BlobsOf(*image);
}

absl::StatusOr<std::vector<Digest>> FindOnlyChildren(Connection& connection,
                                                     std::string_view name_space,
                                                     const Digest& index) {
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare("SELECT child FROM index_manifests c JOIN tags ON tags.manifest = child "
                         "WHERE c.manifest = ?1 AND namespace = ?2 AND reference = '' AND NOT "
                         "EXISTS (SELECT 1 FROM index_manifests o WHERE o.child = c.child AND "
                         "o.manifest <> ?1)"));
  query.BindDigest(1, index).BindText(2, name_space);
  return ReadDigests(query);
}

absl::StatusOr<std::vector<Digest>> ReadDigests(Statement& query) {
  std::vector<Digest> digests;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, query.Step());
    if (!more) {
      return digests;
    }
    ASSIGN_OR_RETURN(digests.emplace_back(), query.DigestAt(0));
  }
}

std::vector<Digest> BlobsOf(const ImageRow& image) {
  std::vector<Digest> blobs = {image.manifest, image.config};
  for (const ImageLayer& layer : image.layers) {
    blobs.push_back(layer.digest);
  }
  return blobs;
}

absl::StatusOr<bool> IsBlobUsed(Connection& connection, const Digest& blob) {
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare("SELECT 1 WHERE EXISTS (SELECT 1 FROM images WHERE manifest = ?1) "
                         "OR EXISTS (SELECT 1 FROM images WHERE config = ?1) "
                         "OR EXISTS (SELECT 1 FROM image_layers WHERE digest = ?1) "
                         "OR EXISTS (SELECT 1 FROM uploaded_blobs WHERE digest = ?1) "
                         "OR EXISTS (SELECT 1 FROM packs WHERE blob = ?1) "
                         "OR EXISTS (SELECT 1 FROM layers WHERE diff_id = ?1 AND tar_format = 0)"));
  return query.BindDigest(1, blob).Step();
}

}  // namespace zlayer
