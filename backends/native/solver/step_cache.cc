#include "backends/native/solver/step_cache.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

// What builds that share work must agree on. Without the cache a build shares with itself alone.
Digest FlightKey(const Step& step, const StepRequest& request) {
  Sha256 key;
  key.Update(step.key.Bytes());
  if (request.no_cache) {
    key.Update(request.build_id);
  }
  return key.Finish();
}

StepResult Hit(LayerRef layer, const CacheRecord& record, std::string reason) {
  return {.layer = std::move(layer),
          .created_ns = record.created_ns,
          .cached = true,
          .reason = std::move(reason)};
}

}  // namespace

std::string StepCache::Refusal(const CacheRecord& record, const StepRequest& request) const {
  if (record.build == request.build_id) {
    return "";  // so a build that is run again goes on where it was
  }
  if (request.no_cache) {
    return "no_cache";
  }
  const std::chrono::nanoseconds age(options_.clock->NowNs() - record.created_ns);
  if (request.max_age.has_value() && age > *request.max_age) {
    const auto seconds = [](std::chrono::nanoseconds time) {
      return std::chrono::duration<double>(time).count();
    };
    return fmt::format("expired: it was made {:.1f} s ago, the limit is {:.1f} s", seconds(age),
                       seconds(*request.max_age));
  }
  return "";
}

absl::StatusOr<LayerRef> StepCache::Layer(const Digest& id) const {
  absl::StatusOr<LayerRef> layer = options_.layer(id);
  if (absl::IsNotFound(layer.status())) {
    return nullptr;
  }
  return layer;
}

absl::StatusOr<StepResult> StepCache::Find(const Step& step, const StepRequest& request) const {
  absl::StatusOr<CacheRecord> record = options_.records->Find(step.key);
  StepResult result;
  if (record.ok() && record->chain == step.chain) {
    result.reason = Refusal(*record, request);
    if (result.reason.empty()) {
      ASSIGN_OR_RETURN(LayerRef layer, Layer(record->layer));
      if (layer != nullptr) {
        options_.records->Touch(record->key);
        return Hit(std::move(layer), *record, "hit");
      }
    }
  } else if (!record.ok() && !absl::IsNotFound(record.status())) {
    return record.status();
  }
  if (!step.content_key.IsNone()) {
    ASSIGN_OR_RETURN(StepResult same, FindByContent(step, request));
    if (same.layer != nullptr || result.reason.empty()) {
      return same;
    }
  }
  return result;
}

absl::StatusOr<StepResult> StepCache::FindByContent(const Step& step,
                                                    const StepRequest& request) const {
  ASSIGN_OR_RETURN(const std::vector<CacheRecord> records,
                   options_.records->FindByContent(step.content_key));
  StepResult nothing;
  for (const CacheRecord& record : records) {
    if (record.chain.size() != step.chain.size()) {
      continue;
    }
    if (std::string refusal = Refusal(record, request); !refusal.empty()) {
      nothing.reason = std::move(refusal);
      continue;
    }
    ASSIGN_OR_RETURN(LayerRef layer, Layer(record.layer));
    std::vector<LayerRef> chain;
    for (const Digest& id : record.chain) {
      ASSIGN_OR_RETURN(LayerRef below, Layer(id));
      if (below == nullptr) {
        break;
      }
      chain.push_back(std::move(below));
    }
    if (layer != nullptr && chain.size() == record.chain.size()) {
      options_.records->Touch(record.key);
      StepResult result = Hit(std::move(layer), record, "content hit");
      result.chain = std::move(chain);
      return result;
    }
  }
  return nothing;
}

absl::StatusOr<StepResult> StepCache::Make(const Step& step, const StepRequest& request,
                                           const StepSink& sink, std::stop_token stop) const {
  StepResult made;
  ASSIGN_OR_RETURN(made.layer, step.make(sink, std::move(stop)));
  made.created_ns = options_.clock->NowNs();
  RETURN_IF_ERROR(
      options_.records->Put(request.name_space, CacheRecord{.key = step.key,
                                                            .layer = made.layer->id(),
                                                            .chain = step.chain,
                                                            .build = request.build_id,
                                                            .created_ns = made.created_ns,
                                                            .content_key = step.content_key,
                                                            .description = request.description}));
  return made;
}

absl::StatusOr<StepResult> StepCache::Do(const Step& step, const StepRequest& request,
                                         const Explain& explain, const StepSink& sink,
                                         std::stop_token stop) {
  std::string reason;
  {
    const ScopedSpan span(request.spans, "lookup");
    ASSIGN_OR_RETURN(StepResult found, Find(step, request));
    if (found.layer != nullptr) {
      return found;
    }
    reason = std::move(found.reason);
    if (reason.empty()) {
      reason = request.no_cache ? "no_cache" : explain(step);
    }
    v1::BuildEvent missed;
    missed.mutable_instruction_missed()->set_reason(reason);
    sink(std::move(missed));
  }
  // The work looks again: who did it meanwhile has left.
  const auto work = [this, step, request, reason = std::move(reason)](
                        const StepSink& told, std::stop_token ended) -> absl::StatusOr<StepResult> {
    ASSIGN_OR_RETURN(StepResult again, Find(step, request));
    if (again.layer != nullptr) {
      return again;
    }
    ASSIGN_OR_RETURN(again, Make(step, request, told, std::move(ended)));
    again.reason = reason;
    return again;
  };
  const ScopedSpan span(request.spans, "wait");
  ASSIGN_OR_RETURN(FlightResult flight, in_flight_.Share(FlightKey(step, request), request.build_id,
                                                         work, sink, std::move(stop)));
  if (!flight.shared_with.empty() && !flight.result.cached) {
    flight.result.cached = true;
    flight.result.reason = fmt::format("shared with build {}", flight.shared_with);
  }
  return std::move(flight.result);
}

}  // namespace zlayer
