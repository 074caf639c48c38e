// When the daemon collects garbage by itself. Pure: no clock, no disk, no threads.
#ifndef ZLAYER_REGISTRY_GC_SWEEP_SCHEDULE_H_
#define ZLAYER_REGISTRY_GC_SWEEP_SCHEDULE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <tuple>
#include <vector>

namespace zlayer {

struct DiskSpace {
  uint64_t total = 0;  // bytes
  uint64_t free = 0;
};

// Bytes, or so much of the disk on which the root lies.
struct DiskShare {
  uint64_t bytes = 0;
  uint32_t percent = 0;  // wins where it is not 0

  uint64_t Of(const DiskSpace& disk) const {
    return percent == 0 ? bytes : disk.total / 100 * percent;
  }
};

// Once after the start, then where something was added or removed, where less of the disk is free
// than is wanted, and once an hour. Times are nanoseconds of a clock that only goes forward.
// Not thread-safe.
class SweepSchedule {
 public:
  // Images, layers, records: what changes when there may be garbage.
  using Counts = std::tuple<uint64_t, uint64_t, uint64_t>;

  // Looks for changes once an `interval`; a disk with less of it free than one of `min_free` does
  // not wait for that.
  SweepSchedule(std::chrono::nanoseconds interval, std::vector<DiskShare> min_free, int64_t now_ns);

  // Whether to sweep now. `count` is called where that decides.
  bool IsDue(int64_t now_ns, const DiskSpace& disk, const std::function<Counts()>& count);
  // A sweep ended now and left so much, or something else that must be looked at again.
  void Ended(int64_t now_ns, const std::optional<Counts>& left);

 private:
  bool IsFull(const DiskSpace& disk) const;
  bool HasPassed(int64_t now_ns, std::chrono::nanoseconds duration) const;

  const std::chrono::nanoseconds interval_;
  const std::vector<DiskShare> min_free_;
  int64_t next_look_ns_;
  std::optional<int64_t> ended_ns_;  // the last sweep
  std::optional<Counts> left_;       // by it
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_GC_SWEEP_SCHEDULE_H_
