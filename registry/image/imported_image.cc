#include "registry/image/imported_image.h"

#include <fmt/format.h>

#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/image/reference.h"

namespace zlayer {

absl::StatusOr<std::optional<ImageRow>> FindStored(const ImageParts& parts,
                                                   const Digest& manifest) {
  std::optional<ImageRow> stored;
  RETURN_IF_ERROR(parts.database->Read([&](Connection& connection) -> absl::Status {
    absl::StatusOr<ImageRow> row = ReadImage(connection, manifest);
    if (row.ok()) {
      stored = *std::move(row);
    }
    return absl::IsNotFound(row.status()) ? absl::OkStatus() : row.status();
  }));
  // Whether its layers are still there, and from now on stay.
  for (const ImageLayer& layer : stored.has_value() ? stored->layers : std::vector<ImageLayer>()) {
    const absl::Status found = parts.layers->Get(layer.layer).status();
    if (absl::IsNotFound(found)) {
      return std::optional<ImageRow>();
    }
    RETURN_IF_ERROR(found);
  }
  return stored;
}

absl::StatusOr<std::string> NameInArchive(std::string_view name) {
  absl::StatusOr<Reference> reference = Reference::Parse(name);
  if (!reference.ok()) {
    return InvalidArgument(
        fmt::format("{}, but the archive calls its image so: say what it is to be called (zlayer "
                    "import FILE REF)",
                    Message(reference.status())));
  }
  reference->digest.clear();
  return reference->tag.empty() ? std::string() : reference->Normalized();
}

absl::Status TooManyFor(std::string_view name) {
  return InvalidArgument(
      fmt::format("the archive has several images, which cannot all be called \"{}\": import it "
                  "without a name",
                  name));
}

}  // namespace zlayer
