// A step: an operation that makes a layer, known by all that it reads before it is done.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_STEP_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_STEP_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "backends/native/solver/files_difference.h"
#include "base/digest.h"
#include "registry/layer/layer_store.h"
#include "zlayer/v1/events.pb.h"

namespace zlayer {

// Takes what happens during a step: Output, Progress, InstructionMissed, InstructionWaiting and
// InstructionRetried events, without stage and index, and Warning events.
using StepSink = std::function<void(v1::BuildEvent)>;

// What files were selected from (run_mounts.h, SelectTree): the tree at `path` of these layers,
// lowest first. None without layers.
struct FilesOrigin {
  std::vector<Digest> layers;
  std::string path;  // in the layers
  bool reset_owner = false;
};

// Something that a step is made from, to say what changed since an earlier build.
struct StepPart {
  std::string name;   // as a message calls it: "the command", "the variable CC"
  std::string value;  // compared, never shown
  // Instead of a value: files, as the index of a layer that may be in no store.
  std::shared_ptr<const LayerIndex> files;
  // Where to find `files` later, if nothing in the store contains the same.
  FilesOrigin origin = {};
  // What the user calls a path of `files`. To be called before the step is made.
  PathNames names = {};
};

struct Step {
  Digest key;
  // The layers that a record of the key was made on, lowest first: with others it is of no use.
  std::vector<Digest> chain;
  // The key with what the layers of the chain contain instead of what they are; none where the key
  // is that already. Layers of a base image are in it as they are.
  Digest content_key;
  std::vector<StepPart> parts;
  // Makes the layer. Owns, or shares, what it needs of the build that asked for it, which may be
  // over before.
  std::function<absl::StatusOr<LayerRef>(const StepSink& sink, std::stop_token stop)> make;
};

// What a step came to.
struct StepResult {
  LayerRef layer;
  // Where the layer stands on other layers than the step's chain, of the same content: those.
  std::vector<LayerRef> chain;
  int64_t created_ns = 0;
  bool cached = false;
  std::string reason;  // as in InstructionComplete
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_STEP_H_
