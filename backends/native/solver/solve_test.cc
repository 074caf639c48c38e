#include "backends/native/solver/solve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "backends/native/testing/build_fixture.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kBase[] = R"(operations { image { reference: "base" } } )";

std::string Do(std::string_view text) {
  return fmt::format(R"(operations {{ text: "RUN {0}" run {{ argv: "{0}" }} }} )", text);
}
std::string DoOn(std::string_view text, uint32_t stage, std::string_view source = "") {
  return fmt::format(
      R"(operations {{ text: "RUN {0}" run {{ argv: "{0}" mounts {{ source: "{2}" from {{ stage: {1} }} }} }} }} )",
      text, stage, source);
}
std::string CopyFrom(uint32_t stage, std::string_view path, std::string_view to) {
  return fmt::format(
      R"(operations {{ text: "COPY" copy {{ sources {{ path: "{1}" from {{ stage: {0} }} }} destination: "{2}" }} }} )",
      stage, path, to);
}
std::string Stage(const std::string& operations, std::string_view name = "") {
  return fmt::format(R"(stages {{ name: "{}" {} }} )", name, operations);
}
std::string From(uint32_t stage) {
  return fmt::format("operations {{ stage {{ stage: {} }} }} ", stage);
}
std::string Target(uint32_t stage) { return fmt::format("targets: {} ", stage); }
// One stage with these RUN.
std::string Chain(const std::vector<std::string>& texts) {
  std::string operations = kBase;
  for (const std::string& text : texts) {
    operations += Do(text);
  }
  return Stage(operations) + Target(0);
}

class SolveTest : public BuildTest {
 protected:
  // Holds what makes `text` up.
  void Hold(const std::string& text, Gate* begun, Gate* may_end) {
    world_.on_make = [=, inner = world_.on_make](const std::string& made, const std::string& build,
                                                 std::stop_token stop) -> absl::Status {
      if (made == text) {
        begun->Open();
        return may_end->Wait(stop) ? absl::OkStatus() : Cancelled("stopped");
      }
      return inner(made, build, stop);
    };
  }
};

TEST_F(SolveTest, AStepIsMadeOnce) {
  const std::string graph = Chain({"a"});
  auto first = Build(graph);
  ASSERT_OK(first->image);
  EXPECT_EQ(first->events.Reason(0, 0), "first time");
  auto second = Build(graph);
  ASSERT_OK(second->image);
  EXPECT_EQ(second->events.Reason(0, 0), "hit");
  EXPECT_EQ(world_.Runs("a"), 1);
  EXPECT_EQ(first->image->layers[1].layer, second->image->layers[1].layer);
  EXPECT_EQ(first->image->created_ns, second->image->created_ns);
}

TEST_F(SolveTest, SeveralLevelsHitToTheFirstChange) {
  ASSERT_OK(Build(Chain({"a", "b", "c"}))->image);
  auto changed = Build(Chain({"a", "x", "c"}));
  ASSERT_OK(changed->image);
  EXPECT_EQ(changed->events.Reason(0, 0), "hit");
  EXPECT_EQ(world_.Runs("a"), 1);
  EXPECT_EQ(world_.Runs("x"), 1);
  EXPECT_EQ(world_.Runs("c"), 2);
}

TEST_F(SolveTest, IndependentStagesRunAtTheSameTime) {
  Gate a, b, end;
  Hold("a", &a, &end);
  Hold("b", &b, &end);
  auto build = Start(
      Job(Graph(Stage(kBase + Do("a")) + Stage(kBase + Do("b")) +
                Stage(kBase + CopyFrom(0, "base", "x") + CopyFrom(1, "base", "y")) + Target(2))));
  a.Wait();
  b.Wait();
  end.Open();
  EXPECT_OK(build->Wait());
}

