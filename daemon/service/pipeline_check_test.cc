#include "daemon/service/pipeline_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::PipelineImage& Add(v1::SubmitPipelineRequest* request, const std::string& name) {
  v1::PipelineImage& image = *request->mutable_spec()->add_images();
  image.set_name(name);
  image.mutable_spec()->mutable_dockerfile_inline()->set_content("FROM scratch\n");
  image.mutable_spec()->add_tags(name);
  return image;
}

TEST(PipelineCheckTest, WhatIsGoodPasses) {
  v1::SubmitPipelineRequest request;
  Add(&request, "a");
  Add(&request, "b").add_depends_on("a");
  EXPECT_OK(CheckPipeline(request));
}

TEST(PipelineCheckTest, ThereAreImages) {
  EXPECT_THAT(CheckPipeline({}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(PipelineCheckTest, DependenciesAreChecked) {
  v1::SubmitPipelineRequest request;
  Add(&request, "a").add_depends_on("b");
  EXPECT_EQ(DetailOf(CheckPipeline(request)).reason(), "UNKNOWN_DEPENDENCY");
  Add(&request, "b").add_depends_on("a");
  const absl::Status status = CheckPipeline(request);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("a -> b -> a"));
  EXPECT_THAT(DetailOf(status).items(), ElementsAre("a", "b", "a"));
}

TEST(PipelineCheckTest, EachSpecIsCheckedAsABuildsIs) {
  v1::SubmitPipelineRequest request;
  Add(&request, "a");
  v1::PipelineImage& bad = Add(&request, "b");
  bad.mutable_spec()->mutable_dockerfile_inline()->set_content("FROM scratch\nRUNE x\n");
  bad.mutable_spec()->mutable_dockerfile_inline()->set_name("b/Dockerfile");
  absl::Status status = CheckPipeline(request);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("image \"b\": b/Dockerfile:2: "));
  EXPECT_EQ(DetailOf(status).source().first_line(), 2u);
  bad.mutable_spec()->mutable_dockerfile_inline()->set_content("FROM scratch\n");
  bad.mutable_spec()->add_tags("UPPER");
  status = CheckPipeline(request);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("image \"b\": tags: "));
  EXPECT_EQ(DetailOf(status).subject(), "tags");
}

TEST(PipelineCheckTest, WhatIsSentNamesARegistry) {
  v1::SubmitPipelineRequest request;
  v1::PipelineImage& image = Add(&request, "a");
  request.mutable_spec()->set_push(true);
  EXPECT_EQ(DetailOf(CheckPipeline(request)).subject(), "push");
  image.mutable_spec()->add_tags("registry.example/a");
  EXPECT_OK(CheckPipeline(request));
}

TEST(PipelineCheckTest, NamespaceAndPriorityAreChecked) {
  v1::SubmitPipelineRequest request;
  Add(&request, "a");
  request.set_priority(101);
  EXPECT_EQ(DetailOf(CheckPipeline(request)).subject(), "priority");
  request.set_priority(0);
  request.set_namespace_("No");
  EXPECT_EQ(DetailOf(CheckPipeline(request)).subject(), "namespace");
}

}  // namespace
}  // namespace zlayer
