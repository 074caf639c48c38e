#include "daemon/queue/fair_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace zlayer {
namespace {

using testing::ElementsAre;
using Hindrance = FairOrder::Hindrance;

class FairOrderTest : public testing::Test {
 protected:
  // Each build is younger than those before.
  void Add(const std::string& id, const std::string& name_space = "a", int32_t priority = 0) {
    order_->Add({id, name_space, priority, ++now_});
  }
  // Starts what may start, in order.
  std::vector<std::string> StartAll() {
    std::vector<std::string> started;
    while (const WaitingBuild* next = order_->Next()) {
      started.push_back(next->id);
      order_->Start(started.back());
    }
    return started;
  }
  // Runs all builds one by one.
  std::vector<std::string> RunAll() {
    std::vector<std::string> ran;
    while (const WaitingBuild* next = order_->Next()) {
      ran.push_back(next->id);
      order_->Start(ran.back());
      order_->End(ran.back());
    }
    return ran;
  }
  void Limit(uint32_t running, uint32_t per_namespace = 0) {
    order_.emplace(FairOrder::Limits{running, per_namespace});
  }

  int64_t now_ = 0;
  std::optional<FairOrder> order_{std::in_place, FairOrder::Limits{1, 0}};
};

TEST_F(FairOrderTest, NothingWaits) {
  EXPECT_EQ(order_->Next(), nullptr);
  EXPECT_EQ(order_->Find("x"), nullptr);
  EXPECT_FALSE(order_->Remove("x"));
  EXPECT_TRUE(order_->Places({"x"}).empty());
}

TEST_F(FairOrderTest, PriorityThenAge) {
  Add("1");
  Add("low", "a", -5);
  Add("high", "a", 10);
  Add("2");
  Add("high too", "a", 10);
  EXPECT_THAT(RunAll(), ElementsAre("high", "high too", "1", "2", "low"));
}

TEST_F(FairOrderTest, BuildsOfOneTimeGoById) {
  order_->Add({"b", "a", 0, 1});
  order_->Add({"a", "a", 0, 1});
  order_->Add({"c", "b", 0, 1});
  EXPECT_THAT(RunAll(), ElementsAre("a", "c", "b"));
}

TEST_F(FairOrderTest, AThousandBuildsOfOneNamespaceDoNotHoldBackAnothersOne) {
  for (int i = 0; i < 1000; ++i) {
    Add("many" + std::to_string(i), "many");
  }
  EXPECT_THAT(StartAll(), ElementsAre("many0"));
  Add("one", "other");
  order_->End("many0");
  EXPECT_THAT(StartAll(), ElementsAre("one"));
}

TEST_F(FairOrderTest, NamespacesTakeTurns) {
  for (const char* name : {"a", "b", "c"}) {
    for (int i = 1; i <= 2; ++i) {
      Add(name + std::to_string(i), name);
    }
  }
  EXPECT_THAT(RunAll(), ElementsAre("a1", "b1", "c1", "a2", "b2", "c2"));
}

TEST_F(FairOrderTest, FewestRunningComesBeforeLongestAgo) {
  Limit(3);
  Add("a1", "a");
  Add("a2", "a");
  Add("b1", "b");
  order_->Start("b1");
  Add("b2", "b");
  order_->Start("a1");
  order_->Start("a2");  // b started longer ago, and fewer of it run
  order_->End("b1");
  Add("a3", "a");
  EXPECT_THAT(StartAll(), ElementsAre("b2"));
  order_->End("a1");
  order_->End("a2");  // none of a runs, one of b; a started longer ago, too
  Add("b3", "b");
  EXPECT_THAT(StartAll(), ElementsAre("a3", "b3"));
}

TEST_F(FairOrderTest, PriorityComesBeforeFairness) {
  for (const char* id : {"a1", "a2", "a3"}) {
    Add(id, "a", 1);
  }
  Add("b1", "b");
  EXPECT_THAT(RunAll(), ElementsAre("a1", "a2", "a3", "b1"));
}

TEST_F(FairOrderTest, LimitsOfAllAndOfANamespace) {
  Limit(4, 2);
  for (const char* id : {"a1", "a2", "a3"}) {
    Add(id, "a", 9);
  }
  Add("b1", "b");
  EXPECT_THAT(StartAll(), ElementsAre("a1", "a2", "b1"));
  Add("c1", "c");
  Add("c2", "c");
  EXPECT_THAT(StartAll(), ElementsAre("c1"));
  order_->End("b1");
  EXPECT_THAT(StartAll(), ElementsAre("c2"));
  order_->End("a2");
  EXPECT_THAT(StartAll(), ElementsAre("a3"));
}

TEST_F(FairOrderTest, StartsOfThePastCount) {
  order_->NoteStart("b");
  order_->NoteStart("a");
  Add("a1", "a");
  Add("b1", "b");
  Add("c1", "c");
  EXPECT_THAT(RunAll(), ElementsAre("c1", "b1", "a1"));
}

TEST_F(FairOrderTest, StartsOfThePastAreForgottenOldestFirst) {
  order_->NoteStart("b");
  order_->NoteStart("a");
  for (int i = 0; i < 999; ++i) {
    order_->NoteStart("n" + std::to_string(i));
  }
  Add("a1", "a");
  Add("b1", "b");
  Add("c1", "c");
  EXPECT_THAT(RunAll(), ElementsAre("b1", "c1", "a1"));
}

TEST_F(FairOrderTest, RemovedBuildsDoNotStart) {
  Add("1");
  Add("2");
  EXPECT_TRUE(order_->Remove("1"));
  EXPECT_FALSE(order_->Remove("1"));
  EXPECT_THAT(RunAll(), ElementsAre("2"));
}

TEST_F(FairOrderTest, Counts) {
  Limit(1);
  Add("1");
  Add("2");
  Add("b1", "b");
  order_->Start("1");
  EXPECT_EQ(order_->waiting(), 2u);
  EXPECT_EQ(order_->waiting("a"), 1u);
  EXPECT_EQ(order_->waiting("nobody"), 0u);
  EXPECT_EQ(order_->Find("b1")->name_space, "b");
  EXPECT_EQ(order_->Find("1"), nullptr);
}

TEST_F(FairOrderTest, PlacesSayWhatABuildWaitsFor) {
  Limit(2, 1);
  Add("a1", "a");
  Add("a2", "a");
  Add("b1", "b");
  Add("c1", "c");
  order_->Start("a1");
  auto places = order_->Places({"a2", "b1", "c1", "a1", "unknown"});
  ASSERT_EQ(places.size(), 3u);
  EXPECT_EQ(places["b1"].position, 0u);
  EXPECT_EQ(places["b1"].hindrance, Hindrance::kNone);
  // When a1 ends, c has none running and started none.
  EXPECT_EQ(places["c1"].position, 1u);
  EXPECT_EQ(places["c1"].hindrance, Hindrance::kRunning);
  EXPECT_EQ(places["a2"].position, 2u);
  EXPECT_EQ(places["a2"].hindrance, Hindrance::kRunningPerNamespace);
}

// What the class comment says, in so many words.
class NaiveOrder {
 public:
  explicit NaiveOrder(const FairOrder::Limits& limits) : limits_(limits) {}