TEST_F(SolveTest, StagesThatNothingNeedsNeverRun) {
  ASSERT_OK(Build(Stage(kBase + Do("unneeded")) + Stage(kBase + Do("a")) + Target(1))->image);
  EXPECT_EQ(world_.Runs("unneeded"), 0);
}

TEST_F(SolveTest, TwoBuildsOfTheSameThingExecuteItOnce) {
  Gate begun, end;
  Hold("a", &begun, &end);
  auto first = Start(Job(Graph(Chain({"a", "b"}))));
  begun.Wait();
  auto second = Start(Job(Graph(Chain({"a", "b"}))));
  second->events.waiting.Wait();
  end.Open();
  ASSERT_OK(first->Wait());
  ASSERT_OK(second->Wait());
  EXPECT_EQ(world_.Runs("a"), 1);
  EXPECT_EQ(world_.Runs("b"), 1);
  EXPECT_THAT(second->events.Reason(0, 0), HasSubstr("shared with build build-1"));
  // Whoever comes to "b" later may find it done, and hear nothing.
  EXPECT_THAT(first->events.output(), Contains("a"));
  EXPECT_THAT(second->events.output(), Contains("a"));
  EXPECT_EQ(first->image->layers[2].layer, second->image->layers[2].layer);
}

TEST_F(SolveTest, WhoLookedBeforeTheWorkEndedAndComesAfterwardsTakesWhatItMade) {
  Gate begun, end, looked, may_go_on;
  Hold("a", &begun, &end);
  auto first = Start(Job(Graph(Chain({"a"}))));
  begun.Wait();
  std::atomic<bool> is_first_look = true;
  world_.records.on_find = [&](bool found) {
    if (!found && is_first_look.exchange(false)) {
      looked.Open();
      may_go_on.Wait();
    }
  };
  auto second = Start(Job(Graph(Chain({"a"}))));
  looked.Wait();
  end.Open();
  ASSERT_OK(first->Wait());
  may_go_on.Open();
  ASSERT_OK(second->Wait());
  EXPECT_EQ(world_.Runs("a"), 1);
}

TEST_F(SolveTest, AWaiterHoldsNoPlace) {
  Gate begun, end;
  Hold("a", &begun, &end);
  auto first = Start(Job(Graph(Chain({"a"}))));
  begun.Wait();
  std::vector<std::unique_ptr<TestBuild>> waiting;
  for (int i = 0; i < 8; ++i) {
    waiting.push_back(Start(Job(Graph(Chain({"a"})))));
    waiting.back()->events.waiting.Wait();
  }
  EXPECT_OK(Build(Chain({"other"}))->image);
  end.Open();
  for (auto& build : waiting) {
    EXPECT_OK(build->Wait());
  }
}

