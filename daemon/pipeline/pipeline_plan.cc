#include "daemon/pipeline/pipeline_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace zlayer {

PipelinePlan::PipelinePlan(PipelineShape shape)
    : shape_(std::move(shape)),
      dependants_(shape_.images.size()),
      phases_(shape_.images.size(), Phase::kWaiting),
      missing_(shape_.images.size()),
      culprits_(shape_.images.size()),
      withdrawn_(shape_.images.size()) {
  for (size_t i = 0; i < shape_.images.size(); ++i) {
    missing_[i] = shape_.images[i].depends_on.size();
    for (size_t dependency : shape_.images[i].depends_on) {
      dependants_[dependency].push_back(i);
    }
  }
}

PipelinePlan::Phase PipelinePlan::PhaseOf(const v1::PipelineImageStatus& status) {
  switch (status.state()) {
    case v1::PIPELINE_IMAGE_BUILDING:
      return Phase::kBuilding;
    case v1::PIPELINE_IMAGE_BUILT:
      return Phase::kBuilt;
    case v1::PIPELINE_IMAGE_PUSHING:
      return Phase::kPushing;
    case v1::PIPELINE_IMAGE_PUSHED:
      return Phase::kPushed;
    case v1::PIPELINE_IMAGE_SKIPPED:
      return Phase::kSkipped;
    case v1::PIPELINE_IMAGE_FAILED:
      return status.has_result() ? Phase::kPushFailed : Phase::kBuildFailed;
    case v1::PIPELINE_IMAGE_CANCELED:
      return status.has_result() ? Phase::kPushFailed : Phase::kBuildCanceled;
    default:
      return Phase::kWaiting;
  }
}

void PipelinePlan::Set(size_t image, const v1::PipelineImageStatus& status) {
  const bool was_built = IsBuilt(image);
  phases_[image] = PhaseOf(status);
  switch (phases_[image]) {
    case Phase::kBuildFailed:
    case Phase::kBuildCanceled:
      failed_ = failed_.value_or(image);
      for (size_t dependant : dependants_[image]) {
        Block(dependant, image);
      }
      break;
    case Phase::kPushFailed:
      failed_ = failed_.value_or(image);
      break;
    default:
      break;
  }
  if (IsBuilt(image) && !was_built) {
    for (size_t dependant : dependants_[image]) {
      --missing_[dependant];
    }
  }
}

// Each image is blocked once, so all calls together look at each dependency once.
void PipelinePlan::Block(size_t image, size_t culprit) {
  std::vector<size_t> open = {image};
  while (!open.empty()) {
    const size_t next = open.back();
    open.pop_back();
    if (!culprits_[next].has_value()) {
      culprits_[next] = culprit;
      open.insert(open.end(), dependants_[next].begin(), dependants_[next].end());
    }
  }
}

size_t PipelinePlan::Count(Phase phase) const {
  return static_cast<size_t>(std::count(phases_.begin(), phases_.end(), phase));
}

std::string PipelinePlan::SkipReason(size_t image) const {
  if (canceled_) {
    return "the pipeline was canceled";
  }
  if (culprits_[image].has_value()) {
    const size_t culprit = *culprits_[image];
    return fmt::format(
        "it needs \"{}\", {}", shape_.images[culprit].name,
        phases_[culprit] == Phase::kBuildCanceled ? "whose build was canceled" : "which failed");
  }
  return WithdrawalReason();
}

std::string PipelinePlan::WithdrawalReason() const {
  if (canceled_ || !failed_.has_value() || shape_.keep_going) {
    return "";
  }
  return fmt::format("\"{}\" {} before", shape_.images[*failed_].name,
                     phases_[*failed_] == Phase::kBuildCanceled ? "was canceled" : "failed");
}

void PipelinePlan::PlanBuilds(Steps* steps) const {
  size_t building = Count(Phase::kBuilding);
  for (size_t i = 0; i < phases_.size(); ++i) {
    if (phases_[i] != Phase::kWaiting) {
      continue;
    }
    if (IsEnding() || culprits_[i].has_value()) {
      steps->skip.push_back({i, SkipReason(i)});
    } else if (missing_[i] == 0 && (shape_.max_parallel == 0 || building < shape_.max_parallel)) {
      steps->build.push_back(i);
      ++building;
    }
  }
}

// Only what is built as a whole is sent.
void PipelinePlan::PlanPushes(Steps* steps) const {
  for (size_t i = 0; i < phases_.size(); ++i) {
    if (!IsBuilt(i)) {
      return;
    }
  }
  size_t pushing = Count(Phase::kPushing);
  for (size_t i = 0; i < phases_.size() && pushing < kMaxPushesAtOnce; ++i) {
    if (phases_[i] == Phase::kBuilt && shape_.images[i].pushes) {
      steps->push.push_back(i);
      ++pushing;
    }
  }
}

v1::PipelineState PipelinePlan::EndState() const {
  bool complete = true;
  for (size_t i = 0; i < phases_.size(); ++i) {
    complete = complete && (phases_[i] == Phase::kPushed ||
                            (phases_[i] == Phase::kBuilt && !shape_.images[i].pushes));
  }
  return complete    ? v1::PIPELINE_SUCCEEDED
         : canceled_ ? v1::PIPELINE_CANCELED
                     : v1::PIPELINE_FAILED;
}

PipelinePlan::Steps PipelinePlan::Next() {
  Steps steps;
  PlanBuilds(&steps);
  if (!IsEnding()) {
    PlanPushes(&steps);
  } else {
    steps.cancels_running = canceled_;
    for (size_t i = 0; i < phases_.size(); ++i) {
      if (phases_[i] == Phase::kBuilding && (!withdrawn_[i] || (canceled_ && !withdrawn_all_))) {
        withdrawn_[i] = true;
        steps.withdraw.push_back(i);
      }
    }
    withdrawn_all_ = canceled_;
  }
  if (steps.build.empty() && steps.skip.empty() && steps.push.empty() &&
      Count(Phase::kBuilding) == 0 && Count(Phase::kPushing) == 0) {
    steps.end = EndState();
  }
  return steps;
}

}  // namespace zlayer