  std::optional<std::string> Next() const {
    if (running.size() >= limits_.running) {
      return std::nullopt;
    }
    const WaitingBuild* best = nullptr;
    for (const WaitingBuild& build : waiting) {
      if (!IsFull(build.name_space) && (best == nullptr || IsBefore(build, *best))) {
        best = &build;
      }
    }
    return best == nullptr ? std::nullopt : std::optional(best->id);
  }
  void Start(const std::string& id) {
    auto build = std::find_if(waiting.begin(), waiting.end(),
                              [&id](const WaitingBuild& one) { return one.id == id; });
    last_start_[build->name_space] = ++starts_;
    running.push_back(*build);
    waiting.erase(build);
  }
  bool IsFull(const std::string& name_space) const {
    return limits_.running_per_namespace > 0 &&
           RunningOf(name_space) >= limits_.running_per_namespace;
  }
  // Takes everything to its end.
  std::map<std::string, FairOrder::Place> Places() const {
    NaiveOrder future = *this;
    std::map<std::string, FairOrder::Place> places;
    std::optional<NaiveOrder> stuck;
    for (uint32_t position = 0; !future.waiting.empty(); ++position) {
      std::optional<std::string> next;
      while (!(next = future.Next()).has_value()) {
        if (!stuck.has_value()) {
          stuck = future;
        }
        future.running.erase(future.running.begin());
      }
      future.Start(*next);
      const std::string& name_space = future.running.back().name_space;
      places[*next] = {position, !stuck.has_value()          ? Hindrance::kNone
                                 : stuck->IsFull(name_space) ? Hindrance::kRunningPerNamespace
                                                             : Hindrance::kRunning};
    }
    return places;
  }