TEST_F(SolveTest, CancelingABuildEndsItsStepAndNothingElse) {
  Gate begun, end;
  Hold("a", &begun, &end);
  auto build = Start(Job(Graph(Chain({"a", "b"}))));
  begun.Wait();
  build->stop.request_stop();
  EXPECT_THAT(build->Wait(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(world_.at_once(), 0);
  EXPECT_EQ(world_.Runs("b"), 0);
  end.Open();
  EXPECT_OK(Build(Chain({"a", "b"}))->image);
}

TEST_F(SolveTest, CancelingAtEachLevelLeavesWhatWasMade) {
  const std::vector<std::string> texts = {"a", "b", "c"};
  for (size_t level = 0; level < texts.size(); ++level) {
    Gate begun, end;
    world_.on_make = [](const auto&, const auto&, std::stop_token) { return absl::OkStatus(); };
    Hold(texts[level], &begun, &end);
    auto build = Start(Job(Graph(Chain(texts))));
    begun.Wait();
    build->stop.request_stop();
    EXPECT_THAT(build->Wait(), StatusIs(absl::StatusCode::kCancelled));
    EXPECT_EQ(world_.records.size(), level);
    end.Open();
    world_.on_make = [](const auto&, const auto&, std::stop_token) { return absl::OkStatus(); };
    const std::vector<std::string> so_far(texts.begin(), texts.begin() + level + 1);
    EXPECT_OK(Build(Chain(so_far))->image);
  }
}

TEST_F(SolveTest, CancelingOneOfTwoLeavesTheOther) {
  Gate begun, end;
  Hold("a", &begun, &end);
  auto first = Start(Job(Graph(Chain({"a"}))));
  begun.Wait();
  auto second = Start(Job(Graph(Chain({"a"}))));
  second->events.waiting.Wait();
  first->stop.request_stop();
  EXPECT_THAT(first->Wait(), StatusIs(absl::StatusCode::kCancelled));
  end.Open();
  EXPECT_OK(second->Wait());
  EXPECT_EQ(world_.Runs("a"), 1);
}

TEST_F(SolveTest, AFailureIsEachBuildsWithItsOwnContext) {
  Gate begun, end;
  world_.on_make = [&](const std::string&, const std::string&, std::stop_token stop) {
    begun.Open();
    end.Wait(stop);
    return FailedPrecondition("it broke");
  };
  auto first = Start(Job(Graph(Stage(kBase + Do("a"), "one") + Target(0))));
  begun.Wait();
  auto second = Start(Job(Graph(Stage(kBase + Do("a"), "two") + Target(0))));
  second->events.waiting.Wait();
  end.Open();
  EXPECT_THAT(first->Wait(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("it broke")));
  EXPECT_EQ(DetailOf(first->image.status()).stage(), "one");
  EXPECT_THAT(second->Wait(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("broke")));
  EXPECT_EQ(DetailOf(second->image.status()).stage(), "two");
}

TEST_F(SolveTest, WhatIsNotThereIsToldWithItsPlace) {
  world_.on_make = [](const std::string&, const std::string&, std::stop_token) {
    return NotFound("\"x\" does not exist");
  };
  const auto build = Build(
      Stage(kBase + std::string(
                        R"(operations { text: "RUN a" source { file: "Dockerfile" first_line: 7 }
                                          run { argv: "a" } } )"),
            "one") +
      Target(0));
  EXPECT_THAT(build->image,
              StatusIs(absl::StatusCode::kNotFound, "Dockerfile:7: \"x\" does not exist"));
  const v1::ErrorDetail detail = DetailOf(build->image.status());
  EXPECT_EQ(detail.reason(), "NOT_FOUND");
  EXPECT_EQ(detail.instruction(), "RUN a");
  EXPECT_EQ(detail.stage(), "one");
  EXPECT_EQ(detail.source().first_line(), 7u);
}

TEST_F(SolveTest, AFailureIsNotCached) {
  world_.on_make = [](const std::string&, const std::string&, std::stop_token) {
    return FailedPrecondition("it broke");
  };
  EXPECT_FALSE(Build(Chain({"a"}))->image.ok());
  world_.on_make = [](const auto&, const auto&, std::stop_token) { return absl::OkStatus(); };
  EXPECT_OK(Build(Chain({"a"}))->image);
  EXPECT_EQ(world_.Runs("a"), 2);
}

TEST_F(SolveTest, WhatFailsHasAReason) {
  world_.on_make = [](const std::string&, const std::string&, std::stop_token) {
    return FailedPrecondition("it broke");
  };
  const auto failed = Build(Chain({"a"}));
  EXPECT_FALSE(failed->image.ok());
  EXPECT_EQ(failed->events.Missed(0, 0), "first time");
  EXPECT_EQ(failed->events.Reason(0, 0), "");
  const auto again = Build(Job(Graph(Chain({"a"}))), {failed->explained});
  EXPECT_EQ(again->events.Missed(0, 0), "miss: the earlier build did not finish it");
}

TEST_F(SolveTest, AFailureEndsWhatRunsBesideIt) {
  Gate begun, never;
  Hold("slow", &begun, &never);
  world_.on_make = [&, inner = world_.on_make](const std::string& text, const std::string& build,
                                               std::stop_token stop) -> absl::Status {
    if (text == "fails") {
      begun.Wait();
      return FailedPrecondition("it broke");
    }
    return inner(text, build, stop);
  };
  auto build =
      Build(Stage(kBase + Do("slow")) + Stage(kBase + Do("fails")) +
            Stage(kBase + CopyFrom(0, "base", "x") + CopyFrom(1, "base", "y")) + Target(2));
  EXPECT_THAT(build->image, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("it broke")));
  EXPECT_EQ(world_.at_once(), 0);
}

