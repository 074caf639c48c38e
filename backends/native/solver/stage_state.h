// What a stage is after some of its operations.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_STAGE_STATE_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_STAGE_STATE_H_

#include <cstdint>
#include <vector>

#include "backends/native/file/filesystem.h"
#include "base/digest.h"
#include "registry/image/image_store.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// The operations of a stage change it one after the other; once the stage is complete, others read
// it. Copies are cheap but for the configuration and history.
struct StageState {
  Filesystem files;
  std::vector<Digest> chain;           // ids of the layers of `files`, lowest first
  v1::ImageConfig config;
  bool command_is_own = false;         // see ApplyConfigChange
  std::vector<ImageHistory> history;
  std::vector<ImageLayer> layers;      // of the base with their descriptors, then the stage's own
  int64_t created_ns = 0;              // of the newest layer
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_STAGE_STATE_H_
