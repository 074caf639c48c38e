#include "backends/native/solver/plan.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

v1::Graph Parse(const std::string& text) {
  v1::Graph graph;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &graph)) << text;
  return graph;
}

constexpr char kDiamond[] = R"(
  stages { operations { scratch {} } operations { config { set_user: "a" } } }
  stages { operations { stage { stage: 0 } } operations { run { } } }
  stages { operations { stage { stage: 0 } } operations { run { } } }
  stages { operations { scratch {} }
           operations { copy { sources { from { stage: 1 } } sources { from { stage: 2 } } } } }
  stages { operations { scratch {} } }
  targets: 3)";

TEST(PlanTest, IndependentStagesAreReadyTogether) {
  const v1::Graph graph = Parse(kDiamond);
  Plan plan(graph);
  EXPECT_THAT(plan.Start(), UnorderedElementsAre(OperationId{0, 0}, OperationId{3, 0}));
  EXPECT_THAT(plan.Done({0, 0}), ElementsAre(OperationId{0, 1}));
  EXPECT_THAT(plan.Done({0, 1}), UnorderedElementsAre(OperationId{1, 0}, OperationId{2, 0}));
  EXPECT_THAT(plan.Done({3, 0}), IsEmpty());
  EXPECT_THAT(plan.Done({1, 0}), ElementsAre(OperationId{1, 1}));
  EXPECT_THAT(plan.Done({1, 1}), IsEmpty());
  EXPECT_THAT(plan.Done({2, 0}), ElementsAre(OperationId{2, 1}));
  EXPECT_FALSE(plan.finished());
  EXPECT_THAT(plan.Done({2, 1}), ElementsAre(OperationId{3, 1}));
  EXPECT_THAT(plan.Done({3, 1}), IsEmpty());
  EXPECT_TRUE(plan.finished());
}

TEST(PlanTest, StagesThatNothingNeedsAreLeftOut) {
  const v1::Graph graph = Parse(kDiamond);
  Plan plan(graph);
  EXPECT_TRUE(plan.needed(2));
  EXPECT_FALSE(plan.needed(4));
}

TEST(PlanTest, OnlyTheTargetAndItsBasesAreKept) {
  const v1::Graph graph = Parse(R"(
    stages { operations { scratch {} } }
    stages { operations { scratch {} } }
    stages { operations { stage { stage: 0 } }
             operations { copy { sources { from { stage: 1 } } } } }
    targets: 2)");
  Plan plan(graph);
  EXPECT_TRUE(plan.kept(2));
  EXPECT_TRUE(plan.kept(0));
  EXPECT_FALSE(plan.kept(1));
}

TEST(PlanTest, TwoSourcesOfOneStageAreWaitedForOnceEach) {
  const v1::Graph graph = Parse(R"(
    stages { operations { scratch {} } }
    stages { operations { scratch {} }
             operations { copy { sources { from { stage: 0 } } sources { from { stage: 0 } } } } }
    targets: 1)");
  Plan plan(graph);
  EXPECT_THAT(plan.Done({1, 0}), IsEmpty());
  EXPECT_THAT(plan.Done({0, 0}), ElementsAre(OperationId{1, 1}));
}

TEST(PlanTest, ARunWaitsForTheStagesThatItMounts) {
  const v1::Graph graph = Parse(R"(
    stages { operations { scratch {} } }
    stages { operations { scratch {} }
             operations { run { mounts { from { stage: 0 } } } } }
    targets: 1)");
  Plan plan(graph);
  EXPECT_THAT(plan.Start(), ElementsAre(OperationId{0, 0}, OperationId{1, 0}));
  EXPECT_THAT(plan.Done({1, 0}), IsEmpty());
  EXPECT_THAT(plan.Done({0, 0}), ElementsAre(OperationId{1, 1}));
}

}  // namespace
}  // namespace zlayer
