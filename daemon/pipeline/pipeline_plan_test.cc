#include "daemon/pipeline/pipeline_plan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::PipelineImageStatus Status(v1::PipelineImageState state, bool built = false) {
  v1::PipelineImageStatus status;
  status.set_state(state);
  if (built) {
    status.mutable_result();
  }
  return status;
}

// Does what the plan says, and remembers it in words.
class Pipeline {
 public:
  explicit Pipeline(PipelineShape shape) : plan_(std::move(shape)) {}

  // "build a", "skip b: why", ...; what is built stays so until Built and the like.
  std::vector<std::string> Go() {
    std::vector<std::string> did;
    while (true) {
      const PipelinePlan::Steps steps = plan_.Next();
      for (size_t image : steps.build) {
        did.push_back("build " + Name(image));
        plan_.Set(image, Status(v1::PIPELINE_IMAGE_BUILDING));
      }
      for (const PipelinePlan::Skip& skip : steps.skip) {
        did.push_back(fmt::format("skip {}: {}", Name(skip.image), skip.reason));
        plan_.Set(skip.image, Status(v1::PIPELINE_IMAGE_SKIPPED));
      }
      for (size_t image : steps.withdraw) {
        did.push_back((steps.cancels_running ? "cancel " : "withdraw ") + Name(image));
      }
      for (size_t image : steps.push) {
        did.push_back("push " + Name(image));
        plan_.Set(image, Status(v1::PIPELINE_IMAGE_PUSHING, true));
      }
      if (steps.end.has_value()) {
        did.push_back(v1::PipelineState_Name(*steps.end));
        return did;
      }
      if (steps.build.empty() && steps.skip.empty() && steps.push.empty()) {
        return did;
      }
    }
  }
  std::vector<std::string> Set(const std::string& name, const v1::PipelineImageStatus& status) {
    for (size_t i = 0; i < plan_.shape().images.size(); ++i) {
      if (Name(i) == name) {
        plan_.Set(i, status);
      }
    }
    return Go();
  }
  std::vector<std::string> Built(const std::string& name) {
    return Set(name, Status(v1::PIPELINE_IMAGE_BUILT, true));
  }
  std::vector<std::string> Failed(const std::string& name) {
    return Set(name, Status(v1::PIPELINE_IMAGE_FAILED));
  }
  std::vector<std::string> Canceled(const std::string& name) {
    return Set(name, Status(v1::PIPELINE_IMAGE_CANCELED));
  }
  std::vector<std::string> Pushed(const std::string& name) {
    return Set(name, Status(v1::PIPELINE_IMAGE_PUSHED, true));
  }
  std::vector<std::string> PushFailed(const std::string& name) {
    return Set(name, Status(v1::PIPELINE_IMAGE_FAILED, true));
  }
  std::vector<std::string> Cancel() {
    plan_.Cancel();
    return Go();
  }
  PipelinePlan& plan() { return plan_; }

 private:
  const std::string& Name(size_t image) const { return plan_.shape().images[image].name; }

  PipelinePlan plan_;
};

// base <- web, base <- api <- gate, and alone.
PipelineShape Shape() {
  PipelineShape shape;
  shape.images = {{"base", {}}, {"web", {0}}, {"api", {0}}, {"gate", {2}}, {"alone", {}}};
  return shape;
}

TEST(PipelinePlanTest, WhatIsNeededIsBuiltFirst) {
  Pipeline pipeline(Shape());
  EXPECT_THAT(pipeline.Go(), ElementsAre("build base", "build alone"));
  EXPECT_THAT(pipeline.Built("alone"), IsEmpty());
  EXPECT_THAT(pipeline.Built("base"), ElementsAre("build web", "build api"));
  EXPECT_THAT(pipeline.Built("api"), ElementsAre("build gate"));
  EXPECT_THAT(pipeline.Built("gate"), IsEmpty());
  EXPECT_THAT(pipeline.Built("web"), ElementsAre("PIPELINE_SUCCEEDED"));
}

