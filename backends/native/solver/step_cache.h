// Finds what a step made before, or has it made: exactly once, whoever wants it at the same time.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_STEP_CACHE_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_STEP_CACHE_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "backends/api/span_sink.h"
#include "backends/native/solver/in_flight.h"
#include "backends/native/solver/step.h"
#include "base/clock.h"
#include "registry/record_store.h"

namespace zlayer {

// Who wants a step done, and how.
struct StepRequest {
  std::string build_id;
  std::string name_space;
  std::string description;  // the step, for people
  // Takes nothing that was made for another build.
  bool no_cache = false;
  // Takes nothing that is older.
  std::optional<std::chrono::nanoseconds> max_age;
  SpanSink* spans = nullptr;  // of the build; may be null
};

struct StepCacheOptions {
  RecordStore* records = nullptr;
  // A layer by its id; kNotFound where it is gone.
  std::function<absl::StatusOr<LayerRef>(const Digest& id)> layer;
  const Clock* clock = nullptr;
  ThreadPool* pool = nullptr;
};

// Thread-safe; one for all builds. What the options point to outlives it, but the pool's tasks end
// before it goes.
class StepCache {
 public:
  explicit StepCache(const StepCacheOptions& options)
      : options_(options), in_flight_(options.pool) {}

  // Says what changed since an earlier build, so that nothing was found: "miss: file a.c changed".
  using Explain = std::function<std::string(const Step&)>;

  // Must be called from a task of the pool, whose place others have while the step is made. `sink`
  // and `explain` are called from this thread.
  absl::StatusOr<StepResult> Do(const Step& step, const StepRequest& request,
                                const Explain& explain, const StepSink& sink, std::stop_token stop);

 private:
  // What there is for a step. Else `layer` is null, and `reason` why what there is may not be used,
  // or empty.
  absl::StatusOr<StepResult> Find(const Step& step, const StepRequest& request) const;
  absl::StatusOr<StepResult> FindByContent(const Step& step, const StepRequest& request) const;
  absl::StatusOr<StepResult> Make(const Step& step, const StepRequest& request,
                                  const StepSink& sink, std::stop_token stop) const;
  // Empty where the record may be used.
  std::string Refusal(const CacheRecord& record, const StepRequest& request) const;
  // Null where it is gone.
  absl::StatusOr<LayerRef> Layer(const Digest& id) const;

  const StepCacheOptions options_;
  InFlight in_flight_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_STEP_CACHE_H_
