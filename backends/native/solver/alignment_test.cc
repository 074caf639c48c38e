#include "backends/native/solver/alignment.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace zlayer {
namespace {

// A build with the last of these stages as its target.
internal::ExplainedBuild Build(
    const std::vector<std::pair<std::string, std::vector<std::string>>>& stages) {
  internal::ExplainedBuild build;
  for (const auto& [name, texts] : stages) {
    const auto index = static_cast<uint32_t>(build.stages_size());
    internal::ExplainedStage& stage = *build.add_stages();
    stage.set_index(index);
    stage.set_name(name);
    stage.set_is_target(index + 1 == stages.size());
    for (const std::string& text : texts) {
      internal::ExplainedStep& step = *stage.add_steps();
      step.set_index(static_cast<uint32_t>(stage.steps_size()));
      step.set_text(text);
    }
  }
  return build;
}

// What each step of a build with one stage was: the number of the same one, or else a sign.
std::string Steps(const std::vector<std::string>& before, const std::vector<std::string>& now) {
  const auto old = Build({{"", before}});
  const auto build = Build({{"", now}});
  const Alignment alignment(build, old);
  std::string all;
  for (const internal::ExplainedStep& step : build.stages(0).steps()) {
    const StepMatch match = alignment.StepOf({0, step.index()});
    all += (all.empty() ? "" : " ") + (match.same != nullptr ? std::to_string(match.same->index())
                                       : match.instead != nullptr
                                           ? "was-" + std::to_string(match.instead->index())
                                       : match.moved ? "moved"
                                                     : "new");
  }
  return all;
}

TEST(AlignmentTest, StepsAreMatchedAsLinesAre) {
  EXPECT_EQ(Steps({"RUN 1", "RUN 2"}, {"RUN 1", "RUN 2"}), "1 2");
  EXPECT_EQ(Steps({"RUN 1", "RUN 2"}, {"RUN 0", "RUN 1", "RUN 2"}), "new 1 2");
  EXPECT_EQ(Steps({"RUN 1", "RUN 2"}, {"RUN 1", "COPY 0", "RUN 2", "RUN 3"}), "1 new 2 new");
  EXPECT_EQ(Steps({"RUN 1", "RUN 2", "RUN 3"}, {"RUN 1", "RUN 3"}), "1 3");
  EXPECT_EQ(Steps({"RUN 1", "RUN 1", "RUN 2"}, {"RUN 1", "RUN 2"}), "1 3");
}

TEST(AlignmentTest, WhatStoodInTheSamePlaceWasChanged) {
  EXPECT_EQ(Steps({"RUN 1", "RUN 2", "RUN 3"}, {"RUN 1", "RUN x", "RUN 3"}), "1 was-2 3");
  EXPECT_EQ(Steps({"COPY a", "RUN 1"}, {"RUN x", "COPY b"}), "was-2 new");
  EXPECT_EQ(Steps({"RUN 1"}, {"RUN x", "RUN y"}), "was-1 new");
}

TEST(AlignmentTest, WhatStoodElsewhereWasMoved) {
  EXPECT_EQ(Steps({"RUN 1", "RUN 2", "RUN 3"}, {"RUN 3", "RUN 1", "RUN 2"}), "moved 1 2");
}

TEST(AlignmentTest, LongStagesAreMatchedAtTheirEnds) {
  std::vector<std::string> before = {"RUN first"};
  for (int i = 0; i < 5000; ++i) {
    before.push_back("RUN " + std::to_string(i));
  }
  std::vector<std::string> now(before.rbegin(), before.rend() - 1);
  now.insert(now.begin(), "RUN first");
  const auto old = Build({{"", before}});
  const auto build = Build({{"", now}});
  EXPECT_EQ(Alignment(build, old).same_texts(), 1u);
}

// The index in the earlier build of the stage `stage`, or -1.
int Stage(const internal::ExplainedBuild& before, const internal::ExplainedBuild& now,
          uint32_t stage) {
  const Alignment alignment(now, before);
  const internal::ExplainedStage* const found = alignment.StageOf(stage);
  return found == nullptr ? -1 : static_cast<int>(found->index());
}

TEST(AlignmentTest, StagesAreMatchedByName) {
  const auto before = Build({{"deps", {"RUN 1"}}, {"app", {"RUN 2"}}});
  const auto now = Build({{"App", {"RUN 3"}}, {"DEPS", {"RUN 2"}}});
  EXPECT_EQ(Stage(before, now, 0), 1);
  EXPECT_EQ(Stage(before, now, 1), 0);
}

TEST(AlignmentTest, TheTargetIsTheTargetWhateverComesBefore) {
  const auto before = Build({{"", {"RUN 1"}}});
  const auto now = Build({{"", {"RUN 2"}}, {"", {"RUN 3"}}});
  EXPECT_EQ(Stage(before, now, 0), -1);
  EXPECT_EQ(Stage(before, now, 1), 0);
}

TEST(AlignmentTest, OtherUnnamedStagesAreMatchedByLikeness) {
  const auto before = Build({{"", {"RUN 1", "RUN 2"}}, {"", {"RUN 3"}}, {"", {"RUN 4"}}});
  const auto now =
      Build({{"", {"RUN new"}}, {"", {"RUN 1", "RUN x"}}, {"named", {"RUN 3"}}, {"", {"RUN 4"}}});
  EXPECT_EQ(Stage(before, now, 0), -1);
  EXPECT_EQ(Stage(before, now, 1), 0);
  EXPECT_EQ(Stage(before, now, 2), 1);
  EXPECT_EQ(Stage(before, now, 3), 2);
}

TEST(AlignmentTest, StagesOfTheSameNameInOtherNestedBuildsAreOthers) {
  auto before = Build({{"build", {"RUN 1"}}, {"app", {"RUN 2"}}});
  auto now = Build({{"build", {"RUN x"}}, {"build", {"RUN y"}}, {"app", {"RUN 2"}}});
  before.mutable_stages(0)->set_build("tools");
  now.mutable_stages(1)->set_build("tools");
  EXPECT_EQ(Stage(before, now, 0), -1);
  EXPECT_EQ(Stage(before, now, 1), 0);
}

v1::Graph Graph(const std::string& text) {
  v1::Graph graph;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &graph)) << text;
  return graph;
}