TEST(PipelinePlanTest, NoMoreRunThanAreAllowed) {
  PipelineShape shape = Shape();
  shape.max_parallel = 1;
  Pipeline pipeline(shape);
  EXPECT_THAT(pipeline.Go(), ElementsAre("build base"));
  EXPECT_THAT(pipeline.Built("base"), ElementsAre("build web"));
  EXPECT_THAT(pipeline.Built("web"), ElementsAre("build api"));
  EXPECT_THAT(pipeline.Built("api"), ElementsAre("build gate"));
  EXPECT_THAT(pipeline.Built("gate"), ElementsAre("build alone"));
}

TEST(PipelinePlanTest, TheFirstFailureStartsNothingMoreAndAwaitsWhatRuns) {
  Pipeline pipeline(Shape());
  pipeline.Go();
  EXPECT_THAT(pipeline.Failed("base"),
              ElementsAre("skip web: it needs \"base\", which failed",
                          "skip api: it needs \"base\", which failed",
                          "skip gate: it needs \"base\", which failed", "withdraw alone"));
  EXPECT_EQ(pipeline.plan().WithdrawalReason(), "\"base\" failed before");
  EXPECT_THAT(pipeline.Built("alone"), ElementsAre("PIPELINE_FAILED"));
}

TEST(PipelinePlanTest, WhatNeedsNothingFailedIsSkippedByTheFirstFailureToo) {
  PipelineShape shape = Shape();
  shape.max_parallel = 1;
  Pipeline pipeline(shape);
  pipeline.Go();
  pipeline.Built("base");
  EXPECT_THAT(pipeline.Failed("web"),
              ElementsAre("skip api: \"web\" failed before", "skip gate: \"web\" failed before",
                          "skip alone: \"web\" failed before", "PIPELINE_FAILED"));
}

TEST(PipelinePlanTest, KeepGoingBuildsAllThatNeedsNothingFailed) {
  PipelineShape shape = Shape();
  shape.keep_going = true;
  Pipeline pipeline(shape);
  pipeline.Go();
  pipeline.Built("base");
  EXPECT_THAT(pipeline.Failed("api"), ElementsAre("skip gate: it needs \"api\", which failed"));
  EXPECT_THAT(pipeline.Failed("alone"), IsEmpty());
  EXPECT_THAT(pipeline.Built("web"), ElementsAre("PIPELINE_FAILED"));
}

TEST(PipelinePlanTest, ABuildThatSomebodyCanceledIsAFailure) {
  PipelineShape shape = Shape();
  shape.keep_going = true;
  Pipeline pipeline(shape);
  pipeline.Go();
  EXPECT_THAT(pipeline.Canceled("base"),
              ElementsAre("skip web: it needs \"base\", whose build was canceled",
                          "skip api: it needs \"base\", whose build was canceled",
                          "skip gate: it needs \"base\", whose build was canceled"));
  EXPECT_THAT(pipeline.Built("alone"), ElementsAre("PIPELINE_FAILED"));
}

TEST(PipelinePlanTest, CancelingEndsAll) {
  Pipeline pipeline(Shape());
  pipeline.Go();
  EXPECT_THAT(
      pipeline.Cancel(),
      ElementsAre("skip web: the pipeline was canceled", "skip api: the pipeline was canceled",
                  "skip gate: the pipeline was canceled", "cancel base", "cancel alone"));
  EXPECT_EQ(pipeline.plan().WithdrawalReason(), "");
  EXPECT_THAT(pipeline.Canceled("base"), IsEmpty());
  EXPECT_THAT(pipeline.Canceled("alone"), ElementsAre("PIPELINE_CANCELED"));
}

