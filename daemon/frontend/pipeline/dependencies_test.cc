#include "daemon/frontend/pipeline/dependencies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Reason(const std::vector<PipelineNode>& images) {
  const std::optional<DependencyError> error = FindDependencyError(images);
  return error.has_value() ? error->reason : "";
}

TEST(DependenciesTest, WhatDependsOnNothingUnknownIsFine) {
  EXPECT_EQ(Reason({}), "");
  EXPECT_EQ(Reason({{"a", {"b", "c"}}, {"b", {"c", "c"}}, {"c", {}}}), "");
}

TEST(DependenciesTest, NamesAreUniqueAndPlain) {
  EXPECT_EQ(Reason({{"a", {}}, {"a", {}}}), "INVALID_OPTION");
  for (const std::string bad : {"", "a b", "a,b", "a\n", "\x1b[1m"}) {
    EXPECT_EQ(Reason({{bad, {}}}), "INVALID_OPTION") << bad;
  }
  EXPECT_EQ(Reason({{"äpp/web-1.x_y:z", {}}}), "");
}

TEST(DependenciesTest, AnUnknownDependencyIsNamedWithASuggestion) {
  const std::vector<PipelineNode> images = {{"base", {}}, {"web", {"bases"}}};
  const absl::Status status = ToStatus(*FindDependencyError(images), images);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               "\"web\" depends on \"bases\", which is no image of the pipeline; "
                               "did you mean base?"));
  EXPECT_EQ(DetailOf(status).reason(), "UNKNOWN_DEPENDENCY");
  EXPECT_EQ(DetailOf(status).subject(), "web");
}

TEST(DependenciesTest, ACircleIsShownAsAPath) {
  const std::vector<PipelineNode> images = {
      {"x", {"a"}}, {"a", {"b"}}, {"b", {"c"}}, {"c", {"a"}}, {"z", {}}};
  const absl::Status status = ToStatus(*FindDependencyError(images), images);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("in a circle: a -> b -> c -> a")));
  EXPECT_EQ(DetailOf(status).reason(), "CIRCULAR_DEPENDENCY");
  EXPECT_THAT(DetailOf(status).items(), ElementsAre("a", "b", "c", "a"));
}

TEST(DependenciesTest, AnImageThatDependsOnItselfIsACircle) {
  const std::optional<DependencyError> error = FindDependencyError({{"a", {"a"}}});
  ASSERT_TRUE(error.has_value());
  EXPECT_THAT(error->items, ElementsAre("a", "a"));
}

TEST(DependenciesTest, AWebOfAThousandImagesIsLookedAtOnce) {
  std::vector<PipelineNode> images;
  for (int i = 0; i < 1000; ++i) {
    PipelineNode& image = images.emplace_back();
    image.name = "i" + std::to_string(i);
    for (int j = std::max(0, i - 100); j < i; ++j) {
      image.depends_on.push_back("i" + std::to_string(j));
    }
  }
  EXPECT_EQ(Reason(images), "");
  images[0].depends_on.push_back("i999");
  EXPECT_EQ(Reason(images), "CIRCULAR_DEPENDENCY");
}

TEST(DependenciesTest, ASelectionTakesAlongWhatItNeeds) {
  const std::vector<PipelineNode> images = {{"a", {}}, {"b", {"a"}}, {"c", {"b"}}, {"d", {}}};
  ASSERT_OK_AND_ASSIGN(std::vector<bool> selected, SelectWithDependencies(images, {"c"}));
  EXPECT_THAT(selected, ElementsAre(true, true, true, false));
  EXPECT_EQ(Message(SelectWithDependencies(images, {"nothing-like-it"}).status()),
            "\"nothing-like-it\" is no image of the pipeline; its images are a, b, c, d");
}

}  // namespace
}  // namespace zlayer
