#include "backends/native/native_backend.h"

#include <algorithm>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "backends/native/file/unpacked_archives.h"
#include "backends/native/solver/copy_plans.h"
#include "backends/native/solver/earlier_files.h"
#include "backends/native/solver/solve.h"
#include "backends/native/solver/store_operations.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

constexpr Log kLog(LogModule::kBuild);

class NativeBackend : public Backend {
 public:
  explicit NativeBackend(const NativeBackendOptions& options)
      : options_(options),
        digests_(1),
        cache_({.records = &options.store->records(),
                .layer = [layers = &options.store->layers()](
                             const Digest& id) { return layers->Get(id); },
                .clock = options.clock,
                .pool = &pool_}),
        archives_(options.store, options.clock, &pool_),
        pool_(options.max_parallel != 0 ? options.max_parallel
                                        : std::max(8u, 4 * std::thread::hardware_concurrency())) {}
  ~NativeBackend() override { stop_.request_stop(); }

  v1::BackendInfo Info() const override {
    v1::BackendInfo info;
    info.set_name("native");
    info.set_unavailable_reason(options_.executor->unavailable_reason());
    info.set_available(info.unavailable_reason().empty());
    info.add_targets(FormatPlatform(HostPlatform()));
    for (const char* feature : {"run", "copy", "add:archives", "add:http", "add:git", "cache",
                                "network:host", "network:none", "mounts", "parallel"}) {
      info.add_features(feature);
    }
    return info;
  }

  absl::StatusOr<NewImage> Build(const BuildJob& job, EventSink& events,
                                 std::stop_token stop) override {
    RETURN_IF_ERROR(CheckSupported(*job.graph, HostPlatform()));
    RETURN_IF_ERROR(CheckEntitlements(job, options_.allow_insecure));
    Store* const store = options_.store;
    StoreOperations operations({.store = store,
                                .executor = options_.executor,
                                .remote = options_.remote,
                                .clock = options_.clock,
                                .pool = &pool_,
                                .plans = &plans_,
                                .archives = &archives_,
                                .retry_pause = options_.retry_pause,
                                .binfmt_directory = options_.binfmt_directory},
                               job);
    LayerStore* const layers = &store->layers();
    const SolveOptions solve{
        .operations = &operations,
        .cache = &cache_,
        .pool = &pool_,
        .explain =
            {.earlier = [&] { return store->explanations().Find(job.name_space, job.histories); },
             .earlier_may_differ = job.history_is_shared,
             .files =
                 [&](const v1::Platform& platform, const Digest& content,
                     const FilesOrigin& origin) {
                   return FindEarlierFiles(*store, {job.name_space, platform}, content, origin);
                 }},
        .explained = [&](const std::string& steps) { Keep(job, steps); },
        // The commit asks for the same digests and then finds them, or waits for the rest. An error
        // comes up again there.
        .kept_layer =
            [this, layers, epoch = job.layer_epoch, spans = job.spans](const LayerRef& layer) {
              digests_.Submit([layers, layer, epoch, spans, stop = stop_.get_token()] {
                const ScopedSpan span(spans.get(), "digest", layer->id().ToString());
                (void)layers->EnsureTarIdentity(layer->id(), epoch, stop);
              });
            },
    };
    return Solve(solve, job, events, std::move(stop));
  }

 private:
  void Keep(const BuildJob& job, const std::string& steps) const {
    if (absl::Status kept =
            options_.store->explanations().Put(job.name_space, job.histories, job.build_id, steps);
        !kept.ok()) {
      kLog.Warn("what a build was made from could not be kept",
                {{"build", job.build_id}, {"error", kept}});
    }
  }

  const NativeBackendOptions options_;
  std::stop_source stop_;
  ThreadPool digests_;
  CopyPlans plans_;
  StepCache cache_;  // the pool's tasks use this and the next: the pool ends first
  UnpackedArchives archives_;
  ThreadPool pool_;
};

}  // namespace

std::unique_ptr<Backend> MakeNativeBackend(const NativeBackendOptions& options) {
  return std::make_unique<NativeBackend>(options);
}

}  // namespace zlayer
