// What the readers of archives have in common.
#ifndef ZLAYER_REGISTRY_IMAGE_IMPORTED_IMAGE_H_
#define ZLAYER_REGISTRY_IMAGE_IMPORTED_IMAGE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_rows.h"

namespace zlayer {

inline constexpr size_t kMaxImageLayers = 1000;

// An image under one name; one with several names comes several times.
struct ImportedImage {
  ImageRow row;
  std::string name;  // normalized; empty for an image that is to have none
};

// The image as an earlier import or build left it: its layers need not be read again.
absl::StatusOr<std::optional<ImageRow>> FindStored(const ImageParts& parts, const Digest& manifest);

// A name that an archive has for its image, normalized. kInvalidArgument: it is none.
absl::StatusOr<std::string> NameInArchive(std::string_view name);

// kInvalidArgument for an archive whose images cannot all get the one name.
absl::Status TooManyFor(std::string_view name);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_IMPORTED_IMAGE_H_
