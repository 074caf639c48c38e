// What a pipeline does next, given what became of its images so far. No I/O, no threads.
#ifndef ZLAYER_DAEMON_PIPELINE_PIPELINE_PLAN_H_
#define ZLAYER_DAEMON_PIPELINE_PIPELINE_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "zlayer/v1/pipeline.pb.h"

namespace zlayer {

// What is constant of a pipeline.
struct PipelineShape {
  struct Image {
    std::string name;
    std::vector<size_t> depends_on;  // without circles
    bool pushes = false;             // once all images are built
  };
  std::vector<Image> images;
  bool keep_going = false;
  uint32_t max_parallel = 0;  // builds at the same time; 0: no limit
};

// Images that are sent at the same time, of one pipeline.
inline constexpr size_t kMaxPushesAtOnce = 4;

// Not thread-safe. Images are numbers.
class PipelinePlan {
 public:
  explicit PipelinePlan(PipelineShape shape);

  // An image has this state now. The order in which states come may be any one.
  void Set(size_t image, const v1::PipelineImageStatus& status);
  // From now on nothing is started.
  void Cancel() { canceled_ = true; }

  struct Skip {
    size_t image;
    std::string reason;
  };
  struct Steps {
    std::vector<size_t> build;  // to be submitted, in the order of the request
    std::vector<Skip> skip;
    std::vector<size_t> push;
    // Builds that are to be canceled: where `cancels_running`, all; else if they only wait in the
    // queue. Each is named once for each of the two.
    std::vector<size_t> withdraw;
    bool cancels_running = false;
    // Nothing is left to do or to wait for.
    std::optional<v1::PipelineState> end;
  };
  // What is to be done now. Whoever does it says so with Set and asks again, until there is
  // nothing.
  Steps Next();

  // Why an image is not built whose build was canceled; empty where that was not the pipeline's
  // doing.
  std::string WithdrawalReason() const;

  const PipelineShape& shape() const { return shape_; }
  bool canceled() const { return canceled_; }

 private:
  enum class Phase {
    kWaiting,
    kBuilding,
    kBuildFailed,
    kBuildCanceled,
    kSkipped,
    // From here on it is built.
    kBuilt,
    kPushing,
    kPushed,
    kPushFailed,
  };

  static Phase PhaseOf(const v1::PipelineImageStatus& status);
  bool IsBuilt(size_t image) const { return phases_[image] >= Phase::kBuilt; }
  bool IsEnding() const { return canceled_ || (failed_.has_value() && !shape_.keep_going); }
  void Block(size_t image, size_t culprit);
  std::string SkipReason(size_t image) const;
  size_t Count(Phase phase) const;
  void PlanBuilds(Steps* steps) const;
  void PlanPushes(Steps* steps) const;
  v1::PipelineState EndState() const;

  const PipelineShape shape_;
  std::vector<std::vector<size_t>> dependants_;
  std::vector<Phase> phases_;
  std::vector<size_t> missing_;  // dependencies that are not built
  // The failed image that stands in the way of one that depends on it, directly or not.
  std::vector<std::optional<size_t>> culprits_;
  std::vector<bool> withdrawn_;
  bool withdrawn_all_ = false;    // those that run, too
  std::optional<size_t> failed_;  // the first image that failed, or whose build was canceled
  bool canceled_ = false;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_PIPELINE_PIPELINE_PLAN_H_
