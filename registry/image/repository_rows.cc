#include "registry/image/repository_rows.h"

#include <set>
#include <utility>

#include "base/status_macros.h"
#include "registry/image/image_rows.h"
#include "registry/meta/boot.h"

namespace zlayer {
namespace {

// Names with a tag of the repository are at or after the first and before the second.
std::string FirstName(const std::string& repository) { return repository + ":"; }
std::string EndOfNames(const std::string& repository) { return repository + ";"; }

absl::StatusOr<std::vector<std::string>> TextRows(Statement query) {
  std::vector<std::string> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, query.Step());
    if (!more) {
      return rows;
    }
    rows.emplace_back(query.Text(0));
  }
}

}  // namespace

absl::StatusOr<std::optional<Digest>> FindInRepository(Connection& connection,
                                                       std::string_view name_space,
                                                       const std::string& repository,
                                                       const std::string& reference) {
  if (reference.find(':') == std::string::npos) {
    return FindByName(connection, name_space, FirstName(repository) + reference);
  }
  const absl::StatusOr<Digest> digest = Digest::Parse(reference);
  if (!digest.ok()) {
    return std::optional<Digest>();
  }
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare("SELECT 1 FROM repository_manifests WHERE namespace = ?1 AND "
                         "repository = ?2 AND manifest = ?3 UNION ALL "
                         "SELECT 1 FROM tags WHERE manifest = ?3 AND namespace = ?1 AND "
                         "reference >= ?4 AND reference < ?5 LIMIT 1"));
  query.BindText(1, name_space).BindText(2, repository).BindDigest(3, *digest);
  query.BindText(4, FirstName(repository)).BindText(5, EndOfNames(repository));
  ASSIGN_OR_RETURN(const bool found, query.Step());
  return found ? std::optional<Digest>(*digest) : std::optional<Digest>();
}

absl::StatusOr<bool> IsInIndexOf(Connection& connection, std::string_view name_space,
                                 const std::string& repository, const Digest& manifest) {
  // What another namespace has is not part of this one's index, whatever that says.
  ASSIGN_OR_RETURN(const bool has, HasImage(connection, name_space, manifest));
  if (!has) {
    return false;
  }
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare("WITH RECURSIVE indexes (manifest) AS ("
                         "SELECT manifest FROM index_manifests WHERE child = ?3 UNION "
                         "SELECT o.manifest FROM index_manifests o JOIN indexes i ON "
                         "o.child = i.manifest) SELECT 1 FROM indexes i WHERE "
                         "EXISTS (SELECT 1 FROM repository_manifests r WHERE r.namespace = ?1 AND "
                         "r.repository = ?2 AND r.manifest = i.manifest) OR "
                         "EXISTS (SELECT 1 FROM tags t WHERE t.manifest = i.manifest AND "
                         "t.namespace = ?1 AND t.reference >= ?4 AND t.reference < ?5) LIMIT 1"));
  query.BindText(1, name_space).BindText(2, repository).BindDigest(3, manifest);
  return query.BindText(4, FirstName(repository)).BindText(5, EndOfNames(repository)).Step();
}

absl::Status AddToRepository(Connection& connection, std::string_view name_space,
                             const std::string& repository, const Digest& manifest) {
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO repository_manifests (namespace, repository, "
                                      "manifest) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"));
  return insert.BindText(1, name_space).BindText(2, repository).BindDigest(3, manifest).Run();
}

absl::Status RemoveFromRepository(Connection& connection, std::string_view name_space,
                                  const std::string& repository, const Digest& manifest) {
  ASSIGN_OR_RETURN(Statement tags,
                   connection.Prepare("DELETE FROM tags WHERE namespace = ? AND manifest = ? AND "
                                      "reference >= ? AND reference < ?"));
  tags.BindText(1, name_space).BindDigest(2, manifest);
  tags.BindText(3, FirstName(repository)).BindText(4, EndOfNames(repository));
  RETURN_IF_ERROR(tags.Run());
  ASSIGN_OR_RETURN(Statement remove,
                   connection.Prepare("DELETE FROM repository_manifests WHERE namespace = ? AND "
                                      "repository = ? AND manifest = ?"));
  return remove.BindText(1, name_space).BindText(2, repository).BindDigest(3, manifest).Run();
}

