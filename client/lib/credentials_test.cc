#include "client/lib/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/base64.h"
#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Auth(const std::string& user, const std::string& password) {
  return R"({"auth": ")" + EncodeBase64(user + ":" + password) + R"("})";
}

// A home, a directory of helpers at the head of PATH, and nothing else in the environment.
class CredentialsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    home_ = *ScopedDirectory::Make(::testing::TempDir(), "home");
    for (const char* name : {"DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"}) {
      unsetenv(name);
    }
    setenv("HOME", home_.path().c_str(), 1);
    ASSERT_OK(MakeDirectories(home_.path() + "/bin"));
    setenv("PATH", (home_.path() + "/bin:" + path_).c_str(), 1);
    config_ = home_.path() + "/.docker/config.json";
  }
  void TearDown() override { setenv("PATH", path_.c_str(), 1); }

  void Put(const std::string& file, const std::string& text) {
    ASSERT_OK(MakeDirectories(std::filesystem::path(file).parent_path().string()));
    ASSERT_OK(WriteFileAtomically(file, text));
  }
  void Config(const std::string& text) { Put(config_, text); }
  // Keeps what it was told in $HOME/<verb>.
  void Helper(const std::string& name, const std::string& get) {
    const std::string file = home_.path() + "/bin/docker-credential-" + name;
    Put(file, "#!/bin/sh\ncat >\"$HOME/$1\"\ntest $1 != get || { " + get + "; }\n");
    chmod(file.c_str(), 0755);
  }
  std::string Told(const std::string& verb) { return *ReadFile(home_.path() + "/" + verb); }
  nlohmann::json Kept() { return nlohmann::json::parse(*ReadFile(config_)); }

  absl::StatusOr<std::optional<FoundCredential>> Find(const std::string& registry,
                                                      const std::string& repository = "") {
    return FindCredentials(*CredentialFiles(), registry, repository, {});
  }
  // "user:password", "token" or "none".
  std::string Found(const std::string& registry, const std::string& repository = "") {
    auto found = Find(registry, repository);
    if (!found.ok()) {
      return found.status().ToString();
    }
    if (!found->has_value()) {
      return "none";
    }
    const v1::RegistryCredential& credential = (*found)->credential;
    EXPECT_EQ(credential.registry(), registry);
    return credential.token().empty() ? credential.username() + ":" + credential.password()
                                      : credential.token();
  }
  absl::StatusOr<StoredCredential> Save(const std::string& registry, const std::string& user,
                                        const std::string& password) {
    v1::RegistryCredential credential;
    credential.set_registry(registry);
    credential.set_username(user);
    credential.set_password(password);
    return SaveCredentials(*CredentialFiles(), credential, {});
  }

  const std::string path_ = std::getenv("PATH");
  ScopedDirectory home_;
  std::string config_;
};

TEST_F(CredentialsTest, NoFilesAreNoCredentials) { EXPECT_EQ(Found("docker.io"), "none"); }

TEST_F(CredentialsTest, FilesAreThoseOfDockerAndPodman) {
  EXPECT_THAT(CredentialFiles(),
              IsOkAndHolds(ElementsAre(home_.path() + "/.docker/config.json",
                                       home_.path() + "/.config/containers/auth.json")));
  setenv("DOCKER_CONFIG", "/d", 1);
  setenv("REGISTRY_AUTH_FILE", "/r", 1);
  setenv("XDG_RUNTIME_DIR", "/x", 1);
  EXPECT_THAT(CredentialFiles(),
              IsOkAndHolds(ElementsAre("/d/config.json", "/r", "/x/containers/auth.json",
                                       home_.path() + "/.config/containers/auth.json")));
  unsetenv("HOME");
  unsetenv("DOCKER_CONFIG");
  EXPECT_THAT(CredentialFiles(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(CredentialsTest, TheFirstFileThatHasThemWins) {
  Put(home_.path() + "/.config/containers/auth.json",
      R"({"auths": {"a.example": )" + Auth("podman", "1") + R"(, "b.example": )" +
          Auth("podman", "2") + "}}");
  Config(R"({"auths": {"a.example": )" + Auth("docker", "3") + R"(, "b.example": {}}})");
  EXPECT_EQ(Found("a.example"), "docker:3");
  EXPECT_EQ(Found("b.example"), "podman:2");
  ASSERT_OK_AND_ASSIGN(const auto found, Find("b.example"));
  EXPECT_EQ(found->source, home_.path() + "/.config/containers/auth.json");
}

TEST_F(CredentialsTest, KeysHaveManyForms) {
  Config(R"({"auths": {"https://index.docker.io/v1/": )" + Auth("hub", "1") +
         R"(, "http://plain.example:5000/": )" + Auth("plain", "2") + R"(, "old.example/v2/": )" +
         Auth("old", "3:with:colons") + "}}");
  EXPECT_EQ(Found("docker.io", "library/debian"), "hub:1");
  EXPECT_EQ(Found("plain.example:5000"), "plain:2");
  EXPECT_EQ(Found("old.example"), "old:3:with:colons");
  EXPECT_EQ(Found("plain.example"), "none");
  EXPECT_EQ(Found("example"), "none");
}

TEST_F(CredentialsTest, TheLongestKeyOfARepositoryWins) {
  Config(R"({"auths": {"quay.io": )" + Auth("all", "1") + R"(, "quay.io/team/app": )" +
         Auth("app", "2") + R"(, "quay.io/team": )" + Auth("team", "3") + "}}");
  EXPECT_EQ(Found("quay.io"), "all:1");
  EXPECT_EQ(Found("quay.io", "team"), "team:3");
  EXPECT_EQ(Found("quay.io", "team/app"), "app:2");
  EXPECT_EQ(Found("quay.io", "team/app2"), "team:3");
  EXPECT_EQ(Found("quay.io", "other/app"), "all:1");
}

TEST_F(CredentialsTest, TokensAndPlainFields) {
  Config(R"({"auths": {"a.example": {"auth": ")" + EncodeBase64("<token>:") +
         R"(", "identitytoken": "refresh"}, "b.example": {"username": "u", "password": "p"},
         "c.example": {"auth": ")" +
         EncodeBase64(std::string("u:p\0\0", 5)) + R"("}}})");
  EXPECT_EQ(Found("a.example"), "refresh");
  EXPECT_EQ(Found("b.example"), "u:p");
  EXPECT_EQ(Found("c.example"), "u:p");
}

