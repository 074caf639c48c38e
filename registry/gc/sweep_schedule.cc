#include "registry/gc/sweep_schedule.h"

#include <algorithm>
#include <utility>

namespace zlayer {
namespace {

constexpr std::chrono::nanoseconds kFirst = std::chrono::minutes(1);  // a start has enough to do
constexpr std::chrono::nanoseconds kFullDiskPause =
    std::chrono::minutes(1);  // where it did not help
constexpr std::chrono::nanoseconds kAnyway = std::chrono::hours(1);

}  // namespace

SweepSchedule::SweepSchedule(std::chrono::nanoseconds interval, std::vector<DiskShare> min_free,
                             int64_t now_ns)
    : interval_(interval),
      min_free_(std::move(min_free)),
      next_look_ns_(now_ns + std::min(kFirst, interval).count()) {}

bool SweepSchedule::IsDue(int64_t now_ns, const DiskSpace& disk,
                          const std::function<Counts()>& count) {
  if (IsFull(disk) && HasPassed(now_ns, kFullDiskPause)) {
    return true;
  }
  if (now_ns < next_look_ns_) {
    return false;
  }
  next_look_ns_ = now_ns + interval_.count();
  return HasPassed(now_ns, kAnyway) || count() != left_;
}

void SweepSchedule::Ended(int64_t now_ns, const std::optional<Counts>& left) {
  next_look_ns_ = now_ns + interval_.count();
  ended_ns_ = now_ns;
  left_ = left;
}

bool SweepSchedule::IsFull(const DiskSpace& disk) const {
  return std::any_of(min_free_.begin(), min_free_.end(),
                     [&](const DiskShare& wanted) { return disk.free < wanted.Of(disk); });
}

// Since the last sweep.
bool SweepSchedule::HasPassed(int64_t now_ns, std::chrono::nanoseconds duration) const {
  return !ended_ns_.has_value() || now_ns - *ended_ns_ >= duration.count();
}

}  // namespace zlayer
