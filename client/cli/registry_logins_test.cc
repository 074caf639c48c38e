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

// A registry of which each repository has a login of its own.
TEST(RegistryLoginsTest, LoginsOfRepositories) {
  ASSERT_OK_AND_ASSIGN(const ScopedDirectory home,
                       ScopedDirectory::Make(::testing::TempDir(), "logins-"));
  // "alice:a" and "bob:b"
  ASSERT_OK(WriteFileAtomically(home.path() + "/config.json",
                                R"({"auths":{"reg.example/alice":{"auth":"YWxpY2U6YQ=="},)"
                                R"("reg.example/bob":{"auth":"Ym9iOmI="}}})"));
  setenv("DOCKER_CONFIG", home.path().c_str(), 1);
  setenv("HOME", home.path().c_str(), 1);
  google::protobuf::RepeatedPtrField<v1::RegistryCredential> credentials;
  ASSERT_OK(AddLogins({"reg.example/bob/x:1", "reg.example/alice/y", "reg.example/free/z"}, {},
                      &credentials));
  ASSERT_EQ(credentials.size(), 2);
  EXPECT_EQ(credentials[0].registry(), "reg.example/alice/y");
  EXPECT_EQ(credentials[0].username(), "alice");
  EXPECT_EQ(credentials[1].registry(), "reg.example/bob/x");
  EXPECT_EQ(credentials[1].username(), "bob");
}

}  // namespace
}  // namespace zlayer