TEST_F(CredentialsTest, HelpersComeBeforeTheFile) {
  Helper("special", R"(echo '{"ServerURL": "x", "Username": "<token>", "Secret": "refresh"}')");
  Helper("store", R"(echo '{"Username": "stored", "Secret": "s"}')");
  Config(
      R"({"credsStore": "store", "credHelpers": {"a.example": "special"}, "auths": {"a.example": )" +
      Auth("file", "1") + "}}");
  EXPECT_EQ(Found("a.example"), "refresh");
  EXPECT_EQ(Told("get"), "a.example");
  EXPECT_EQ(Found("docker.io"), "stored:s");
  EXPECT_EQ(Told("get"), "https://index.docker.io/v1/");
}

TEST_F(CredentialsTest, AHelperWithoutThemIsNone) {
  Helper("store", "echo 'credentials not found in native keychain'; exit 1");
  Config(R"({"credsStore": "store", "auths": {"a.example": )" + Auth("file", "1") + "}}");
  EXPECT_EQ(Found("b.example"), "none");
  EXPECT_EQ(Found("a.example"), "file:1");
}

TEST_F(CredentialsTest, WhatAHelperDoesWrongIsSaidWithoutSecrets) {
  Config(R"({"credsStore": "store"})");
  EXPECT_THAT(Find("a.example"), StatusIs(absl::StatusCode::kNotFound,
                                          HasSubstr("docker-credential-store is not installed")));
  Helper("store", "echo SECRET; exit 4");
  EXPECT_THAT(Find("a.example"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("docker-credential-store get failed with exit code 4"),
                             Not(HasSubstr("SECRET")))));
  for (const char* answer :
       {"SECRET", "[]", R"({"Secret": "SECRET"})", R"({"Username": 1, "Secret": "SECRET"})"}) {
    Helper("store", std::string("echo '") + answer + "'");
    EXPECT_THAT(Find("a.example"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                            AllOf(HasSubstr("is not JSON with Username and Secret"),
                                                  Not(HasSubstr("SECRET")))));
  }
  Config(R"({"credsStore": "../../bin/sh"})");
  EXPECT_THAT(Find("a.example"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(config_)));
}

TEST_F(CredentialsTest, WhatIsWrongWithAFileIsSaidWithoutSecrets) {
  for (const std::string& text :
       {std::string(R"({"auths": {"a.example": {"auth": "SECRET)"), std::string("[]"),
        std::string(R"({"auths": []})"), std::string(R"({"auths": {"a.example": "SECRET"}})"),
        std::string(R"({"auths": {"a.example": {"auth": "SECRET!"}}})"),
        R"({"auths": {"a.example": {"auth": ")" + EncodeBase64("SECRET") + "\"}}}",
        R"({"auths": {"a.example": {"auth": ")" + EncodeBase64(std::string("u\0:S", 4)) + "\"}}}",
        std::string(R"({"credsStore": 1})"), std::string(R"({"credHelpers": ["SECRET"]})")}) {
    Config(text);
    EXPECT_THAT(Find("a.example"), StatusIs(absl::StatusCode::kInvalidArgument,
                                            AllOf(HasSubstr(config_), Not(HasSubstr("SECRET")))))
        << text;
  }
  Config(std::string((size_t{1} << 20) + 1, ' '));
  EXPECT_THAT(Find("a.example"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(config_)));
  std::filesystem::remove(config_);
  std::filesystem::create_directory(config_);
  const auto unreadable = Find("a.example");
  EXPECT_FALSE(unreadable.ok());
  EXPECT_THAT(unreadable.status().ToString(), HasSubstr(config_));
}

