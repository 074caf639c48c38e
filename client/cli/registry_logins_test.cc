#include "client/cli/registry_logins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;

TEST(RegistryLoginsTest, ImagesOfADockerfile) {
  EXPECT_THAT(
      ImagesIn("# FROM comment\nFROM --platform=linux/amd64 reg.example/base:1 AS b\n"
               "from debian\r\nRUN echo FROM x\nCOPY --from=ghcr.io/x/y /a /b\n"
               "RUN --mount=type=bind,from=other,target=/o true\nFROM $BASE\n"
               "FROM reg.example/node:${V}-alpine\nFROM reg.example:${PORT}/x\n"),
      ElementsAre("reg.example/base:1", "debian", "ghcr.io/x/y", "other", "reg.example/node"));
}

TEST(RegistryLoginsTest, OnlyRegistriesThatAreNamedAreLookedUp) {
  ASSERT_OK_AND_ASSIGN(const ScopedDirectory home,
                       ScopedDirectory::Make(::testing::TempDir(), "logins-"));
  // "me:secret"
  ASSERT_OK(WriteFileAtomically(home.path() + "/config.json",
                                R"({"auths":{"reg.example":{"auth":"bWU6c2VjcmV0"},)"
                                R"("other.example":{"auth":"bWU6c2VjcmV0"}}})"));
  setenv("DOCKER_CONFIG", home.path().c_str(), 1);
  setenv("HOME", home.path().c_str(), 1);
  google::protobuf::RepeatedPtrField<v1::RegistryCredential> credentials;
  ASSERT_OK(AddLogins({"reg.example/a:1", "reg.example/b", "debian"}, {}, &credentials));
  ASSERT_EQ(credentials.size(), 1);
  EXPECT_EQ(credentials[0].registry(), "reg.example");
  EXPECT_EQ(credentials[0].password(), "secret");
}

}  // namespace
}  // namespace zlayer
