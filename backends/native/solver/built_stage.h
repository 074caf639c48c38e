// What a stage is after some of its operations.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_BUILT_STAGE_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_BUILT_STAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "backends/native/file/filesystem.h"
#include "base/digest.h"
#include "registry/image/image_store.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// The operations of a stage change it one after the other; once the stage is complete, others read
// it. Copies are cheap but for the configuration and history.
struct BuiltStage {
  Filesystem files;
  std::vector<Digest> chain;  // ids of the layers of `files`, lowest first
  v1::Platform platform;      // of the base image; empty where there is none
  v1::ImageConfig config;
  bool command_is_own = false;  // see ApplyConfigChange
  std::vector<ImageHistory> history;
  std::vector<ImageLayer> layers;  // of the base with their descriptors, then the stage's own
  size_t base_layers = 0;          // of `layers`, came with a base image
  int64_t created_ns = 0;          // of the newest layer
  std::string source;              // where the base was pulled (StoredImage.source)
};

// What the layers of `chain` contain, times left out. Those of a base image, which an image keeps
// as they are, stand for themselves.
inline std::vector<Digest> ContentChain(const BuiltStage& state) {
  std::vector<Digest> contents = state.chain;
  for (size_t i = state.base_layers; i < contents.size(); ++i) {
    contents[i] = state.files.view.layers()[i]->ContentDigest();
  }
  return contents;
}

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_BUILT_STAGE_H_