TEST(AlignmentTest, AnOutlineHasTheStepsOfNeededStages) {
  const auto outline = OutlineOf(Graph(R"(
    stages { name: "unused" operations { scratch {} } operations { run { argv: "x" } } }
    stages { name: "app" base_text: "debian" platform { os: "linux" architecture: "arm64" }
             operations { image { reference: "debian" } }
             operations { text: "ENV A=1" }
             operations { text: "RUN make" run { argv: "make" } } }
    stages { operations { stage { stage: 1 } } operations { text: "WORKDIR /" make_directory {} } }
    targets: 2)"));
  ASSERT_EQ(outline.stages_size(), 2);
  const internal::ExplainedStage& app = outline.stages(0);
  EXPECT_EQ(app.index(), 1u);
  EXPECT_EQ(app.name(), "app");
  EXPECT_EQ(app.base_text(), "debian");
  EXPECT_EQ(app.platform(), "linux/arm64");
  EXPECT_FALSE(app.is_target());
  ASSERT_EQ(app.steps_size(), 1);
  EXPECT_EQ(app.steps(0).index(), 2u);
  EXPECT_EQ(app.steps(0).text(), "RUN make");
  EXPECT_EQ(outline.stages(1).base_stage(), 2u);
  EXPECT_TRUE(outline.stages(1).is_target());
}

TEST(AlignmentTest, DefinitionsAreWhatOperationsDo) {
  const auto graph = [](const std::string& environment, const std::string& line) {
    return Graph(
        "stages { operations { scratch {} } operations { text: \"RUN x\" source { "
        "first_line: " +
        line + " } run { argv: \"x\" env: \"A=" + environment + "\" } } } targets: 0");
  };
  const auto before = OutlineOf(graph("1", "1"));
  EXPECT_EQ(Alignment(OutlineOf(graph("1", "2")), before).same_definitions(), 1u);
  EXPECT_EQ(Alignment(OutlineOf(graph("2", "1")), before).same_definitions(), 0u);
}

}  // namespace
}  // namespace zlayer