TEST_F(SolveTest, AnInputThatSeveralShareIsMadeOnce) {
  ASSERT_OK(Build(Stage(kBase + Do("shared")) + Stage(From(0) + Do("a")) +
                  Stage(From(0) + DoOn("b", 0)) +
                  Stage(kBase + CopyFrom(1, "base", "x") + DoOn("c", 2)) + Target(3))
                ->image);
  EXPECT_EQ(world_.Runs("shared"), 1);
}

TEST_F(SolveTest, TheSameStepInTwoStagesOfABuildIsMadeOnce) {
  for (bool no_cache : {false, true}) {
    const std::string text = no_cache ? "again" : "once";
    BuildJob job =
        Job(Graph(Stage(kBase + Do(text)) + Stage(kBase + Do(text)) +
                  Stage(kBase + CopyFrom(0, "base", "x") + CopyFrom(1, "base", "y")) + Target(2)));
    job.no_cache = no_cache;
    ASSERT_OK(Build(std::move(job))->image);
    EXPECT_EQ(world_.Runs(text), 1);
  }
}

TEST_F(SolveTest, WithoutTheCacheEverythingRunsAgain) {
  ASSERT_OK(Build(Chain({"a", "b"}))->image);
  BuildJob job = Job(Graph(Chain({"a", "b"})));
  job.no_cache = true;
  auto build = Build(std::move(job));
  ASSERT_OK(build->image);
  EXPECT_EQ(build->events.Reason(0, 1), "no_cache");
  EXPECT_EQ(world_.Runs("a"), 2);
  EXPECT_EQ(world_.Runs("b"), 2);
}

TEST_F(SolveTest, ABuildWithoutTheCacheSharesNothingThatRuns) {
  Gate begun, end;
  Hold("a", &begun, &end);
  auto first = Start(Job(Graph(Chain({"a"}))));
  begun.Wait();
  BuildJob job = Job(Graph(Chain({"a"})));
  job.no_cache = true;
  auto second = Start(std::move(job));
  while (world_.Runs("a") < 2) {
    std::this_thread::yield();
  }
  end.Open();
  EXPECT_OK(first->Wait());
  EXPECT_OK(second->Wait());
}

TEST_F(SolveTest, ABuildWithoutTheCacheThatIsRunAgainGoesOn) {
  BuildJob job = Job(Graph(Chain({"a", "b"})));
  job.no_cache = true;
  ASSERT_OK(Build(job)->image);
  ASSERT_OK(Build(job)->image);
  EXPECT_EQ(world_.Runs("a"), 1);
}

TEST_F(SolveTest, AStageWithoutTheCacheLeavesTheOthersTheirs) {
  const std::string graph = Stage(kBase + Do("a"), "Tools") + Stage(kBase + Do("b"), "app") +
                            Stage(kBase + CopyFrom(0, "base", "x") + CopyFrom(1, "base", "y")) +
                            Target(2);
  ASSERT_OK(Build(graph)->image);
  BuildJob job = Job(Graph(graph));
  job.no_cache_stages = {"tools"};
  ASSERT_OK(Build(std::move(job))->image);
  EXPECT_EQ(world_.Runs("a"), 2);
  EXPECT_EQ(world_.Runs("b"), 1);
}

