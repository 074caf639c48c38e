// The mounts of a RUN (graph.proto, Mount): what they read, which is part of its key, and what the
// executor then mounts.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_RUN_MOUNTS_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_RUN_MOUNTS_H_

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "backends/native/exec/executor.h"
#include "backends/native/file/filesystem.h"
#include "backends/native/solver/key.h"
#include "backends/native/solver/step.h"
#include "registry/store.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// Not thread-safe.
class RunMounts {
 public:
  using OpenInput = std::function<absl::StatusOr<Filesystem>(const v1::Mount& mount)>;
  // Stores a layer that is not there yet.
  using AddLayer = std::function<absl::StatusOr<LayerRef>(const LayerIndex& layer,
                                                          std::string_view serialized_index)>;

  // Opens what the mounts of `run`, which must outlive the object, are from, in the order in which
  // they are made: by target. `root` is what the run stands on. Reads indexes only. kNotFound names
  // a source that does not exist.
  static absl::StatusOr<RunMounts> Open(const v1::Run& run, const Rootfs& root,
                                        const OpenInput& open);

  std::vector<MountKey> Keys() const;
  // The same, for explanations.
  std::vector<StepPart> Parts() const;

  // Where mounts need something to be mounted on, as MissingMountPoints takes it.
  std::vector<std::string> MountPoints() const;

  // Makes what is mounted: trees of the layers of a stage or image, and one of what is selected of
  // anything else. Not yet ready are those of cache mounts.
  absl::StatusOr<std::vector<ContainerMount>> Prepare(LayerStore* layers, const AddLayer& add_layer,
                                                      const std::stop_token& stop) const;

  bool has_caches() const;
  // Takes the directories of cache mounts, which may mean to wait for others, and adds them to what
  // Prepare returned.
  // `user` has no `fill` yet.
  absl::Status TakeCaches(CacheMountStore* store, CacheMountUser user, const std::stop_token& stop,
                          std::vector<ContainerMount>* mounts);
  // Gives them back.
  void ReleaseCaches() { caches_.clear(); }

 private:
  struct Opened {
    const v1::Mount* mount;
    std::string target;       // links followed, relative
    bool in_another = false;  // it lies in one that is made before it
    Filesystem from;          // where the mount has a source
    std::string source;       // links followed, relative
    bool is_directory = true;
    std::string selected;  // what is at `source`, as a serialized index
    std::shared_ptr<const LayerIndex> selected_index;
    std::optional<uint32_t> mode;  // of the directory that a tmpfs covers
  };

  static FilesOrigin OriginOf(const Opened& opened);
  static PathNames NamesIn(const Opened& opened);
  static absl::Status OpenSource(const OpenInput& open, Opened* opened);
  absl::StatusOr<ContainerMount> Bind(const Opened& opened, LayerStore* layers,
                                      const AddLayer& add_layer, const std::stop_token& stop) const;

  std::vector<Opened> opened_;
  std::vector<std::shared_ptr<const CacheMount>> caches_;
};

// The file or directory at `path`, which has no links in it, as a layer of its own: the directory
// as its root, a file as "file". With `reset_owner` all of it belongs to root.
absl::StatusOr<std::string> SelectTree(const Rootfs& view, std::string_view path, bool reset_owner);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_RUN_MOUNTS_H_
