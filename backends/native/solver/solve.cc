#include "backends/native/solver/solve.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "backends/graph/describe.h"
#include "backends/graph/image_config.h"
#include "backends/native/solver/plan.h"
#include "base/errors.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

// Docker mounts no image with more.
constexpr size_t kPortableLayers = 125;

// One build under way.
class Solver {
 public:
  Solver(const SolveOptions& options, const BuildJob& job, EventSink& events, std::stop_token stop)
      : options_(options),
        job_(job),
        graph_(*job.graph),
        events_(events),
        stages_(graph_.stages_size()),
        explainer_(graph_, options_.explain),
        outer_stop_(std::move(stop)),
        plan_(graph_) {}

  absl::StatusOr<NewImage> Run() {
    EmitPlan();
    {
      const std::stop_callback forward(outer_stop_, [this] { stop_.request_stop(); });
      MutexLock lock(&mutex_);
      Launch(plan_.Start());
      // Operations that run hear of a stop themselves; the wait ends with the last of them.
      idle_.Wait(&mutex_, std::stop_token(),
                 [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return running_ == 0; });
    }
    options_.explained(explainer_.Serialize());
    {
      MutexLock lock(&mutex_);
      RETURN_IF_ERROR(failure_);
    }
    return Image();
  }

 private:
  void EmitPlan() {
    v1::BuildEvent plan;
    *plan.mutable_build_plan() = DescribePlan(graph_);
    uint32_t instructions = 0;
    for (const v1::PlannedStage& stage : plan.build_plan().stages()) {
      instructions += static_cast<uint32_t>(stage.instructions_size());
    }
    v1::BuildEvent started;
    started.mutable_build_started()->set_total_stages(plan.build_plan().stages_size());
    started.mutable_build_started()->set_total_instructions(instructions);
    started.mutable_build_started()->set_backend("native");
    events_.Emit(std::move(started));
    events_.Emit(std::move(plan));
  }

