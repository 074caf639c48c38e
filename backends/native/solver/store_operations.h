// The operations of a graph over the store, the executor and what is fetched from outside.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_STORE_OPERATIONS_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_STORE_OPERATIONS_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/api/backend.h"
#include "backends/native/exec/executor.h"
#include "backends/native/file/unpacked_archives.h"
#include "backends/native/net/remote_sources.h"
#include "backends/native/solver/copy_plans.h"
#include "backends/native/solver/key.h"
#include "backends/native/solver/operations.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "base/thread_pool.h"
#include "registry/store.h"

namespace zlayer {

class LayerDraft;

// What the native backend works with; all of it outlives every build.
struct NativeResources {
  Store* store = nullptr;
  Executor* executor = nullptr;
  RemoteSources* remote = nullptr;
  const Clock* clock = nullptr;
  // Runs the steps of all builds; its size is the limit of how many run at once.
  ThreadPool* pool = nullptr;
  CopyPlans* plans = nullptr;
  UnpackedArchives* archives = nullptr;
  std::chrono::nanoseconds retry_pause{0};  // before a RUN that failed is tried again
  std::string binfmt_directory;             // see CheckCanRun
};

class StoreOperations : public Operations {
 public:
  StoreOperations(const NativeResources& resources, const BuildJob& job)
      : resources_(resources), job_(job) {}

  absl::StatusOr<BuiltStage> Base(const v1::Operation& operation, const Stages& stages,
                                  std::stop_token stop) override;
  absl::StatusOr<Step> Prepare(const v1::Operation& operation, uint32_t stage, const Stages& stages,
                               const StepSink& sink, std::stop_token stop) override;

 private:
  // What a step is prepared with.
  struct Site {
    const Stages& stages;
    const BuiltStage& state;
    KeyScope scope;
    const StepSink& sink;
    std::stop_token stop;
  };
  // A file operation under way: what its draft reads, and the draft.
  struct FileWork;

  absl::StatusOr<Step> Run(const v1::Run& run, const Site& site);
  absl::StatusOr<Step> Copy(const v1::Copy& copy, const Site& site);
  absl::StatusOr<Step> MakeDirectory(const v1::MakeDirectory& make, const Site& site);
  // `files` is what the work comes to, or what it came to before.
  Step FileStep(std::shared_ptr<FileWork> work, std::shared_ptr<const LayerIndex> files,
                const KeyScope& scope) const;
  absl::StatusOr<Step> CopyStep(std::shared_ptr<FileWork> work, const Digest& plan,
                                const Site& site) const;
  static void WarnOfUnread(const Filesystem& input, const StepSink& sink);
  // What `fetch` answers, which waits for the network: others have its place meanwhile.
  template <typename Fetch>
  auto Outside(const Fetch& fetch) const {
    std::optional<decltype(fetch())> fetched;
    resources_.pool->Outside([&] { fetched.emplace(fetch()); });
    return *std::move(fetched);
  }
  absl::StatusOr<LayerRef> Open(const ImageLayer& layer) const;
  absl::StatusOr<BuiltStage> ImageState(const v1::ImageBase& base, std::stop_token stop);
  absl::StatusOr<Filesystem> Image(const v1::ImageBase& image, std::stop_token stop);
  // What an uploaded context has below a directory of it ("" is all).
  absl::StatusOr<LayerRef> Context(const std::string& id, const std::string& directory);
  // What comes from a URL is one file, called `name` (see RemoteSources::Http).
  absl::StatusOr<Filesystem> Input(const v1::Input& input, std::string_view name, const Site& site);
  absl::StatusOr<Filesystem> InlineFile(const v1::Mount& mount, std::stop_token stop) const;

  const NativeResources resources_;
  const BuildJob& job_;
  FetchMemo fetched_;
  Mutex mutex_;
  // Directories of contexts, by the context's layer and path: several steps look at one.
  std::map<std::pair<Digest, std::string>, LayerRef> directories_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_STORE_OPERATIONS_H_
