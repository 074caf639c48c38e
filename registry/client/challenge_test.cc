#include "registry/client/challenge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(Challenge, Bearer) {
  ASSERT_OK_AND_ASSIGN(
      const auto challenges,
      ParseChallenges(
          "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
          "scope=\"repository:library/debian:pull,push\""));
  ASSERT_EQ(challenges.size(), 1u);
  EXPECT_EQ(challenges[0].scheme, "bearer");
  EXPECT_THAT(challenges[0].parameters,
              ElementsAre(Pair("realm", "https://auth.docker.io/token"),
                          Pair("scope", "repository:library/debian:pull,push"),
                          Pair("service", "registry.docker.io")));
}

TEST(Challenge, SeveralInOneHeader) {
  ASSERT_OK_AND_ASSIGN(const auto challenges,
                       ParseChallenges("Negotiate YWJj=, , BASIC Realm = \"a, \\\"b\\\"\" , "
                                       "charset=UTF-8, Digest, Bearer realm=x"));
  ASSERT_EQ(challenges.size(), 4u);
  EXPECT_EQ(challenges[0].scheme, "negotiate");
  EXPECT_TRUE(challenges[0].parameters.empty());
  EXPECT_EQ(challenges[1].scheme, "basic");
  EXPECT_THAT(challenges[1].parameters,
              ElementsAre(Pair("charset", "UTF-8"), Pair("realm", "a, \"b\"")));
  EXPECT_EQ(challenges[2].scheme, "digest");
  EXPECT_EQ(challenges[3].Parameter("realm"), "x");
}

TEST(Challenge, NothingOrAlone) {
  EXPECT_THAT(*ParseChallenges(""), ElementsAre());
  ASSERT_OK_AND_ASSIGN(const auto challenges, ParseChallenges("Basic"));
  EXPECT_EQ(challenges[0].scheme, "basic");
  EXPECT_EQ(challenges[0].Parameter("realm"), "");
}

TEST(Challenge, Malformed) {
  for (const char* header : {
           "Bearer realm=\"x",
           "Bearer realm=\"x\\",
           "Bearer realm=\"a\", realm=\"b\"",
           "Bearer realm=\"a\" service=\"b\"",
           "Bearer realm=\"a\"service=\"b\"",
           "Bearer realm=\"a\x01\"",
           "Bearer realm=\"a\r\nX: b\"",
           "Bearer a=, b=c",
           "=x",
           "Bearer some thing",
           "\"Bearer\"",
           "Bea(rer realm=x",
       }) {
    EXPECT_THAT(ParseChallenges(header), StatusIs(absl::StatusCode::kInvalidArgument)) << header;
  }
  EXPECT_FALSE(ParseChallenges("Basic realm=\"" + std::string(20000, 'x') + "\"").ok());
}

}  // namespace
}  // namespace zlayer
