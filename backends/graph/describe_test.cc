#include "backends/graph/describe.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SameStageName, CaseDoesNotCount) {
  EXPECT_TRUE(SameStageName("Tools", "tOOLS"));
  EXPECT_FALSE(SameStageName("tools", "tool"));
}

TEST(DescribePlan, HasTheNeededStagesWithoutTheirBases) {
  v1::Graph graph;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(R"(
    stages { name: "one" build: "deps" base_text: "scratch" operations { scratch {} text: "FROM scratch" }
             operations { text: "ENV A=b" } operations { text: "RUN true" } }
    stages { name: "unused" operations { scratch {} } operations { text: "RUN false" } }
    stages { base_text: "one" operations { stage { stage: 0 } text: "FROM one" } }
    targets: 2)",
                                                            &graph));
  const v1::BuildPlan plan = DescribePlan(graph);
  ASSERT_EQ(plan.stages_size(), 2);
  EXPECT_EQ(plan.stages(0).index(), 0u);
  EXPECT_EQ(plan.stages(0).name(), "one");
  EXPECT_EQ(plan.stages(0).base_image(), "scratch");
  EXPECT_EQ(plan.stages(0).build(), "deps");
  EXPECT_THAT(plan.stages(0).instructions(), ElementsAre("ENV A=b", "RUN true"));
  EXPECT_EQ(plan.stages(1).index(), 2u);
  EXPECT_EQ(plan.stages(1).base_image(), "one");
  EXPECT_THAT(plan.stages(1).instructions(), IsEmpty());
}

}  // namespace
}  // namespace zlayer
