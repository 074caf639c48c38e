// The files of a Docker archive (`docker save`), put into the blob store while it is decided which
// of them stay.
#ifndef ZLAYER_REGISTRY_IMAGE_DOCKER_FILES_H_
#define ZLAYER_REGISTRY_IMAGE_DOCKER_FILES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "registry/content/content_file.h"
#include "registry/image/image_parts.h"
#include "registry/layer/archive.h"

namespace zlayer {

// Holds a lease on the blobs; when it goes, those that were new and that no image needs by then are
// unlinked. Not thread-safe.
class DockerFiles {
 public:
  // `parts` must outlive it.
  explicit DockerFiles(const ImageParts& parts) : parts_(parts), lease_(parts.leases) {}

  // Reads the whole archive. What is compressed in it is kept unpacked. kInvalidArgument where it
  // is broken or has no manifest.json.
  absl::Status Add(const ContentFile& archive, std::stop_token stop);

  const std::string& manifest() const { return manifest_; }

  struct File {
    Digest digest;  // of the blob
    uint64_t size = 0;
  };
  // The file that `path` names, through links too. kInvalidArgument, naming it as `what`, where the
  // archive lacks it or a link leads out of the archive.
  absl::StatusOr<File> Find(std::string_view path, std::string_view what) const;

  // A document of ours, kept as the files are.
  absl::StatusOr<Digest> AddDocument(const std::string& json);

 private:
  absl::Status AddEntry(const ArchivedFile& entry, const ArchiveFileReader& read,
                        const std::stop_token& stop);
  absl::Status AddLink(const ArchivedFile& entry);
  absl::Status AddFile(const std::string& path, const ArchiveFileReader& read,
                       const std::stop_token& stop);

  const ImageParts& parts_;
  BlobLeases::Lease lease_;
  std::optional<std::string> found_manifest_;
  std::string manifest_;
  std::map<std::string, File> files_;
  // Where links lead; nothing for one that leads out of the archive.
  std::map<std::string, std::optional<std::string>> links_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_DOCKER_FILES_H_