TEST_F(SolveTest, WhatCameOutTheSameIsAContentHitForWhatStandsOnIt) {
  const std::string graph =
      Stage(kBase + Do("a"), "a") + Stage(From(0) + Do("b") + Do("c")) + Target(1);
  auto first = Build(graph);
  ASSERT_OK(first->image);
  BuildJob job = Job(Graph(graph));
  job.no_cache_stages = {"a"};
  auto again = Build(std::move(job));
  ASSERT_OK(again->image);
  EXPECT_EQ(world_.Runs("a"), 2);
  EXPECT_EQ(world_.Runs("b"), 1);
  EXPECT_EQ(again->events.Reason(1, 0), "content hit");
  EXPECT_EQ(again->events.Reason(1, 1), "hit");
  // On the layers that it was made on.
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(first->image->layers[i].layer, again->image->layers[i].layer) << i;
  }
}

TEST_F(SolveTest, WhatCameOutOtherwiseIsNoHit) {
  const std::string graph = Stage(kBase + Do("noisy"), "a") + Stage(From(0) + Do("b")) + Target(1);
  ASSERT_OK(Build(graph)->image);
  BuildJob job = Job(Graph(graph));
  job.no_cache_stages = {"a"};
  ASSERT_OK(Build(std::move(job))->image);
  EXPECT_EQ(world_.Runs("b"), 2);
}

TEST_F(SolveTest, AnotherWayToTheSameFilesIsAContentHit) {
  ASSERT_OK(Build(Chain({"write x=1 y=2", "b"}))->image);
  auto other = Build(Chain({"write y=2 x=1", "b"}));
  ASSERT_OK(other->image);
  EXPECT_EQ(other->events.Reason(0, 1), "content hit");
  EXPECT_EQ(world_.Runs("b"), 1);
}

TEST_F(SolveTest, LayersOfABaseImageAreNeverExchanged) {
  ASSERT_OK(Build(Stage(kBase + Do("a")) + Target(0))->image);
  ASSERT_OK(
      Build(Stage(R"(operations { image { reference: "other" } } )" + Do("a")) + Target(0))->image);
  EXPECT_EQ(world_.Runs("a"), 2);
}

TEST_F(SolveTest, OnlyWhatIsSelectedOfAnInputCounts) {
  const auto graph = [](std::string_view written) {
    return Stage(kBase + Do(written)) + Stage(kBase + DoOn("x", 0, "x")) +
           Stage(kBase + DoOn("y", 0, "y")) +
           Stage(kBase + DoOn("all", 0) + CopyFrom(0, "x", "there") + CopyFrom(1, "base", "1") +
                 CopyFrom(2, "base", "2")) +
           Target(3);
  };
  ASSERT_OK(Build(graph("write x=1 y=1"))->image);
  auto changed = Build(graph("write x=1 y=2"));
  ASSERT_OK(changed->image);
  EXPECT_EQ(world_.Runs("x"), 1);
  EXPECT_EQ(world_.Runs("y"), 2);
  EXPECT_EQ(world_.Runs("all"), 2);
  EXPECT_EQ(changed->events.Reason(3, 1), "hit");
}

TEST_F(SolveTest, ARecordWhoseLayerIsGoneIsMadeAgain) {
  auto first = Build(Chain({"a", "b"}));
  ASSERT_OK(first->image);
  const Digest gone = first->image->layers[2].layer;
  world_.EvictLayers([&](const Digest& id) { return id == gone; });
  auto again = Build(Job(Graph(Chain({"a", "b"}))), {first->explained});
  ASSERT_OK(again->image);
  EXPECT_EQ(world_.Runs("a"), 1);
  EXPECT_EQ(world_.Runs("b"), 2);
  EXPECT_EQ(again->events.Reason(0, 1), "evicted");
}

