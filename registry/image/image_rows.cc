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

}  // namespace

absl::Status InsertImage(Connection& connection, const ImageRow& image) {
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO images (manifest, config, created, size, boot) "
                                      "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"));
  insert.BindDigest(1, image.manifest).BindDigest(2, image.config).Bind(3, image.created_ns);
  insert.Bind(4, static_cast<int64_t>(SizeOf(image.layers))).BindText(5, BootId());
  RETURN_IF_ERROR(insert.Run());
  if (connection.changes() == 0) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(
      Statement layers,
      connection.Prepare("INSERT INTO image_layers (manifest, position, layer, digest, "
                         "size, media_type) VALUES (?, ?, ?, ?, ?, ?)"));
  for (size_t i = 0; i < image.layers.size(); ++i) {
    const ImageLayer& layer = image.layers[i];
    layers.BindDigest(1, image.manifest).Bind(2, static_cast<int64_t>(i));
    layers.BindDigest(3, layer.layer).BindDigest(4, layer.digest);
    layers.Bind(5, static_cast<int64_t>(layer.size)).BindText(6, layer.media_type);
    RETURN_IF_ERROR(layers.Run());
  }
  return absl::OkStatus();
}

absl::StatusOr<ImageRow> ReadImage(Connection& connection, const Digest& manifest) {
  ImageRow image;
  image.manifest = manifest;
  ASSIGN_OR_RETURN(Statement query,
                   connection.Prepare("SELECT config, created FROM images WHERE manifest = ?"));
  ASSIGN_OR_RETURN(bool found, query.BindDigest(1, manifest).Step());
  if (!found) {
    return NotFound(fmt::format("image {} is not in the local store", manifest.ToString()));
  }
  ASSIGN_OR_RETURN(image.config, query.DigestAt(0));
  image.created_ns = query.Int(1);
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
    ASSIGN_OR_RETURN(layer.layer, layers.DigestAt(0));
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
      connection.Prepare("SELECT images.manifest, config FROM images JOIN tags "
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
                   connection.Prepare("SELECT reference, manifest FROM tags WHERE namespace = ?1 "
                                      "AND (reference, manifest) > (?2, ?3) "
                                      "ORDER BY reference, manifest"));
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

absl::StatusOr<std::vector<Digest>> FindNameless(Connection& connection, int64_t before_ns) {
  ASSIGN_OR_RETURN(Statement query,
                   connection.Prepare("SELECT manifest FROM tags GROUP BY manifest "
                                      "HAVING max(reference) = '' AND max(updated) < ?"));
  query.Bind(1, before_ns);
  std::vector<Digest> found;
  while (true) {
    ASSIGN_OR_RETURN(bool more, query.Step());
    if (!more) {
      return found;
    }
    ASSIGN_OR_RETURN(found.emplace_back(), query.DigestAt(0));
  }
}

absl::StatusOr<std::vector<Digest>> RemoveIfNameless(Connection& connection, const Digest& manifest,
                                                     int64_t before_ns) {
  ASSIGN_OR_RETURN(Statement stays,
                   connection.Prepare("SELECT 1 FROM tags WHERE manifest = ? AND "
                                      "(reference <> '' OR updated >= ?) LIMIT 1"));
  ASSIGN_OR_RETURN(const bool found, stays.BindDigest(1, manifest).Bind(2, before_ns).Step());
  absl::StatusOr<ImageRow> image = ReadImage(connection, manifest);
  if (found || absl::IsNotFound(image.status())) {
    return std::vector<Digest>();
  }
  RETURN_IF_ERROR(image.status());
  ASSIGN_OR_RETURN(Statement remove, connection.Prepare("DELETE FROM images WHERE manifest = ?"));
  RETURN_IF_ERROR(remove.BindDigest(1, manifest).Run());
  return BlobsOf(*image);
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
                         "OR EXISTS (SELECT 1 FROM packs WHERE blob = ?1) "
                         "OR EXISTS (SELECT 1 FROM layers WHERE diff_id = ?1 AND tar_format = 0)"));
  return query.BindDigest(1, blob).Step();
}

}  // namespace zlayer
