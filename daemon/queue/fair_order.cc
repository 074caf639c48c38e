#include "daemon/queue/fair_order.h"

#include <algorithm>
#include <deque>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace zlayer {
namespace {

// Clients choose the names of namespaces, so what is remembered of them must end somewhere.
constexpr size_t kMaxIdle = 1000;

}  // namespace

bool FairOrder::ByAge::operator()(const WaitingBuild& a, const WaitingBuild& b) const {
  return std::tie(b.priority, a.created_ns, a.id) < std::tie(a.priority, b.created_ns, b.id);
}

bool FairOrder::Rank::operator<(const Rank& other) const {
  return std::tie(other.priority, running, last_start, created_ns, id) <
         std::tie(priority, other.running, other.last_start, other.created_ns, other.id);
}

FairOrder::Rank FairOrder::RankOf(const WaitingBuild& first, uint32_t running,
                                  uint64_t last_start) {
  return {first.priority, running, last_start, first.created_ns, first.id};
}

FairOrder::FairOrder(const Limits& limits)
    : limits_{std::max<uint32_t>(limits.running, 1), limits.running_per_namespace} {}

bool FairOrder::AtLimit(uint32_t running) const {
  return limits_.running_per_namespace > 0 && running >= limits_.running_per_namespace;
}

void FairOrder::TakeOut(Shares::iterator share) {
  const Share& s = share->second;
  if (!s.builds.empty()) {
    ready_.erase(RankOf(*s.builds.begin(), s.running, s.last_start));
  } else if (s.running == 0) {
    idle_.erase(s.last_start);
  }
}

void FairOrder::PutBack(Shares::iterator share) {
  const Share& s = share->second;
  if (!s.builds.empty()) {
    if (!AtLimit(s.running)) {
      ready_.emplace(RankOf(*s.builds.begin(), s.running, s.last_start), share);
    }
  } else if (s.running == 0) {
    if (s.last_start == 0) {
      shares_.erase(share);
    } else {
      idle_.emplace(s.last_start, share);
      ForgetIdle();
    }
  }
}

void FairOrder::ForgetIdle() {
  while (idle_.size() > kMaxIdle) {
    shares_.erase(idle_.begin()->second);
    idle_.erase(idle_.begin());
  }
}

void FairOrder::Add(WaitingBuild build) {
  auto share = shares_.try_emplace(build.name_space).first;
  TakeOut(share);
  std::string id = build.id;
  auto place = share->second.builds.insert(std::move(build)).first;
  waiting_.emplace(std::move(id), std::pair(share, place));
  PutBack(share);
}

bool FairOrder::Remove(std::string_view id) {
  auto found = waiting_.find(id);
  if (found == waiting_.end()) {
    return false;
  }
  auto share = found->second.first;
  TakeOut(share);
  share->second.builds.erase(found->second.second);
  waiting_.erase(found);
  PutBack(share);
  return true;
}

const WaitingBuild* FairOrder::Find(std::string_view id) const {
  auto found = waiting_.find(id);
  return found == waiting_.end() ? nullptr : &*found->second.second;
}

const WaitingBuild* FairOrder::Next() const {
  if (ready_.empty() || running_.size() >= limits_.running) {
    return nullptr;
  }
  return &*ready_.begin()->second->second.builds.begin();
}

void FairOrder::Start(std::string_view id) {
  auto found = waiting_.find(id);
  auto share = found->second.first;
  TakeOut(share);
  share->second.last_start = ++starts_;
  ++share->second.running;
  running_.emplace(found->first, Running{share, starts_});
  running_by_start_.emplace(starts_, share);
  share->second.builds.erase(found->second.second);
  waiting_.erase(found);
  PutBack(share);
}

void FairOrder::End(std::string_view id) {
  auto found = running_.find(id);
  auto share = found->second.share;
  TakeOut(share);
  --share->second.running;
  running_by_start_.erase(found->second.start);
  running_.erase(found);
  PutBack(share);
}

void FairOrder::NoteStart(const std::string& name_space) {
  auto share = shares_.try_emplace(name_space).first;
  TakeOut(share);
  share->second.last_start = ++starts_;
  PutBack(share);
}

size_t FairOrder::waiting(std::string_view name_space) const {
  auto share = shares_.find(name_space);
  return share == shares_.end() ? 0 : share->second.builds.size();
}

// What would be, without changing what is: walks the sorted builds of each namespace.
class FairOrder::Simulation {
 public:
  explicit Simulation(const FairOrder& order) : order_(order), starts_(order.starts_) {
    for (const auto& [name, share] : order.shares_) {
      if (!share.builds.empty()) {
        Line& line = lines_[&share];
        line = {share.builds.begin(), share.builds.end(), share.running, share.last_start, false};
        PutIn(&line);
      }
    }
    for (const auto& [start, share] : order.running_by_start_) {
      auto line = lines_.find(&share->second);
      running_.push_back(line == lines_.end() ? nullptr : &line->second);
    }
  }

  std::map<std::string, Place> Run(std::unordered_set<std::string_view> wanted) {
    std::map<std::string, Place> places;
    bool at_once = true;
    for (uint32_t position = 0; !wanted.empty(); ++position) {
      while (!CanStart()) {
        if (at_once) {
          at_once = false;
          NoteLimits();
        }
        EndOldest();
      }
      Line* line = ready_.begin()->second;
      const WaitingBuild& build = *line->next;
      if (wanted.erase(build.id) > 0) {
        places[build.id] = {position, at_once          ? Hindrance::kNone
                                      : line->at_limit ? Hindrance::kRunningPerNamespace
                                                       : Hindrance::kRunning};
      }
      StartFirst();
    }
    return places;
  }

 private:
  struct Line {  // of a namespace's builds
    Builds::const_iterator next;
    Builds::const_iterator end;
    uint32_t running = 0;
    uint64_t last_start = 0;
    bool at_limit = false;  // when the first build had to wait
  };

  Rank RankOf(const Line& line) const {
    return FairOrder::RankOf(*line.next, line.running, line.last_start);
  }
  void PutIn(Line* line) {
    if (line->next != line->end && !order_.AtLimit(line->running)) {
      ready_.emplace(RankOf(*line), line);
    }
  }
  bool CanStart() const { return !ready_.empty() && running_.size() < order_.limits_.running; }

  void StartFirst() {
    Line* line = ready_.begin()->second;
    ready_.erase(ready_.begin());
    ++line->next;
    ++line->running;
    line->last_start = ++starts_;
    running_.push_back(line);
    PutIn(line);
  }

  void EndOldest() {
    Line* line = running_.front();
    running_.pop_front();
    if (line != nullptr) {
      if (line->next != line->end) {
        ready_.erase(RankOf(*line));
      }
      --line->running;
      PutIn(line);
    }
  }

  void NoteLimits() {
    for (auto& [share, line] : lines_) {
      line.at_limit = order_.AtLimit(line.running);
    }
  }

  const FairOrder& order_;
  uint64_t starts_;
  std::map<const Share*, Line> lines_;
  std::map<Rank, Line*> ready_;
  std::deque<Line*> running_;  // oldest first; null where nothing of the namespace waits
};

std::map<std::string, FairOrder::Place> FairOrder::Places(
    const std::vector<std::string>& ids) const {
  std::unordered_set<std::string_view> wanted;
  for (const std::string& id : ids) {
    if (waiting_.contains(id)) {
      wanted.insert(id);
    }
  }
  return wanted.empty() ? std::map<std::string, Place>() : Simulation(*this).Run(std::move(wanted));
}

}  // namespace zlayer
