#include "backends/native/file/unpacked_archives.h"

#include <fmt/format.h>

#include <string_view>

#include "base/field_digest.h"
#include "base/status_macros.h"
#include "registry/layer/archive.h"

namespace zlayer {
namespace {

// Raised whenever an archive would come to something else.
constexpr uint64_t kSchema = 1;

Digest KeyOf(std::string_view name_space, const Digest& content) {
  FieldDigest key;
  key.Add(std::string_view("archive"));
  key.Add(kSchema);
  key.Add(name_space);
  key.Add(content.Bytes());
  return key.Finish();
}

}  // namespace

absl::StatusOr<LayerRef> UnpackedArchives::Get(const Scope& scope, const ArchiveFile& archive,
                                               std::stop_token stop) {
  const Digest key = KeyOf(scope.name_space, archive.content);
  return flights_.Do(key, stop, [&]() -> absl::StatusOr<LayerRef> {
    ASSIGN_OR_RETURN(LayerRef layer, RecordedLayer(*store_, key));
    if (layer != nullptr) {
      store_->records().Touch(key);
      return layer;
    }
    ASSIGN_OR_RETURN(const StoredArchive stored,
                     StoreArchive(archive.file, &store_->contents(), stop));
    ASSIGN_OR_RETURN(layer, store_->layers().Add(stored.index, ""));
    RETURN_IF_ERROR(store_->records().Put(
        scope.name_space, {.key = key,
                           .layer = layer->id(),
                           .build = scope.build_id,
                           .created_ns = clock_->NowNs(),
                           .description = fmt::format("what {} holds", archive.name)}));
    return layer;
  });
}

}  // namespace zlayer