  std::vector<WaitingBuild> waiting;
  std::vector<WaitingBuild> running;  // in the order of their starts

 private:
  size_t RunningOf(const std::string& name_space) const {
    return std::count_if(running.begin(), running.end(),
                         [&](const WaitingBuild& build) { return build.name_space == name_space; });
  }
  int64_t OldestOf(const std::string& name_space, int32_t priority) const {
    int64_t oldest = INT64_MAX;
    for (const WaitingBuild& build : waiting) {
      if (build.name_space == name_space && build.priority == priority) {
        oldest = std::min(oldest, build.created_ns);
      }
    }
    return oldest;
  }
  bool IsBefore(const WaitingBuild& a, const WaitingBuild& b) const {
    auto rank = [this](const WaitingBuild& build) {
      auto last = last_start_.find(build.name_space);
      return std::tuple(-build.priority, RunningOf(build.name_space),
                        last == last_start_.end() ? 0 : last->second,
                        OldestOf(build.name_space, build.priority), build.created_ns, build.id);
    };
    return rank(a) < rank(b);
  }

  FairOrder::Limits limits_;
  uint64_t starts_ = 0;
  std::map<std::string, uint64_t> last_start_;
};

TEST(FairOrderRandomTest, DoesAsTheNaiveOne) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    std::mt19937 random(seed);
    auto below = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    const FairOrder::Limits limits{1 + static_cast<uint32_t>(below(5)),
                                   static_cast<uint32_t>(below(3))};
    FairOrder order(limits);
    NaiveOrder naive(limits);
    for (int step = 0; step < 300; ++step) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " step " << step);
      const int what = below(10);
      if (what < 4) {
        WaitingBuild build{"id" + std::to_string(step), "n" + std::to_string(below(4)),
                           below(3) - 1, 1000 * step};
        naive.waiting.push_back(build);
        order.Add(build);
      } else if (what == 4 && !naive.waiting.empty()) {
        auto victim = naive.waiting.begin() + below(static_cast<int>(naive.waiting.size()));
        ASSERT_TRUE(order.Remove(victim->id));
        naive.waiting.erase(victim);
      } else if (what < 8) {
        if (std::optional<std::string> next = naive.Next()) {
          naive.Start(*next);
          order.Start(*next);
        }
      } else if (!naive.running.empty()) {
        auto ended = naive.running.begin() + below(static_cast<int>(naive.running.size()));
        order.End(ended->id);
        naive.running.erase(ended);
      }
      const WaitingBuild* next = order.Next();
      ASSERT_EQ(next == nullptr ? std::nullopt : std::optional(next->id), naive.Next());
      ASSERT_EQ(order.waiting(), naive.waiting.size());
      if (step % 10 != 0) {
        continue;
      }
      std::vector<std::string> ids;
      for (const WaitingBuild& build : naive.waiting) {
        ids.push_back(build.id);
      }
      const auto places = order.Places(ids);
      const auto expected = naive.Places();
      ASSERT_EQ(places.size(), expected.size());
      for (const auto& [id, place] : expected) {
        ASSERT_EQ(places.at(id).position, place.position) << id;
        ASSERT_EQ(places.at(id).hindrance, place.hindrance) << id;
      }
    }
  }
}

}  // namespace
}  // namespace zlayer