TEST_F(CredentialsTest, StoringKeepsTheRestOfTheFile) {
  Config(R"({"psFormat": "x", "auths": {"b.example": )" + Auth("b", "1") +
         R"(, "https://a.example/v1/": )" + Auth("old", "2") + R"(}, "plugins": {"p": [1]}})");
  ASSERT_OK_AND_ASSIGN(const StoredCredential stored, Save("a.example", "new", "3"));
  EXPECT_EQ(stored.place, config_);
  EXPECT_FALSE(stored.encrypted);
  EXPECT_EQ(Found("a.example"), "new:3");
  EXPECT_EQ(Found("b.example"), "b:1");
  EXPECT_EQ(Kept()["psFormat"], "x");
  EXPECT_EQ(Kept()["plugins"]["p"][0], 1);
  EXPECT_EQ(Kept()["auths"].size(), 2u);
  struct stat info = {};
  ASSERT_EQ(stat(config_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(CredentialsTest, StoringMakesTheFile) {
  ASSERT_OK(Save("docker.io", "u", "p"));
  EXPECT_TRUE(Kept()["auths"].contains("https://index.docker.io/v1/"));
  EXPECT_EQ(Found("docker.io", "library/debian"), "u:p");
  struct stat info = {};
  ASSERT_EQ(stat((home_.path() + "/.docker").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(CredentialsTest, AFileThatIsALinkStaysOne) {
  Put(home_.path() + "/real.json", "{}");
  ASSERT_OK(MakeDirectories(home_.path() + "/.docker"));
  ASSERT_EQ(symlink((home_.path() + "/real.json").c_str(), config_.c_str()), 0);
  ASSERT_OK(Save("a.example", "u", "p"));
  EXPECT_TRUE(std::filesystem::is_symlink(config_));
  EXPECT_EQ(Found("a.example"), "u:p");
}

TEST_F(CredentialsTest, ABrokenFileIsNotOverwritten) {
  Config("{");
  EXPECT_THAT(Save("a.example", "u", "p"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(*ReadFile(config_), "{");
}

TEST_F(CredentialsTest, StoringWithAHelperLeavesNoneInTheFile) {
  Helper("store", "false");
  Config(R"({"credsStore": "store", "auths": {"a.example": )" + Auth("old", "1") + "}}");
  ASSERT_OK_AND_ASSIGN(const StoredCredential stored, Save("a.example", "u", "p"));
  EXPECT_EQ(stored.place, "docker-credential-store");
  EXPECT_TRUE(stored.encrypted);
  EXPECT_EQ(nlohmann::json::parse(Told("store")),
            (nlohmann::json{{"ServerURL", "a.example"}, {"Username", "u"}, {"Secret", "p"}}));
  EXPECT_TRUE(Kept()["auths"].empty());
}

TEST_F(CredentialsTest, ErasingTakesEveryFormOfTheKey) {
  Config(R"({"auths": {"https://index.docker.io/v1/": )" + Auth("a", "1") + R"(, "docker.io": )" +
         Auth("b", "2") + R"(, "docker.io/team": )" + Auth("c", "3") + "}}");
  EXPECT_THAT(EraseCredentials(*CredentialFiles(), "docker.io", {}), IsOkAndHolds(true));
  EXPECT_EQ(Found("docker.io", "library/x"), "none");
  EXPECT_EQ(Found("docker.io", "team/x"), "c:3");
  EXPECT_THAT(EraseCredentials(*CredentialFiles(), "docker.io", {}), IsOkAndHolds(false));
}

TEST_F(CredentialsTest, ErasingTellsTheHelper) {
  Helper("store", "false");
  Config(R"({"credsStore": "store"})");
  EXPECT_THAT(EraseCredentials(*CredentialFiles(), "docker.io", {}), IsOkAndHolds(true));
  EXPECT_EQ(Told("erase"), "https://index.docker.io/v1/");
}

TEST(RegistryNameTest, IsThatOfReferences) {
  EXPECT_THAT(RegistryName("https://index.docker.io/v1/"), IsOkAndHolds("docker.io"));
  EXPECT_THAT(RegistryName("registry-1.docker.io"), IsOkAndHolds("docker.io"));
  EXPECT_THAT(RegistryName("http://localhost:5000/"), IsOkAndHolds("localhost:5000"));
  for (const std::string& wrong : {std::string(""), std::string("quay.io/team"), std::string("a b"),
                                   std::string("a\nb"), std::string("a\0b", 3)}) {
    EXPECT_THAT(RegistryName(wrong), StatusIs(absl::StatusCode::kInvalidArgument)) << wrong;
  }
}

}  // namespace
}  // namespace zlayer