absl::StatusOr<bool> IsElsewhere(Connection& connection, std::string_view name_space,
                                 const Digest& manifest) {
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare("SELECT 1 FROM repository_manifests WHERE manifest = ?1 AND "
                         "namespace = ?2 UNION ALL "
                         "SELECT 1 FROM tags WHERE manifest = ?1 AND namespace = ?2 AND "
                         "reference <> '' UNION ALL "
                         "SELECT 1 FROM index_manifests c JOIN tags t ON t.manifest = c.manifest "
                         "WHERE child = ?1 AND namespace = ?2 LIMIT 1"));
  return query.BindDigest(1, manifest).BindText(2, name_space).Step();
}

absl::StatusOr<bool> HasRepository(Connection& connection, std::string_view name_space,
                                   const std::string& repository) {
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare("SELECT 1 FROM repository_manifests WHERE namespace = ?1 AND "
                         "repository = ?2 UNION ALL SELECT 1 FROM tags WHERE namespace = ?1 AND "
                         "reference >= ?3 AND reference < ?4 LIMIT 1"));
  query.BindText(1, name_space).BindText(2, repository);
  return query.BindText(3, FirstName(repository)).BindText(4, EndOfNames(repository)).Step();
}

absl::StatusOr<std::vector<std::string>> ReadTags(Connection& connection,
                                                  std::string_view name_space,
                                                  const std::string& repository,
                                                  const std::string& after, size_t limit) {
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare("SELECT substr(reference, ?4) AS tag FROM tags WHERE namespace = ?1 AND "
                         "reference >= ?2 AND reference < ?3 AND "
                         "(?5 = '' OR (lower(tag), tag) > (lower(?5), ?5)) "
                         "ORDER BY lower(tag), tag LIMIT ?6"));
  const std::string first = FirstName(repository);
  query.BindText(1, name_space).BindText(2, first).BindText(3, EndOfNames(repository));
  query.Bind(4, static_cast<int64_t>(first.size()) + 1).BindText(5, after);
  query.Bind(6, static_cast<int64_t>(limit));
  return TextRows(std::move(query));
}

absl::StatusOr<std::vector<std::string>> ReadRepositories(Connection& connection,
                                                          std::string_view name_space,
                                                          const std::string& after, size_t limit) {
  // A name's repository is what stands before its last colon.
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare(
          "SELECT repository FROM ("
          "SELECT rtrim(rtrim(reference, replace(reference, ':', '')), ':') AS repository "
          "FROM tags WHERE namespace = ?1 AND reference <> '' UNION "
          "SELECT repository FROM repository_manifests WHERE namespace = ?1) "
          "WHERE repository > ?2 ORDER BY repository LIMIT ?3"));
  query.BindText(1, name_space).BindText(2, after).Bind(3, static_cast<int64_t>(limit));
  return TextRows(std::move(query));
}

absl::StatusOr<std::vector<Digest>> FindReferrers(Connection& connection,
                                                  std::string_view name_space,
                                                  const std::string& repository,
                                                  const Digest& subject) {
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare("SELECT r.manifest FROM images JOIN repository_manifests r ON "
                         "r.manifest = images.manifest WHERE subject = ?1 AND namespace = ?2 AND "
                         "repository = ?3 ORDER BY r.manifest"));
  query.BindDigest(1, subject).BindText(2, name_space).BindText(3, repository);
  return ReadDigests(query);
}

absl::StatusOr<bool> HasBlob(Connection& connection, std::string_view name_space,
                             const Digest& blob) {
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare(
          "SELECT 1 FROM ("
          "SELECT 1 FROM uploaded_blobs WHERE namespace = ?1 AND digest = ?2 UNION ALL "
          "SELECT 1 FROM tags WHERE manifest = ?2 AND namespace = ?1 UNION ALL "
          "SELECT 1 FROM images i JOIN tags t ON t.manifest = i.manifest "
          "WHERE i.config = ?2 AND t.namespace = ?1 UNION ALL "
          "SELECT 1 FROM image_layers l JOIN tags t ON t.manifest = l.manifest "
          "WHERE l.digest = ?2 AND t.namespace = ?1) WHERE NOT EXISTS ("
          "SELECT 1 FROM claimed_blobs WHERE namespace = ?1 AND digest = ?2) LIMIT 1"));
  return query.BindText(1, name_space).BindDigest(2, blob).Step();
}

absl::StatusOr<Digest> FindLayer(Connection& connection, const Digest& blob) {
  ASSIGN_OR_RETURN(Statement query,
                   connection.Prepare("SELECT layer FROM image_layers "
                                      "WHERE digest = ? AND layer IS NOT NULL LIMIT 1"));
  ASSIGN_OR_RETURN(const bool found, query.BindDigest(1, blob).Step());
  return found ? query.DigestAt(0) : Digest();
}

