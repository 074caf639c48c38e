// Sends images to other registries, and copies between them.
#ifndef ZLAYER_REGISTRY_TRANSFER_PUSHER_H_
#define ZLAYER_REGISTRY_TRANSFER_PUSHER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/digest.h"
#include "registry/client/registry_client.h"
#include "registry/compress/compressor.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_store.h"
#include "registry/image/repositories.h"
#include "registry/transfer/progress.h"
#include "registry/transfer/puller.h"

namespace zlayer {

// How layers go that are not compressed.
struct PushForm {
  // Nothing: gzip, but uncompressed to a registry on loopback where no level is given.
  std::optional<Compression> compression;
  std::optional<int> level;
  bool force = false;  // layers that are compressed otherwise, too
};

// kInvalidArgument: the compression has no such level.
absl::Status CheckPushForm(const PushForm& form);

struct PushRequest {
  std::string name_space;
  std::string reference;                  // the image, or the index with all that is in it
  std::vector<std::string> destinations;  // its names there; the reference where there are none
  PushForm form;
  bool by_digest = false;  // no tag
  CredentialsOf credentials;
};

struct PushResult {
  Digest manifest;                      // as it is in the registry; of the first destination
  Digest config;                        // none for an index
  std::vector<std::string> references;  // normalized
  uint64_t bytes_sent = 0;
};

struct CopyRequest {
  std::string source;
  std::string destination;
  CredentialsOf credentials;
};

// Thread-safe.
//
// A manifest goes as it is here unless a layer takes another form; then the one that was sent is
// kept as well, and has the same configuration; of an index all stays that is not said of what is
// sent otherwise. One of Docker's format in which a layer becomes
// zstd goes as OCI's. What compressing made is remembered by diff id, so that a registry that has
// it is not sent it again; what is in another of its repositories, as far as the namespace knows,
// it is asked to take from there. kNotFound: there is no such image, or a part of an index is not
// here; kInvalidArgument: CheckPushForm. Other errors are those of the registry.
class Pusher {
 public:
  virtual ~Pusher() = default;
  virtual absl::StatusOr<PushResult> Push(const PushRequest& request, const ProgressSink& progress,
                                          std::stop_token stop) = 0;
  // From one registry to another, byte for byte, with all that an index names.
  virtual absl::StatusOr<PushResult> Copy(const CopyRequest& request, const ProgressSink& progress,
                                          std::stop_token stop) = 0;
};

// What `parts` has, and the other arguments, must outlive the pusher.
std::unique_ptr<Pusher> MakePusher(const ImageParts& parts, ImageStore* images,
                                   Repositories* repositories, RegistryClient* client,
                                   Puller* puller);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_TRANSFER_PUSHER_H_
