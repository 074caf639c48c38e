// The store as other registries see it (OCI distribution-spec 1.1): manifests of any kind by
// repository and tag, and blobs by digest. What is pulled comes in here, what is pushed goes out
// here, and the server of /v2/ is a thin shell around it.
#ifndef ZLAYER_REGISTRY_IMAGE_REPOSITORIES_H_
#define ZLAYER_REGISTRY_IMAGE_REPOSITORIES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/content/content_file.h"

namespace zlayer {

// A manifest, an index, or an artifact's manifest, byte for byte as it came.
struct RepositoryManifest {
  Digest digest;
  std::string media_type;
  std::string bytes;
};

struct ManifestPut {
  std::string repository;  // normalized: "docker.io/library/app"
  std::string tag;         // empty: by digest alone
  std::string media_type;
  std::string bytes;  // at most kMaxManifestBytes
  // Blobs and child manifests that it names may be missing: the repository is one of a registry,
  // where they are fetched when something needs them. Else they must be there.
  bool sparse = false;
  // Ids of an image's layers where they are known, lowest first.
  std::vector<Digest> layers;
};

// A manifest that refers to another one as its subject.
struct Referrer {
  Digest digest;
  std::string media_type;
  uint64_t size = 0;
  // Its artifactType, else the media type of its configuration.
  std::string artifact_type;
  std::map<std::string, std::string> annotations;
};

// The bytes of one blob. Not thread-safe.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual uint64_t size() const = 0;
  // The file that has all bytes, where there is one: for sendfile. Else they are made by Read.
  virtual const ContentFile* file() const = 0;
  // Writes `length` bytes from `offset` on to the sink, in pieces of at most 1 MiB. A whole blob,
  // in one call or in several that follow each other, is checked against its digest before its last
  // piece is written where it is generated, and after it where it is a file and read in one call:
  // kDataLoss. An error of the sink ends it and is returned.
  virtual absl::Status Read(uint64_t offset, uint64_t length,
                            const std::function<absl::Status(std::string_view)>& sink,
                            std::stop_token stop) = 0;
};

// A blob under way. What is not committed leaves nothing behind. Not thread-safe.
class BlobUpload {
 public:
  virtual ~BlobUpload() = default;
  virtual absl::Status Append(std::string_view data) = 0;
  virtual uint64_t size() const = 0;  // of what was appended
  // Keeps it; nothing may be called after it. kInvalidArgument, naming both, where the digest of
  // what was appended is not `expected`.
  virtual absl::Status Commit(const Digest& expected) = 0;
};

// Thread-safe. `name_space` is a tenant's: it sees its own manifests, and the blobs that they name
// or that it sent, alone. A blob that it sent and that no manifest names goes after a day.
class Repositories {
 public:
  virtual ~Repositories() = default;

  // `reference` is a tag or a digest. kNotFound.
  virtual absl::StatusOr<RepositoryManifest> GetManifest(std::string_view name_space,
                                                         const std::string& repository,
                                                         const std::string& reference) = 0;
  // Stores and names it in one step; a tag that is taken moves. kInvalidArgument: it is not a
  // manifest, or gives something that is there another size; kFailedPrecondition: it names
  // something that is not there, by its digest.
  virtual absl::StatusOr<Digest> PutManifest(std::string_view name_space,
                                             const ManifestPut& manifest) = 0;
  // By digest: with all of its tags in the repository. By tag: the tag alone. kNotFound;
  // kFailedPrecondition, by digest: it is there as a part of an index alone.
  virtual absl::Status DeleteManifest(std::string_view name_space, const std::string& repository,
                                      const std::string& reference) = 0;

  // Sorted, at most `limit` after `after`. kNotFound: there is no such repository.
  virtual absl::StatusOr<std::vector<std::string>> ListTags(std::string_view name_space,
                                                            const std::string& repository,
                                                            const std::string& after,
                                                            size_t limit) = 0;
  virtual absl::StatusOr<std::vector<std::string>> ListRepositories(std::string_view name_space,
                                                                    const std::string& after,
                                                                    size_t limit) = 0;
  // Sorted by digest; none where nothing refers to it, whether it is there or not.
  virtual absl::StatusOr<std::vector<Referrer>> ListReferrers(std::string_view name_space,
                                                              const std::string& repository,
                                                              const Digest& subject) = 0;

  // kNotFound. A layer without stored bytes is generated.
  virtual absl::StatusOr<std::unique_ptr<BlobReader>> OpenBlob(std::string_view name_space,
                                                               const Digest& digest) = 0;
  virtual absl::StatusOr<std::unique_ptr<BlobUpload>> NewBlob(std::string_view name_space) = 0;
  // kNotFound; kFailedPrecondition where a manifest names it.
  virtual absl::Status DeleteBlob(std::string_view name_space, const Digest& digest) = 0;

  // For the garbage collector: forgets blobs that were sent more than a day ago (those that no
  // manifest names are garbage then), claims to blobs that no manifest names any more, and what
  // pushes compressed of layers that are gone, or that none has asked for in a month.
  virtual absl::Status DropStaleRows() = 0;
};

// The stores of `parts` must outlive the repositories.
struct ImageParts;
std::unique_ptr<Repositories> OpenRepositories(const ImageParts& parts);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_REPOSITORIES_H_
