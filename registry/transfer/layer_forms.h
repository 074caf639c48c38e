// The forms in which a layer goes to a registry, and what is remembered of them.
#ifndef ZLAYER_REGISTRY_TRANSFER_LAYER_FORMS_H_
#define ZLAYER_REGISTRY_TRANSFER_LAYER_FORMS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/client/registry_client.h"
#include "registry/compress/compressor.h"
#include "registry/content/content_file.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_store.h"
#include "registry/layer/layer_store.h"

namespace zlayer {

// How the blob of a media type is compressed; nothing for a compression that is not known.
std::optional<Compression> CompressionOf(std::string_view media_type);
std::string_view LayerMediaType(Compression compression);

// Thread-safe.
class LayerForms {
 public:
  // What `parts` has must outlive it.
  explicit LayerForms(const ImageParts& parts) : parts_(parts) {}

  // What compressing the tar made before; its bytes are in registries.
  absl::StatusOr<std::optional<ImageLayer>> Find(const Digest& diff_id,
                                                 const CompressorOptions& options);
  // Compresses the layer's tar, and remembers what came out.
  absl::StatusOr<RemoteDescriptor> Compress(
      const ImageLayer& layer, const CompressorOptions& options,
      const std::function<absl::Status(std::string_view)>& sink, std::stop_token stop);

  // The bytes of a layer's descriptor: a file where there is one, else made anew each time.
  absl::StatusOr<BlobSource> Open(const ImageLayer& layer, std::stop_token stop);

 private:
  absl::Status Remember(const Digest& diff_id, const CompressorOptions& options,
                        const RemoteDescriptor& made);
  absl::Status WriteTar(const ImageLayer& layer,
                        const std::function<absl::Status(std::string_view)>& sink,
                        const std::stop_token& stop);
  absl::Status WriteMade(const LayerRef& layer, const WantedTar& wanted,
                         const std::function<absl::Status(std::string_view)>& sink,
                         const std::stop_token& stop);

  const ImageParts parts_;
};

// A source that reads the file.
BlobSource SourceOf(const Digest& digest, const ContentFile& file);

// Other repositories of the registry that may have the blob, by what the namespace pulled and
// pushed; some of them.
absl::StatusOr<std::vector<std::string>> RepositoriesWith(Database& database,
                                                          const std::string& name_space,
                                                          const RemoteRepository& where,
                                                          const Digest& blob);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_TRANSFER_LAYER_FORMS_H_
