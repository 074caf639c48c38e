// Carries out single operations of a graph: the key, the cache, and on a miss the work.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_OPERATIONS_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_OPERATIONS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "backends/api/backend.h"
#include "backends/native/exec/executor.h"
#include "backends/native/net/remote_sources.h"
#include "backends/native/solver/key.h"
#include "backends/native/solver/stage_state.h"
#include "base/clock.h"
#include "base/thread_pool.h"
#include "registry/store.h"

namespace zlayer {

// What an operation made.
struct OperationResult {
  LayerRef layer;
  int64_t created_ns = 0;
  bool cached = false;
  std::string reason;  // as in InstructionComplete
};

// What the native backend works with; all of it outlives every build.
struct NativeResources {
  Store* store = nullptr;
  Executor* executor = nullptr;
  RemoteSources* remote = nullptr;
  const Clock* clock = nullptr;
  // Runs operations of all builds; its size is the limit of how many run at once.
  ThreadPool* pool = nullptr;
};

// The operations of one build. Thread-safe: different stages run at the same time.
class Operations {
 public:
  // Bytes that a process wrote: part of a line where `partial`.
  using Output = std::function<void(std::string_view data, bool is_stderr, bool partial)>;
  // States of the stages that are complete, by index.
  using Stages = std::vector<StageState>;

  // All arguments must outlive the object; `stages` is read only where the plan says that a stage
  // is complete.
  Operations(const NativeResources& resources, const BuildJob& job, const Stages* stages);

  // The state that a stage starts with.
  absl::StatusOr<StageState> Base(const v1::Operation& operation) const;

  // Operations that make a layer on top of `state`.
  absl::StatusOr<OperationResult> Run(const v1::Run& run, const KeyScope& scope,
                                      const StageState& state, const Output& output,
                                      const TransferProgress& progress,
                                      std::stop_token stop) const;
  absl::StatusOr<OperationResult> Copy(const v1::Copy& copy, const KeyScope& scope,
                                       const StageState& state, const TransferProgress& progress,
                                       std::stop_token stop) const;
  absl::StatusOr<OperationResult> MakeDirectory(const v1::MakeDirectory& make,
                                                const KeyScope& scope, const StageState& state,
                                                std::stop_token stop) const;

 private:
  absl::StatusOr<OperationResult> Cached(const Digest& key, const std::vector<Digest>& chain) const;
  absl::StatusOr<OperationResult> Keep(const Digest& key, const std::vector<Digest>& chain,
                                       std::string_view index, const std::string& tree) const;
  absl::StatusOr<OperationResult> MakeLayer(class LayerDraft& draft, const KeyScope& scope,
                                            const StageState& state, std::stop_token stop) const;
  absl::StatusOr<Filesystem> Image(const v1::ImageBase& image) const;
  // What comes from a URL is one file, called `name` (see RemoteSources::Http).
  absl::StatusOr<Filesystem> Input(const v1::Input& input, std::string_view name,
                                   const TransferProgress& progress, std::stop_token stop) const;
  absl::StatusOr<Filesystem> InlineFile(const v1::Mount& mount, const KeyScope& scope,
                                        std::stop_token stop) const;
  absl::StatusOr<LayerRef> MountedLayer(const KeyScope& scope, const LayerIndex& layer,
                                        std::string_view index) const;
  absl::StatusOr<ContainerRun> Container(const v1::Run& run, const StageState& state,
                                         const ProcessUser& user,
                                         const std::vector<std::string>& environment,
                                         std::stop_token stop) const;

  const NativeResources& resources_;
  const BuildJob& job_;
  const Stages* const stages_;
  mutable FetchMemo fetched_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_OPERATIONS_H_
