#include "registry/transfer/candidates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Names(std::string_view reference, std::string_view default_registry) {
  std::vector<std::string> names;
  absl::StatusOr<std::vector<Reference>> candidates = Candidates(reference, default_registry);
  EXPECT_OK(candidates);
  for (const Reference& candidate : candidates.ok() ? *candidates : std::vector<Reference>()) {
    names.push_back(candidate.Normalized());
  }
  return names;
}

TEST(CandidatesTest, OnlyShortNamesMeanTheDefaultRegistry) {
  EXPECT_THAT(Names("app", ""), ElementsAre("docker.io/library/app:latest"));
  EXPECT_THAT(Names("app:v1", "reg.example:5000"),
              ElementsAre("reg.example:5000/app:v1", "docker.io/library/app:v1"));
  EXPECT_THAT(Names("team/app", "reg.example/mirror"),
              ElementsAre("reg.example/mirror/team/app:latest", "docker.io/team/app:latest"));
  EXPECT_THAT(Names("localhost/app", "reg.example"), ElementsAre("localhost/app:latest"));
  EXPECT_THAT(Names("ghcr.io/x/y:1", "reg.example"), ElementsAre("ghcr.io/x/y:1"));
  EXPECT_THAT(Names("localhost:5000/app", "reg.example"), ElementsAre("localhost:5000/app:latest"));
}

TEST(CandidatesTest, WhatIsWrongIsSaid) {
  EXPECT_THAT(Candidates("App", ""), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Candidates("app", "not a registry"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Candidates("app", "team"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CandidatesTest, Parts) {
  ASSERT_OK_AND_ASSIGN(const Reference reference, Reference::Parse("debian:12"));
  EXPECT_EQ(RepositoryOf(reference), "docker.io/library/debian");
  EXPECT_EQ(TagOrDigest(reference), "12");
}

}  // namespace
}  // namespace zlayer
