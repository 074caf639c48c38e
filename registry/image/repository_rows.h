// The database's side of repositories: which manifests and blobs a namespace has where
// (registry/meta/schema.sql). Each function runs inside a Database::Work.
#ifndef ZLAYER_REGISTRY_IMAGE_REPOSITORY_ROWS_H_
#define ZLAYER_REGISTRY_IMAGE_REPOSITORY_ROWS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/image/image_store.h"
#include "registry/meta/database.h"

namespace zlayer {

// A repository has a manifest by tag, or by digest once it was put there or has a tag there.
absl::StatusOr<std::optional<Digest>> FindInRepository(Connection& connection,
                                                       std::string_view name_space,
                                                       const std::string& repository,
                                                       const std::string& reference);
// Whether the namespace has the manifest, and an index that the repository has contains it, at any
// depth: one that was made here, or got a name here, without its manifests being put there.
absl::StatusOr<bool> IsInIndexOf(Connection& connection, std::string_view name_space,
                                 const std::string& repository, const Digest& manifest);
absl::Status AddToRepository(Connection& connection, std::string_view name_space,
                             const std::string& repository, const Digest& manifest);
// With all of its tags there.
absl::Status RemoveFromRepository(Connection& connection, std::string_view name_space,
                                  const std::string& repository, const Digest& manifest);
// Whether the namespace has the manifest in another repository, or in an index.
absl::StatusOr<bool> IsElsewhere(Connection& connection, std::string_view name_space,
                                 const Digest& manifest);

absl::StatusOr<bool> HasRepository(Connection& connection, std::string_view name_space,
                                   const std::string& repository);
// Sorted without regard to case, at most `limit` after `after`.
absl::StatusOr<std::vector<std::string>> ReadTags(Connection& connection,
                                                  std::string_view name_space,
                                                  const std::string& repository,
                                                  const std::string& after, size_t limit);
absl::StatusOr<std::vector<std::string>> ReadRepositories(Connection& connection,
                                                          std::string_view name_space,
                                                          const std::string& after, size_t limit);
// Manifests of the repository that are about `subject`, sorted.
absl::StatusOr<std::vector<Digest>> FindReferrers(Connection& connection,
                                                  std::string_view name_space,
                                                  const std::string& repository,
                                                  const Digest& subject);

// Whether the namespace sent the blob, or has a manifest that is or names it, and has had it.
absl::StatusOr<bool> HasBlob(Connection& connection, std::string_view name_space,
                             const Digest& blob);
// The layer that somebody read where images have this blob; none where nobody did. What the images
// say about the blob besides, nobody has checked.
absl::StatusOr<Digest> FindLayer(Connection& connection, const Digest& blob);
// Images of the namespace that a registry has and whose layer it is; one of each repository, a few.
absl::StatusOr<std::vector<Digest>> FindImagesToPull(Connection& connection,
                                                     std::string_view name_space,
                                                     const Digest& blob);
absl::Status AddUploadedBlob(Connection& connection, std::string_view name_space,
                             const Digest& digest, int64_t now_ns);
// A manifest that a registry sent the namespace names these: those that it does not have are
// claims.
absl::Status ClaimBlobs(Connection& connection, std::string_view name_space,
                        const std::vector<Digest>& blobs);
absl::StatusOr<bool> IsClaimed(Connection& connection, std::string_view name_space,
                               const Digest& blob);
// The namespace has had the blob's bytes.
absl::Status EndClaim(Connection& connection, std::string_view name_space, const Digest& blob);
// Those to which no manifest of their namespace is left.
absl::Status RemoveVainClaims(Connection& connection);
// What pushes compressed: what none asked for since, and what no layer and no image has any more.
absl::Status RemoveCompressed(Connection& connection, int64_t before_ns);
absl::Status RemoveUploadedBlob(Connection& connection, std::string_view name_space,
                                const Digest& digest);
absl::Status RemoveUploadedBefore(Connection& connection, int64_t before_ns);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_REPOSITORY_ROWS_H_
