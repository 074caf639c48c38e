// The rows of layers in the database (registry/meta/schema.sql).
#ifndef ZLAYER_REGISTRY_LAYER_LAYER_ROWS_H_
#define ZLAYER_REGISTRY_LAYER_LAYER_ROWS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/digest.h"
#include "base/mutex.h"
#include "registry/layer/layer_tar.h"
#include "registry/meta/database.h"

namespace zlayer {

struct LayerRow {
  std::optional<uint64_t> tree;
  Digest diff_id;  // none: not known yet, or of another version of our writer
  uint64_t tar_size = 0;
  bool arrived = false;  // the tar identity is that of a tar that arrived
};

// Thread-safe.
class LayerRows {
 public:
  explicit LayerRows(Database* database) : database_(database) {}

  absl::StatusOr<std::optional<LayerRow>> Find(const Digest& layer);

  // Adds a row, or gives one that is there without a tree this `tree`. Returns the number of the
  // tree that the row then has.
  struct NewLayer {
    Digest id;
    std::optional<uint64_t> tree;
    uint64_t content_bytes = 0;
    int64_t created_ns = 0;
  };
  absl::StatusOr<std::optional<uint64_t>> Add(const NewLayer& layer);

  // The same for a row that must be there: kNotFound.
  absl::StatusOr<uint64_t> SetTree(const Digest& layer, uint64_t tree);

  // Keeps an identity that is there, unless it is of another version of our writer. kNotFound where
  // there is no such layer.
  absl::Status SetTar(const Digest& layer, const Digest& diff_id, uint64_t size, bool arrived);

  // The same of tars with an epoch: nothing where it is not known for this version of our writer.
  absl::StatusOr<std::optional<TarIdentity>> FindClampedTar(const Digest& layer, int64_t epoch);
  absl::Status AddClampedTar(const Digest& layer, int64_t epoch, const TarIdentity& tar);
  // The epoch that makes this tar of the layer, and the tar's length.
  struct ClampedTar {
    int64_t epoch = 0;
    uint64_t size = 0;
  };
  absl::StatusOr<std::optional<ClampedTar>> FindEpoch(const Digest& layer, const Digest& diff_id);

  // Removes the rows of those of `layers` that no image, record, context or fetched source names.
  // Returns those that have no row any more, with the trees that they had.
  struct Removed {
    Digest id;
    std::optional<uint64_t> tree;
  };
  absl::StatusOr<std::vector<Removed>> RemoveUnnamed(const std::vector<Digest>& layers);

  // A number that no tree ever had.
  absl::StatusOr<uint64_t> NewTreeNumber();

 private:
  Database* const database_;
  Mutex mutex_;
  // Numbers that were reserved and not given out.
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t end_number_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_LAYER_ROWS_H_
