// The database's side of images: rows of images, image_layers and tags (registry/meta/schema.sql).
// Each function runs inside a Database::Work.
#ifndef ZLAYER_REGISTRY_IMAGE_IMAGE_ROWS_H_
#define ZLAYER_REGISTRY_IMAGE_IMAGE_ROWS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/image/image_store.h"
#include "registry/meta/database.h"

namespace zlayer {

struct ImageRow {
  Digest manifest;
  Digest config;  // of an index, the index
  int64_t created_ns = 0;
  std::vector<ImageLayer> layers;  // without diff ids, which the configuration has
  ManifestKind kind = ManifestKind::kImage;
  std::string media_type;        // of the manifest; empty where its document alone says it
  Digest subject;                // none where it is about no other manifest
  std::string source;            // where it was pulled; empty where it was not
  std::vector<Digest> children;  // kIndex; written, not read
};

// Adds the image. One that is there learns which layers it has, and where it was pulled, last.
absl::Status InsertImage(Connection& connection, const ImageRow& image);
// Says which layers an image has, where that is not known yet.
absl::Status SetLayers(Connection& connection, const ImageRow& image);

// kNotFound where it is not there.
absl::StatusOr<ImageRow> ReadImage(Connection& connection, const Digest& manifest);

// Gives the image a name in the namespace; an empty one keeps it where it has no other. An image
// that loses its last name by that stays, nameless.
absl::Status SetTag(Connection& connection, std::string_view name_space, const std::string& name,
                    const Digest& manifest, int64_t now_ns);

// What the image that has the name now was made from (NewImage::source_hash).
absl::Status SetSourceHash(Connection& connection, std::string_view name_space,
                           const std::string& name, std::string_view hash);
// The image that has the name and was made from that.
absl::StatusOr<std::optional<Digest>> FindBySourceHash(Connection& connection,
                                                       std::string_view name_space,
                                                       const std::string& name,
                                                       std::string_view hash);

// The image of that name in the namespace.
absl::StatusOr<std::optional<Digest>> FindByName(Connection& connection,
                                                 std::string_view name_space,
                                                 const std::string& name);

// The namespace's images whose manifest's or configuration's digest begins with `hex`, those that
// were named last first. One configuration may have several manifests.
struct FoundImage {
  Digest manifest;
  Digest config;
};
absl::StatusOr<std::vector<FoundImage>> FindByDigest(Connection& connection,
                                                     std::string_view name_space,
                                                     std::string_view hex);

// Calls `visit` for each name of the namespace, and for each image without one that nothing else
// needs, that comes after `after`, sorted by name and then by manifest, until it returns false. An
// empty name is an image without one.
absl::Status ForEachName(Connection& connection, std::string_view name_space,
                         const ImagePosition& after,
                         const std::function<bool(const ImagePosition&)>& visit);

// Names of the image in the namespace, sorted, without the empty one.
absl::StatusOr<std::vector<std::string>> ReadNames(Connection& connection,
                                                   std::string_view name_space,
                                                   const Digest& manifest);

// Whether the namespace has the image, under a name or without.
absl::StatusOr<bool> HasImage(Connection& connection, std::string_view name_space,
                              const Digest& manifest);

// Removes one name.
absl::Status RemoveName(Connection& connection, std::string_view name_space,
                        const std::string& name);
// Removes all names of the image in the namespace, the empty one too.
absl::Status RemoveNames(Connection& connection, std::string_view name_space,
                         const Digest& manifest);
// Removes the image if no namespace has it.
absl::Status RemoveUnnamed(Connection& connection, const Digest& manifest);

// Images that have had no name in any namespace since `before_ns`, and that nothing else needs: an
// index that they are in, a manifest that they are about, a named image of the same configuration.
struct NamelessImage {
  Digest manifest;
  std::string name_space;  // that has it; empty where several have
  int64_t since_ns = 0;    // it has had no name
};
absl::StatusOr<std::vector<NamelessImage>> FindNameless(Connection& connection, int64_t before_ns);
// Those of them that count as cached: all but what was sent to a repository here by digest, of
// which only the sender knows what use it is.
absl::StatusOr<std::vector<NamelessImage>> FindCachedImages(Connection& connection);
// Removes the image if it still is one of those. Returns its blobs; nothing where it stays.
absl::StatusOr<std::vector<Digest>> RemoveIfNameless(Connection& connection, const Digest& manifest,
                                                     int64_t before_ns);

// The first column of all rows of a query.
absl::StatusOr<std::vector<Digest>> ReadDigests(Statement& query);

// What the image refers to, itself included.
std::vector<Digest> BlobsOf(const ImageRow& image);

// Manifests that the namespace has for nothing but this index, which is being removed.
absl::StatusOr<std::vector<Digest>> FindOnlyChildren(Connection& connection,
                                                     std::string_view name_space,
                                                     const Digest& index);

// Whether a blob is an image's manifest, configuration or layer, was sent to a repository, holds
// contents, or is the one form of a layer's tar.
absl::StatusOr<bool> IsBlobUsed(Connection& connection, const Digest& blob);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_IMAGE_ROWS_H_