  void Launch(const std::vector<OperationId>& ready) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const OperationId& id : ready) {
      ++running_;
      options_.pool->Submit([this, id] { Work(id); });
    }
  }

  // Runs `id` and then, on the same thread, what it made ready, leaving only the surplus to others.
  void Work(OperationId id) {
    for (bool more = true; more;) {
      absl::Status status =
          stop_.stop_requested() ? Cancelled("the build was canceled") : Perform(id);
      MutexLock lock(&mutex_);
      more = false;
      if (!status.ok()) {
        Fail(std::move(status));
      } else {
        std::vector<OperationId> ready = plan_.Done(id);
        if (!ready.empty()) {
          id = ready.back();
          ready.pop_back();
          more = true;
          Launch(ready);
        }
      }
      if (!more && --running_ == 0) {
        idle_.NotifyAll();
      }
    }
  }

  // The first failure is the build's; what it interrupts fails because of it.
  void Fail(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (failure_.ok()) {
      failure_ =
          outer_stop_.stop_requested() ? Cancelled("the build was canceled") : std::move(status);
    }
    stop_.request_stop();
  }

  absl::Status Perform(OperationId id) {
    const v1::Stage& stage = graph_.stages(id.stage);
    const v1::Operation& operation = stage.operations(id.index);
    absl::Status status =
        id.index == 0 ? Begin(id.stage, stage, operation) : Instruction(id, stage, operation);
    if (!status.ok()) {
      v1::ErrorDetail detail;
      detail.set_instruction(operation.text());
      detail.set_stage(stage.name().empty() ? fmt::format("{}", id.stage) : stage.name());
      if (DetailOf(status).reason().empty() && status.code() == absl::StatusCode::kNotFound) {
        detail.set_reason("NOT_FOUND");
      }
      return AtSource(WithDetail(std::move(status), detail), operation.source());
    }
    if (static_cast<int>(id.index) + 1 == stage.operations_size()) {
      v1::BuildEvent complete;
      complete.mutable_stage_complete()->set_index(id.stage);
      events_.Emit(std::move(complete));
    }
    return absl::OkStatus();
  }

  absl::Status Begin(uint32_t index, const v1::Stage& stage, const v1::Operation& operation) {
    v1::BuildEvent started;
    started.mutable_stage_started()->set_index(index);
    started.mutable_stage_started()->set_name(stage.name());
    started.mutable_stage_started()->set_base_image(stage.base_text());
    started.mutable_stage_started()->set_build(stage.build());
    events_.Emit(std::move(started));
    ASSIGN_OR_RETURN(stages_[index],
                     options_.operations->Base(operation, stages_, stop_.get_token()));
    stages_[index].command_is_own = false;
    explainer_.Began(index, stages_[index]);
    ApplyConfig(operation, &stages_[index]);
    return absl::OkStatus();
  }

  absl::Status Instruction(OperationId id, const v1::Stage& stage, const v1::Operation& operation) {
    const ScopedSpan span(job_.spans.get(), "step", operation.text());
    const int64_t begin = MonotonicNs();
    v1::BuildEvent started;
    started.mutable_instruction_started()->set_stage(id.stage);
    started.mutable_instruction_started()->set_index(id.index - 1);
    started.mutable_instruction_started()->set_instruction(operation.text());
    *started.mutable_instruction_started()->mutable_source() = operation.source();
    events_.Emit(std::move(started));

    BuiltStage& state = stages_[id.stage];
    StepResult result;
    result.cached = true;
    result.reason = "configuration";
    if (operation.kind_case() != v1::Operation::KIND_NOT_SET) {
      ASSIGN_OR_RETURN(result, MakeLayer(id, stage, operation));
      AddLayer(id.stage, result, &state);
    }
    AddHistory(operation, result.layer == nullptr, &state);
    ApplyConfig(operation, &state);

    v1::BuildEvent complete;
    complete.mutable_instruction_complete()->set_stage(id.stage);
    complete.mutable_instruction_complete()->set_index(id.index - 1);
    complete.mutable_instruction_complete()->set_cached(result.cached);
    complete.mutable_instruction_complete()->set_reason(result.reason);
    complete.mutable_instruction_complete()->set_seconds(
        static_cast<double>(MonotonicNs() - begin) / 1e9);
    events_.Emit(std::move(complete));
    return absl::OkStatus();
  }

  absl::StatusOr<StepResult> MakeLayer(OperationId id, const v1::Stage& stage,
                                       const v1::Operation& operation) {
    const StepSink sink = SinkOf(id);
    const auto prepare = [&] {
      const ScopedSpan span(job_.spans.get(), "prepare");
      return options_.operations->Prepare(operation, id.stage, stages_, sink, stop_.get_token());
    };
    ASSIGN_OR_RETURN(const Step step, prepare());
    const StepRequest request{.build_id = job_.build_id,
                              .name_space = job_.name_space,
                              .description = operation.text(),
                              .no_cache = job_.no_cache || IsUncached(stage),
                              .max_age = job_.cache_ttl,
                              .spans = job_.spans.get()};
    ASSIGN_OR_RETURN(
        StepResult result,
        options_.cache->Do(
            step, request, [&](const Step& missed) { return explainer_.Explain(id, missed); }, sink,
            stop_.get_token()));
    explainer_.Done(id, step, result);
    return result;
  }

  bool IsUncached(const v1::Stage& stage) const {
    return std::any_of(job_.no_cache_stages.begin(), job_.no_cache_stages.end(),
                       [&](const std::string& name) { return SameStageName(name, stage.name()); });
  }

  // What happens during an operation gets its place in the graph.
  StepSink SinkOf(OperationId id) {
    return [this, id](v1::BuildEvent event) {
      const auto place = [id](auto* message) {
        message->set_stage(id.stage);
        message->set_index(id.index - 1);
      };
      if (event.has_output()) {
        place(event.mutable_output());
      } else if (event.has_progress()) {
        place(event.mutable_progress());
      } else if (event.has_instruction_retried()) {
        place(event.mutable_instruction_retried());
      } else if (event.has_instruction_waiting()) {
        place(event.mutable_instruction_waiting());
      } else if (event.has_instruction_missed()) {
        place(event.mutable_instruction_missed());
      }
      events_.Emit(std::move(event));
    };
  }

  void AddLayer(uint32_t stage, const StepResult& result, BuiltStage* state) {
    if (!result.chain.empty()) {
      StandOn(stage, result.chain, state);
    }
    state->files.view = state->files.view.With(result.layer);
    state->chain.push_back(result.layer->id());
    state->layers.push_back({.layer = result.layer->id()});
    state->created_ns = std::max(state->created_ns, result.created_ns);
    if (IsKept(stage)) {
      options_.kept_layer(result.layer);
    }
  }

  // Exchanges the layers of a stage for others with the same content.
  void StandOn(uint32_t stage, const std::vector<LayerRef>& chain, BuiltStage* state) {
    const bool kept = IsKept(stage);
    state->files.view = Rootfs(chain);
    for (size_t i = 0; i < chain.size(); ++i) {
      if (chain[i]->id() != state->chain[i]) {
        state->chain[i] = chain[i]->id();
        state->layers[i] = {.layer = chain[i]->id()};
        if (kept) {
          options_.kept_layer(chain[i]);
        }
      }
    }
  }

  // Layers that will be put together are not the image's.
  bool IsKept(uint32_t stage) {
    MutexLock lock(&mutex_);
    return plan_.kept(stage) && job_.layering == Layering::kPerInstruction;
  }

  // What neither makes a layer nor says what to write (ONBUILD, labels of the request) leaves no
  // trace, as in BuildKit.
  static void AddHistory(const v1::Operation& operation, bool empty_layer, BuiltStage* state) {
    if (empty_layer && operation.created_by().empty()) {
      return;
    }
    state->history.push_back(
        {.created_ns = state->created_ns,
         .created_by = operation.created_by().empty() ? operation.text() : operation.created_by(),
         .comment = "zlayer",
         .author = state->config.author(),
         .empty_layer = empty_layer});
  }

  static void ApplyConfig(const v1::Operation& operation, BuiltStage* state) {
    for (const v1::ConfigChange& change : operation.config()) {
      ApplyConfigChange(change, &state->config, &state->command_is_own);
    }
  }

  static void NotLaterThan(int64_t epoch_seconds, NewImage* image) {
    constexpr int64_t kSecond = 1'000'000'000;
    if (epoch_seconds > std::numeric_limits<int64_t>::max() / kSecond) {
      return;
    }
    const int64_t epoch_ns = epoch_seconds * kSecond;
    image->created_ns = std::min(image->created_ns, epoch_ns);
    for (ImageHistory& entry : image->history) {
      entry.created_ns = std::min(entry.created_ns, epoch_ns);
    }
  }

  absl::StatusOr<NewImage> Image() {
    const uint32_t target = graph_.targets(0);
    BuiltStage& state = stages_[target];
    if (state.layers.size() > kPortableLayers && job_.layering == Layering::kPerInstruction) {
      v1::BuildEvent warning;
      warning.mutable_warning()->set_rule("TooManyLayers");
      warning.mutable_warning()->set_message(
          fmt::format("the image has {} layers; Docker runs images with at most {}",
                      state.layers.size(), kPortableLayers));
      events_.Emit(std::move(warning));
    }
    NewImage image;
    image.platform = graph_.stages(target).platform();
    if (image.platform.os() == "windows" && image.platform.os_version().empty()) {
      image.platform.set_os_version(state.platform.os_version());
    }
    image.config = std::move(state.config);
    image.history = std::move(state.history);
    image.layers = std::move(state.layers);
    image.created_ns = state.created_ns;
    image.source = std::move(state.source);
    if (graph_.has_source_date_epoch()) {
      NotLaterThan(graph_.source_date_epoch(), &image);
    }
    return image;
  }

  const SolveOptions& options_;
  const BuildJob& job_;
  const v1::Graph& graph_;
  EventSink& events_;
  // A stage's state belongs to the one operation of it that runs; the plan orders its readers.
  std::vector<BuiltStage> stages_;
  Explainer explainer_;
  const std::stop_token outer_stop_;
  std::stop_source stop_;

  Mutex mutex_;
  CondVar idle_;
  Plan plan_ ABSL_GUARDED_BY(mutex_);
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<NewImage> Solve(const SolveOptions& options, const BuildJob& job, EventSink& events,
                               std::stop_token stop) {
  return Solver(options, job, events, std::move(stop)).Run();
}

}  // namespace zlayer