TEST(PipelinePlanTest, WhatWasLeftToRunAfterAFailureIsCanceledWithThePipeline) {
  Pipeline pipeline(Shape());
  pipeline.Go();
  pipeline.Failed("base");
  EXPECT_THAT(pipeline.Cancel(), ElementsAre("cancel alone"));
  EXPECT_THAT(pipeline.Canceled("alone"), ElementsAre("PIPELINE_CANCELED"));
}

TEST(PipelinePlanTest, CancelingWhatIsDoneChangesNothing) {
  PipelineShape shape;
  shape.images = {{"a", {}}};
  Pipeline pipeline(shape);
  pipeline.Go();
  EXPECT_THAT(pipeline.Cancel(), ElementsAre("cancel a"));
  EXPECT_THAT(pipeline.Built("a"), ElementsAre("PIPELINE_SUCCEEDED"));
}

TEST(PipelinePlanTest, ImagesAreSentOnceAllAreBuilt) {
  PipelineShape shape;
  for (int i = 0; i < 6; ++i) {
    shape.images.push_back({fmt::format("i{}", i), {}, i != 1});
  }
  Pipeline pipeline(shape);
  pipeline.Go();
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(pipeline.Built(fmt::format("i{}", i)), IsEmpty());
  }
  EXPECT_THAT(pipeline.Built("i5"), ElementsAre("push i0", "push i2", "push i3", "push i4"));
  EXPECT_THAT(pipeline.Pushed("i3"), ElementsAre("push i5"));
  pipeline.Pushed("i0");
  pipeline.Pushed("i2");
  pipeline.Pushed("i5");
  EXPECT_THAT(pipeline.Pushed("i4"), ElementsAre("PIPELINE_SUCCEEDED"));
}

TEST(PipelinePlanTest, NothingIsSentWhereABuildFailed) {
  PipelineShape shape;
  shape.images = {{"a", {}, true}, {"b", {}, true}};
  shape.keep_going = true;
  Pipeline pipeline(shape);
  pipeline.Go();
  pipeline.Failed("a");
  EXPECT_THAT(pipeline.Built("b"), ElementsAre("PIPELINE_FAILED"));
}

TEST(PipelinePlanTest, AFailedPushEndsItOrNotAsWithBuilds) {
  for (const bool keep_going : {false, true}) {
    PipelineShape shape;
    for (int i = 0; i < 5; ++i) {
      shape.images.push_back({fmt::format("i{}", i), {}, true});
    }
    shape.keep_going = keep_going;
    Pipeline pipeline(shape);
    pipeline.Go();
    for (int i = 0; i < 5; ++i) {
      pipeline.Built(fmt::format("i{}", i));
    }
    if (keep_going) {
      EXPECT_THAT(pipeline.PushFailed("i0"), ElementsAre("push i4"));
      pipeline.Pushed("i4");
    } else {
      EXPECT_THAT(pipeline.PushFailed("i0"), IsEmpty());
    }
    pipeline.Pushed("i1");
    pipeline.Pushed("i2");
    EXPECT_THAT(pipeline.Pushed("i3"), ElementsAre("PIPELINE_FAILED"));
  }
}

// After a restart states come in the order of the images.
TEST(PipelinePlanTest, AnyOrderOfStatesLeadsToTheSamePlan) {
  Pipeline pipeline(Shape());
  pipeline.plan().Set(1, Status(v1::PIPELINE_IMAGE_BUILT, true));
  pipeline.plan().Set(2, Status(v1::PIPELINE_IMAGE_BUILDING));
  pipeline.plan().Set(4, Status(v1::PIPELINE_IMAGE_BUILT, true));
  pipeline.plan().Set(0, Status(v1::PIPELINE_IMAGE_BUILT, true));
  EXPECT_THAT(pipeline.Go(), IsEmpty());
  // The daemon lost the build that it had submitted.
  EXPECT_THAT(pipeline.Set("api", Status(v1::PIPELINE_IMAGE_WAITING)), ElementsAre("build api"));
  EXPECT_THAT(pipeline.Built("api"), ElementsAre("build gate"));
}

}  // namespace
}  // namespace zlayer
