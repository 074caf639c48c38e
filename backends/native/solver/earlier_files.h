// Files that steps of earlier builds were made from, found again to say what changed in them.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_EARLIER_FILES_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_EARLIER_FILES_H_

#include <absl/status/statusor.h>

#include <memory>

#include "backends/native/solver/key.h"
#include "backends/native/solver/step.h"
#include "registry/store.h"

namespace zlayer {

// Files with this content: of a layer that is cached under `scope` (a COPY made it, or a mount
// showed it), or selected again from where they were. kNotFound where they are gone.
absl::StatusOr<std::shared_ptr<const LayerIndex>> FindEarlierFiles(Store& store,
                                                                   const KeyScope& scope,
                                                                   const Digest& content,
                                                                   const FilesOrigin& origin);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_EARLIER_FILES_H_
