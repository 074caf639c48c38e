#include "daemon/queue/stored_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace zlayer {
namespace {

using ::testing::ElementsAre;

TEST(TitleTest, FirstTagElseFileAndTarget) {
  v1::BuildSpec spec;
  EXPECT_EQ(TitleOf(spec), "Dockerfile");
  spec.set_target("debug");
  EXPECT_EQ(TitleOf(spec), "Dockerfile (target debug)");
  spec.set_dockerfile("sub/Dockerfile.dev");
  EXPECT_EQ(TitleOf(spec), "sub/Dockerfile.dev (target debug)");
  spec.mutable_dockerfile_inline()->set_name("");
  EXPECT_EQ(TitleOf(spec), "Dockerfile (target debug)");
  spec.mutable_dockerfile_inline()->set_name("-");
  EXPECT_EQ(TitleOf(spec), "- (target debug)");
  spec.clear_target();
  spec.set_zimagefile("ZImagefile");
  EXPECT_EQ(TitleOf(spec), "ZImagefile");
  spec.mutable_zimagefile_inline();
  EXPECT_EQ(TitleOf(spec), "ZImagefile");
  spec.set_runtime("node22");
  EXPECT_EQ(TitleOf(spec), "runtime node22");
  spec.mutable_graph();
  EXPECT_EQ(TitleOf(spec), "graph");
  spec.add_tags("app:1");
  spec.add_tags("app:2");
  EXPECT_EQ(TitleOf(spec), "app:1");
}

TEST(HistoriesTest, OfTheRepositoriesWithoutTheirTags) {
  v1::BuildSpec spec;
  EXPECT_THAT(HistoriesOf(spec), ElementsAre(" Dockerfile"));
  spec.set_target("debug");
  EXPECT_THAT(HistoriesOf(spec), ElementsAre(" Dockerfile (target debug)"));
  spec.clear_target();
  spec.add_tags("r.example/app:5f3c");
  spec.add_tags("app:latest");
  spec.add_tags("app:1");
  const std::vector<std::string> histories = HistoriesOf(spec);
  EXPECT_THAT(histories,
              ElementsAre("docker.io/library/app Dockerfile", "r.example/app Dockerfile"));
  spec.clear_tags();
  spec.add_tags("app:2");
  spec.add_tags("r.example/app:97aa");
  EXPECT_EQ(HistoriesOf(spec), histories);
  spec.set_dockerfile("web/Dockerfile");
  EXPECT_THAT(HistoriesOf(spec),
              ElementsAre("docker.io/library/app web/Dockerfile", "r.example/app web/Dockerfile"));
}

TEST(HistoriesTest, FewOfManyRepositories) {
  v1::BuildSpec spec;
  for (int i = 0; i < 100; ++i) {
    spec.add_tags("app" + std::to_string(i));
  }
  EXPECT_EQ(HistoriesOf(spec).size(), 4u);
}

TEST(StoredRequestTest, DigestIsOfTheContentNotOfTheMapOrder) {
  v1::SubmitBuildRequest one;
  v1::SubmitBuildRequest other;
  for (int i = 0; i < 100; ++i) {
    (*one.mutable_spec()->mutable_build_args())[std::to_string(i)] = "x";
    (*other.mutable_spec()->mutable_build_args())[std::to_string(99 - i)] = "x";
  }
  EXPECT_EQ(ToStored(one).digest, ToStored(other).digest);
  (*other.mutable_spec()->mutable_build_args())["0"] = "y";
  EXPECT_NE(ToStored(one).digest, ToStored(other).digest);
}

TEST(StoredRequestTest, OnlySecretsAndCredentialsAreTakenOut) {
  v1::SubmitBuildRequest request;
  request.set_namespace_("team");
  request.mutable_spec()->set_dockerfile("Dockerfile");
  EXPECT_FALSE(ToStored(request).needs_secrets);
  EXPECT_EQ(ToStored(request).request.SerializeAsString(), request.SerializeAsString());

  v1::SubmitBuildRequest with_secret = request;
  with_secret.mutable_spec()->add_secrets()->set_id("a");
  EXPECT_TRUE(ToStored(with_secret).needs_secrets);
  EXPECT_EQ(ToStored(with_secret).request.SerializeAsString(), request.SerializeAsString());
  EXPECT_NE(ToStored(with_secret).digest, ToStored(request).digest);

  v1::SubmitBuildRequest with_credential = request;
  with_credential.mutable_spec()->add_registry_credentials()->set_token("t");
  EXPECT_TRUE(ToStored(with_credential).needs_secrets);
  EXPECT_EQ(ToStored(with_credential).request.SerializeAsString(), request.SerializeAsString());
}

TEST(StoredRequestTest, ContentTakesThePlaceOfContextIds) {
  v1::SubmitBuildRequest one;
  (*one.mutable_spec()->mutable_contexts())["a"].set_uploaded("1");
  v1::SubmitBuildRequest other = one;
  (*other.mutable_spec()->mutable_contexts())["a"].set_uploaded("2");
  EXPECT_NE(ToStored(one).digest, ToStored(other).digest);
  EXPECT_EQ(ContentDigest(ToStored(one), {{"a", "x"}}),
            ContentDigest(ToStored(other), {{"a", "x"}}));
  EXPECT_NE(ContentDigest(ToStored(one), {{"a", "x"}}), ContentDigest(ToStored(one), {{"a", "y"}}));
  EXPECT_NE(ContentDigest(ToStored(one), {{"a", "x"}}), ContentDigest(ToStored(one), {{"b", "x"}}));
  (*other.mutable_spec()->mutable_contexts())["a"].set_image("2");
  EXPECT_NE(ContentDigest(ToStored(one), {}), ContentDigest(ToStored(other), {}));
}

}  // namespace
}  // namespace zlayer
