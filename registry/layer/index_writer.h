// Writes the bytes of an index (FORMAT.md) from entries that come in its order: a context, whose
// entries are sorted when they arrive, needs no LayerIndexBuilder.
#ifndef ZLAYER_REGISTRY_LAYER_INDEX_WRITER_H_
#define ZLAYER_REGISTRY_LAYER_INDEX_WRITER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "registry/layer/index.h"

namespace zlayer {

namespace index_format {
struct Record;
}

// Makes `entry` one that an index can hold: fields that the type has no use for are reset, xattrs
// that indexes do not hold dropped. kInvalidArgument for a path or type that no index holds: not
// clean, a component of more than 255 bytes or starting ".wh.", more than 4,096 bytes in all, a
// NUL; a symlink without a target; a character device 0:0, which is a whiteout to overlayfs.
absl::Status NormalizeEntry(Entry* entry);

// Not thread-safe.
class LayerIndexWriter {
 public:
  LayerIndexWriter();

  // The next entry, normalized. It stands after its parent and all that is lower than it, and a
  // hard link after its leader, whose metadata it repeats: who reads the index checks that.
  // kInvalidArgument where the leader is not there, kResourceExhausted where paths and attributes
  // exceed 4 GiB.
  absl::Status Append(const Entry& entry);
  // The index. Nothing may be called after it.
  std::string Finish();

 private:
  // Position of the entry at `path`, nullopt where there is none.
  std::optional<uint32_t> Find(std::string_view path) const;
  uint32_t PutString(std::string_view text);
  void PutAttributes(uint8_t kind, const std::map<std::string, std::string>& attributes);
  absl::StatusOr<index_format::Record> Describe(const Entry& entry);
  index_format::Record RecordAt(uint32_t position) const;

  std::string bytes_;  // header and table
  std::string strings_;
  std::string untimed_;  // records without their times that are not in the digest yet
  Sha256 content_digest_;
  uint32_t count_ = 0;
  uint64_t content_bytes_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_INDEX_WRITER_H_
