// A root filesystem that operations read from: the merged view of a chain of layers, with contents.
#ifndef ZLAYER_BACKENDS_NATIVE_FILE_FILESYSTEM_H_
#define ZLAYER_BACKENDS_NATIVE_FILE_FILESYSTEM_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "registry/layer/layer_store.h"
#include "registry/layer/rootfs.h"

namespace zlayer {

// Immutable and thread-safe; copies are cheap. `layers` must outlive it.
struct Filesystem {
  Rootfs view;
  LayerStore* layers = nullptr;
  // A layer at the bottom whose files are not in the view, since it is not distributed, as a
  // message names it; empty where all are.
  std::string unread;

  // The bytes of a file of the view.
  absl::StatusOr<ContentFile> Open(const RootfsEntry& file) const;

  // The file at `path`, links followed; empty where there is none. For small files of the system
  // (/etc/passwd): kResourceExhausted over 4 MiB.
  absl::StatusOr<std::string> ReadSmallFile(std::string_view path) const;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_FILE_FILESYSTEM_H_
