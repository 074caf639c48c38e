// What unpacking an archive into a root directory, as chroot would, makes of its entries: an index
// of the changes. Nothing is unpacked; paths are resolved against the entries so far and the layers
// below.
#ifndef ZLAYER_REGISTRY_LAYER_UNPACK_VIEW_H_
#define ZLAYER_REGISTRY_LAYER_UNPACK_VIEW_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>

#include "registry/layer/index.h"
#include "registry/layer/rootfs.h"

namespace zlayer {

// Not thread-safe. Paths arrive as they are in the archive. kInvalidArgument says what is wrong
// with an entry.
class UnpackView {
 public:
  // `layer` and `below` as in ArchiveOptions; `builder` takes the result.
  UnpackView(bool layer, const Rootfs* below, LayerIndexBuilder* builder)
      : layer_(layer), below_(below), builder_(builder) {}

  // Adds an entry that is no hard link; in a layer, one with a `.wh.` name is a mark.
  absl::Status Put(Entry entry);
  // Adds another name of what `target` names.
  absl::Status PutHardLink(std::string_view path, std::string_view target);

 private:
  absl::StatusOr<std::string> Locate(std::string_view path) const;
  std::optional<Entry> Lookup(std::string_view path) const;
  absl::Status EnsureParents(std::string_view path);
  absl::Status EnsureDirectory(std::string_view path);
  absl::Status Replace(Entry entry);
  absl::Status Mark(std::string_view path);
  absl::Status MarkOpaque(std::string_view directory);
  absl::Status PutWhiteout(std::string_view path);
  absl::Status LinkTo(std::string path, const Entry& target);

  const bool layer_;
  const Rootfs* const below_;
  LayerIndexBuilder* const builder_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_UNPACK_VIEW_H_