absl::StatusOr<std::vector<Digest>> FindImagesToPull(Connection& connection,
                                                     std::string_view name_space,
                                                     const Digest& blob) {
  constexpr int64_t kMost = 3;
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare("SELECT min(i.manifest) FROM image_layers l "
                         "JOIN images i ON i.manifest = l.manifest "
                         "JOIN tags t ON t.manifest = l.manifest "
                         "WHERE l.digest = ?1 AND t.namespace = ?2 AND i.source <> '' AND "
                         "i.kind = ?3 GROUP BY i.source LIMIT ?4"));
  query.BindDigest(1, blob).BindText(2, name_space);
  query.Bind(3, static_cast<int64_t>(ManifestKind::kImage)).Bind(4, kMost);
  return ReadDigests(query);
}

absl::Status AddUploadedBlob(Connection& connection, std::string_view name_space,
                             const Digest& digest, int64_t now_ns) {
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO uploaded_blobs (namespace, digest, created, "
                                      "boot) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                                      "created = excluded.created, boot = excluded.boot"));
  insert.BindText(1, name_space).BindDigest(2, digest).Bind(3, now_ns).BindText(4, BootId());
  RETURN_IF_ERROR(insert.Run());
  return EndClaim(connection, name_space, digest);
}

absl::Status ClaimBlobs(Connection& connection, std::string_view name_space,
                        const std::vector<Digest>& blobs) {
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO claimed_blobs (namespace, digest) "
                                      "VALUES (?, ?) ON CONFLICT DO NOTHING"));
  for (const Digest& blob : blobs) {
    ASSIGN_OR_RETURN(const bool has, HasBlob(connection, name_space, blob));
    if (!has) {
      RETURN_IF_ERROR(insert.BindText(1, name_space).BindDigest(2, blob).Run());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> IsClaimed(Connection& connection, std::string_view name_space,
                               const Digest& blob) {
  ASSIGN_OR_RETURN(
      Statement query,
      connection.Prepare("SELECT 1 FROM claimed_blobs WHERE namespace = ? AND digest = ?"));
  return query.BindText(1, name_space).BindDigest(2, blob).Step();
}

absl::Status EndClaim(Connection& connection, std::string_view name_space, const Digest& blob) {
  ASSIGN_OR_RETURN(
      Statement remove,
      connection.Prepare("DELETE FROM claimed_blobs WHERE namespace = ? AND digest = ?"));
  return remove.BindText(1, name_space).BindDigest(2, blob).Run();
}

absl::Status RemoveVainClaims(Connection& connection) {
  ASSIGN_OR_RETURN(
      Statement remove,
      connection.Prepare("DELETE FROM claimed_blobs WHERE NOT EXISTS ("
                         "SELECT 1 FROM image_layers l JOIN tags t ON t.manifest = l.manifest "
                         "WHERE l.digest = claimed_blobs.digest AND "
                         "t.namespace = claimed_blobs.namespace)"));
  return remove.Run();
}

absl::Status RemoveCompressed(Connection& connection, int64_t before_ns) {
  ASSIGN_OR_RETURN(
      Statement remove,
      connection.Prepare(
          "DELETE FROM compressed_layers WHERE used < ?1 OR NOT ("
          "EXISTS (SELECT 1 FROM layers WHERE diff_id = compressed_layers.diff_id) OR "
          "EXISTS (SELECT 1 FROM clamped_tars WHERE diff_id = compressed_layers.diff_id) OR "
          "EXISTS (SELECT 1 FROM image_layers WHERE digest = compressed_layers.digest))"));
  return remove.Bind(1, before_ns).Run();
}

absl::Status RemoveUploadedBlob(Connection& connection, std::string_view name_space,
                                const Digest& digest) {
  ASSIGN_OR_RETURN(Statement remove,
                   connection.Prepare("DELETE FROM uploaded_blobs WHERE namespace = ? AND "
                                      "digest = ?"));
  return remove.BindText(1, name_space).BindDigest(2, digest).Run();
}

absl::Status RemoveUploadedBefore(Connection& connection, int64_t before_ns) {
  ASSIGN_OR_RETURN(Statement remove,
                   connection.Prepare("DELETE FROM uploaded_blobs WHERE created < ?"));
  return remove.Bind(1, before_ns).Run();
}

}  // namespace zlayer
