// Which queued build starts next, and how many start before the others. A plain data structure: no
// threads, no clock, no I/O. The scheduler asks it; tests compare it with a naive one.
#ifndef ZLAYER_DAEMON_QUEUE_FAIR_ORDER_H_
#define ZLAYER_DAEMON_QUEUE_FAIR_ORDER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

struct WaitingBuild {
  std::string id;
  std::string name_space;
  int32_t priority = 0;    // higher starts first
  int64_t created_ns = 0;  // older starts first; builds of one time go by id
};

// The order:
//
// 1. Only a build that may run counts: while `running` builds run none may, and none of a namespace
//    of which `running_per_namespace` run.
// 2. Higher priority first, across all namespaces.
// 3. Among the namespaces that have a build of that priority: the one of which the fewest builds
//    run; then the one that started a build the longest ago; then the one with the oldest build. A
//    namespace with a thousand builds so takes turns with one that has a single build.
// 4. Within a namespace the oldest.
//
// Add, Remove, Start, End and Next take logarithmic time. Ids are unique among what waits and runs.
class FairOrder {
 public:
  struct Limits {
    uint32_t running = 4;                // at least 1
    uint32_t running_per_namespace = 0;  // 0: no limit
  };

  // What keeps a build from starting at once.
  enum class Hindrance { kNone, kRunning, kRunningPerNamespace };
  struct Place {
    uint32_t position = 0;  // builds that start before it
    Hindrance hindrance = Hindrance::kNone;
  };

  explicit FairOrder(const Limits& limits);
  FairOrder(const FairOrder&) = delete;
  FairOrder& operator=(const FairOrder&) = delete;

  // The build waits.
  void Add(WaitingBuild build);
  // It waits no more. False where it did not.
  bool Remove(std::string_view id);
  // Null where it does not wait. Valid until it is removed or started.
  const WaitingBuild* Find(std::string_view id) const;

  // The build that is to start now; null where none waits that may run. Valid as from Find.
  const WaitingBuild* Next() const;
  // A build that waits runs, whether it was the next or not.
  void Start(std::string_view id);
  // It runs no more.
  void End(std::string_view id);

  // The namespace started a build, later than all that were started so far: for what happened
  // before this object was made.
  void NoteStart(const std::string& name_space);

  // Where these builds stand; those that do not wait are left out. What will end when is not known:
  // this assumes that builds end in the order in which they started and nothing is added. Takes
  // time for every build that starts before the last of them.
  std::map<std::string, Place> Places(const std::vector<std::string>& ids) const;

  size_t waiting() const { return waiting_.size(); }
  size_t waiting(std::string_view name_space) const;
  const Limits& limits() const { return limits_; }

 private:
  struct ByAge {
    bool operator()(const WaitingBuild& a, const WaitingBuild& b) const;
  };
  using Builds = std::set<WaitingBuild, ByAge>;

  struct Share {  // of one namespace
    Builds builds;
    uint32_t running = 0;
    uint64_t last_start = 0;  // 0: none that is remembered
  };
  using Shares = std::map<std::string, Share, std::less<>>;

  // Where a namespace stands among those that may start a build.
  struct Rank {
    int32_t priority;
    uint32_t running;
    uint64_t last_start;
    int64_t created_ns;
    std::string_view id;
    bool operator<(const Rank& other) const;
  };
  struct Running {
    Shares::iterator share;
    uint64_t start = 0;
  };
  class Simulation;

  static Rank RankOf(const WaitingBuild& first, uint32_t running, uint64_t last_start);
  bool AtLimit(uint32_t running) const;
  // Every change of a share is made between these two.
  void TakeOut(Shares::iterator share);
  void PutBack(Shares::iterator share);
  void ForgetIdle();

  const Limits limits_;
  uint64_t starts_ = 0;  // so far; the time of this object
  Shares shares_;
  std::map<Rank, Shares::iterator> ready_;  // namespaces that wait and are not at their limit
  std::map<std::string, std::pair<Shares::iterator, Builds::iterator>, std::less<>> waiting_;
  std::map<std::string, Running, std::less<>> running_;
  std::map<uint64_t, Shares::iterator> running_by_start_;
  // Namespaces without builds, by their last start. Only the newest are remembered.
  std::map<uint64_t, Shares::iterator> idle_;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_FAIR_ORDER_H_