TEST_F(SolveTest, ARecordThatIsGoneIsMadeAgain) {
  auto first = Build(Chain({"a", "b"}));
  ASSERT_OK(first->image);
  world_.records.Evict([](const CacheRecord&) { return true; });
  auto again = Build(Job(Graph(Chain({"a", "b"}))), {first->explained});
  ASSERT_OK(again->image);
  EXPECT_EQ(again->events.Reason(0, 0), "evicted");
  EXPECT_EQ(world_.Runs("a"), 2);
}

TEST_F(SolveTest, WhatIsTooOldIsMadeAgain) {
  ASSERT_OK(Build(Chain({"a"}))->image);
  clock_.now_ns += 10'000'000'000;
  BuildJob job = Job(Graph(Chain({"a"})));
  job.cache_ttl = std::chrono::seconds(20);
  ASSERT_OK(Build(job)->image);
  EXPECT_EQ(world_.Runs("a"), 1);
  job = Job(Graph(Chain({"a"})));
  job.cache_ttl = std::chrono::seconds(5);
  auto build = Build(job);
  ASSERT_OK(build->image);
  EXPECT_EQ(world_.Runs("a"), 2);
  EXPECT_THAT(build->events.Reason(0, 0), StartsWith("expired: it was made 10.0 s ago"));
}

// BuildKit's "ignore cache, resumed from a slow one": while a build that takes what it finds runs
// a step, others want the same graph without the cache, whole or in part.
TEST_F(SolveTest, ManyBuildsOfOneGraphWithDifferentWishes) {
  const auto graph = Graph(Stage(kBase + Do("a"), "a") + Stage(kBase + Do("b"), "b") +
                           Stage(From(0) + CopyFrom(1, "base", "x") + Do("c"), "c") + Target(2));
  Gate begun, end;
  Hold("a", &begun, &end);
  std::vector<std::unique_ptr<TestBuild>> builds;
  for (int i = 0; i < 12; ++i) {
    BuildJob job = Job(graph);
    job.no_cache = i % 4 == 1;
    if (i % 4 == 2) {
      job.no_cache_stages = {"a"};
    } else if (i % 4 == 3) {
      job.no_cache_stages = {"b", "c"};
    }
    builds.push_back(Start(std::move(job)));
    begun.Wait();
  }
  end.Open();
  for (auto& build : builds) {
    EXPECT_OK(build->Wait());
  }
  // One for the first and those that share with it; one for each that wants its own.
  EXPECT_EQ(world_.Runs("a"), 1 + 6);
  EXPECT_EQ(world_.at_once(), 0);
}

TEST_F(SolveTest, TenThousandSteps) {
  std::string text;
  for (int stage = 0; stage < 100; ++stage) {
    std::string operations = kBase;
    for (int i = 0; i < 99; ++i) {
      operations += Do(fmt::format("write f{}={}", stage, i));
    }
    if (stage > 0) {
      operations += CopyFrom(stage - 1, "base", "x");
    }
    text += Stage(operations);
  }
  const auto graph = Graph(text + Target(99));
  ASSERT_OK(Build(Job(graph))->image);
  auto again = Build(Job(graph));
  ASSERT_OK(again->image);
  EXPECT_THAT(again->image->layers, SizeIs(101));
  EXPECT_EQ(again->events.Reason(99, 98), "hit");
  EXPECT_EQ(world_.Runs("write f99=98"), 1);
}

TEST_F(SolveTest, NeverMoreThanThePlacesRun) {
  std::vector<std::unique_ptr<TestBuild>> builds;
  for (int i = 0; i < 10; ++i) {
    builds.push_back(Start(Job(Graph(Chain({fmt::format("a{}", i), fmt::format("b{}", i)})))));
  }
  for (auto& build : builds) {
    EXPECT_OK(build->Wait());
  }
  EXPECT_LE(world_.most_at_once(), 4);
}

}  // namespace
}  // namespace zlayer
