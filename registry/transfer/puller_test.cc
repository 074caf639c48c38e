#include "registry/transfer/puller.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <thread>
#include <vector>

#include "registry/image/image_json.h"
#include "registry/transfer/testing/transfer_fixture.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using PullerTest = TransferFixture;

TEST_F(PullerTest, APullFetchesNoLayer) {
  const Digest manifest = AddRemote("docker.io/library/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK_AND_ASSIGN(const PulledImage pulled, Resolve("app:v1"));
  EXPECT_EQ(pulled.image.manifest, manifest);
  EXPECT_EQ(pulled.reference, "docker.io/library/app:v1");
  EXPECT_THAT(pulled.image.config.env(), ElementsAre("A=b"));
  EXPECT_EQ(registry_.Count("GET blob"), 1);  // the configuration
  ASSERT_OK_AND_ASSIGN(const StoredImage image,
                       images_->EnsureLayers(pulled.image, puller_->Fetcher({}, {}), {}));
  EXPECT_EQ(ReadContentOf(image.layers[0].layer, "a"), "A");
}

TEST_F(PullerTest, WhatIsHereIsNotAskedFor) {
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(Resolve("app:v1"));
  registry_.Forget();
  ASSERT_OK(Resolve("app:v1"));
  ASSERT_OK(Resolve("app:v1", PullPolicy::kNever));
  EXPECT_THAT(registry_.Calls(), IsEmpty());
}

TEST_F(PullerTest, ManyThatWantTheSameAskOnce) {
  constexpr int kImages = 20;
  for (int image = 0; image < kImages; ++image) {
    const std::string name = fmt::format("app{}", image);
    AddRemote("docker.io/library/" + name, "v1", {MakeTar({{"a", name}})});
    std::vector<std::jthread> threads;
    for (int i = 0; i < 60; ++i) {
      threads.emplace_back([&] { EXPECT_OK(Resolve(name + ":v1")); });
    }
  }
  EXPECT_EQ(registry_.Count("GET manifest"), kImages);
  EXPECT_EQ(registry_.Count("GET blob"), kImages);
}

TEST_F(PullerTest, TheBeginningOfADigestMeansAnImageThatIsHere) {
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK_AND_ASSIGN(const PulledImage named, Resolve("app:v1"));
  registry_.Forget();
  const std::string beginning = named.image.config_digest.Hex().substr(0, 12);
  for (const PullPolicy policy : {PullPolicy::kMissing, PullPolicy::kNewer, PullPolicy::kNever}) {
    ASSERT_OK_AND_ASSIGN(const PulledImage found, Resolve(beginning, policy, "reg.example"));
    EXPECT_EQ(found.image.manifest, named.image.manifest);
    EXPECT_EQ(found.warning, "");
  }
  EXPECT_THAT(registry_.Calls(), IsEmpty());
}

TEST_F(PullerTest, NewerAsksOnceInAWhile) {
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(Resolve("app:v1", PullPolicy::kNewer));
  const Digest second = AddRemote("docker.io/library/app", "v1", {MakeTar({{"b", "B"}})});
  registry_.Forget();
  ASSERT_OK(Resolve("app:v1", PullPolicy::kNewer));
  EXPECT_THAT(registry_.Calls(), IsEmpty());
  pull_clock_.now_ns += 61'000'000'000;
  ASSERT_OK_AND_ASSIGN(const PulledImage pulled, Resolve("app:v1", PullPolicy::kNewer));
  EXPECT_EQ(pulled.image.manifest, second);
  EXPECT_THAT(pulled.image.references, ElementsAre("docker.io/library/app:v1"));
  registry_.Forget();
  pull_clock_.now_ns += 61'000'000'000;
  ASSERT_OK(Resolve("app:v1", PullPolicy::kNewer));
  EXPECT_THAT(registry_.Calls(), ElementsAre("HEAD manifest docker.io/library/app:v1"));
}

TEST_F(PullerTest, NewerUsesWhatIsHereWhereTheRegistryIsDown) {
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(Resolve("app:v1"));
  pull_clock_.now_ns += 61'000'000'000;
  registry_.down = absl::UnavailableError("no answer");
  ASSERT_OK_AND_ASSIGN(const PulledImage pulled, Resolve("app:v1", PullPolicy::kNewer));
  EXPECT_THAT(pulled.warning, HasSubstr("no answer"));
  // Not asked again at once: a build has several reasons to look the image up.
  registry_.Forget();
  ASSERT_OK(Resolve("app:v1", PullPolicy::kNewer));
  EXPECT_THAT(registry_.Calls(), IsEmpty());
  EXPECT_THAT(Resolve("app:v1", PullPolicy::kAlways),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("app:v1 cannot be pulled")));
  // What is not here is asked for each time.
  EXPECT_THAT(Resolve("other:v1", PullPolicy::kNewer), StatusIs(absl::StatusCode::kUnavailable));
  registry_.down = absl::OkStatus();
  AddRemote("docker.io/library/other", "v1", {MakeTar({{"a", "A"}})});
  EXPECT_OK(Resolve("other:v1", PullPolicy::kNewer));
}

TEST_F(PullerTest, ALoginThatTheDefaultRegistryRefusesEndsTheLookUp) {
  AddRemote("reg.example/app", "v1", {MakeTar({{"a", "A"}})});
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"b", "B"}})});
  registry_.passwords["reg.example/app"] = "secret";
  credentials_ = [](const std::string& registry, const std::string&) {
    return RegistryCredentials{"me", registry == "reg.example" ? "expired" : "", ""};
  };
  EXPECT_THAT(Resolve("app:v1", PullPolicy::kMissing, "reg.example"),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(registry_.Count("GET manifest docker.io"), 0);
  // Who has none is told what came of it.
  credentials_ = {};
  ASSERT_OK_AND_ASSIGN(const PulledImage pulled,
                       Resolve("app:v1", PullPolicy::kMissing, "reg.example"));
  EXPECT_EQ(pulled.reference, "docker.io/library/app:v1");
  EXPECT_THAT(pulled.warning, HasSubstr("app:v1 is taken from docker.io"));
}

TEST_F(PullerTest, AlwaysAsksEachTime) {
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(Resolve("app:v1", PullPolicy::kAlways));
  registry_.Forget();
  ASSERT_OK(Resolve("app:v1", PullPolicy::kAlways));
  EXPECT_THAT(registry_.Calls(), ElementsAre("HEAD manifest docker.io/library/app:v1"));
}

TEST_F(PullerTest, ThatThereIsNoneIsRememberedForAWhile) {
  EXPECT_THAT(Resolve("app:v1"), StatusIs(absl::StatusCode::kNotFound,
                                          AllOf(HasSubstr("app:v1"), HasSubstr("docker.io"))));
  registry_.Forget();
  EXPECT_THAT(Resolve("app:v1"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(registry_.Calls(), IsEmpty());
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"a", "A"}})});
  pull_clock_.now_ns += 11'000'000'000;
  EXPECT_OK(Resolve("app:v1"));
}

TEST_F(PullerTest, ShortNamesGoToTheDefaultRegistryFirst) {
  AddRemote("reg.example/app", "v1", {MakeTar({{"a", "A"}})});
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"b", "B"}})});
  AddRemote("docker.io/library/other", "v1", {MakeTar({{"c", "C"}})});
  ASSERT_OK_AND_ASSIGN(PulledImage pulled, Resolve("app:v1", PullPolicy::kMissing, "reg.example"));
  EXPECT_EQ(pulled.reference, "reg.example/app:v1");
  ASSERT_OK_AND_ASSIGN(pulled, Resolve("other:v1", PullPolicy::kMissing, "reg.example"));
  EXPECT_EQ(pulled.reference, "docker.io/library/other:v1");
  // An image of the name that is here wins over both.
  ASSERT_OK(images_->Commit("n", MakeImage({{"l", "L"}}), {"app:v1"}));
  ASSERT_OK_AND_ASSIGN(pulled, Resolve("app:v1", PullPolicy::kMissing, "reg.example"));
  EXPECT_EQ(pulled.reference, "docker.io/library/app:v1");
}

TEST_F(PullerTest, CredentialsGoAlong) {
  AddRemote("reg.example/app", "v1", {MakeTar({{"a", "A"}})});
  registry_.passwords["reg.example/app"] = "secret";
  EXPECT_THAT(Resolve("reg.example/app:v1"),
              StatusIs(absl::StatusCode::kUnauthenticated, ::testing::Not(HasSubstr("secret"))));
  // At once: who is logged in is somebody else.
  credentials_ = [](const std::string& registry, const std::string&) {
    return RegistryCredentials{"me", registry == "reg.example" ? "secret" : "", ""};
  };
  EXPECT_OK(Resolve("reg.example/app:v1"));
}

TEST_F(PullerTest, OfAnIndexThePlatformIsFetched) {
  const Digest index = AddRemoteIndex("docker.io/library/app", "v1", {"amd64", "arm64"});
  ASSERT_OK_AND_ASSIGN(const PulledImage amd,
                       Resolve("app:v1", PullPolicy::kMissing, "", LinuxOn("amd64")));
  EXPECT_EQ(amd.image.platform.architecture(), "amd64");
  EXPECT_EQ(registry_.Count("GET manifest"), 2);
  ASSERT_OK_AND_ASSIGN(const PulledImage arm,
                       Resolve("app:v1", PullPolicy::kMissing, "", LinuxOn("arm64")));
  EXPECT_EQ(arm.image.platform.architecture(), "arm64");
  EXPECT_THAT(Resolve("app:v1", PullPolicy::kMissing, "", LinuxOn("s390x")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("linux/amd64, linux/arm64")));
  ASSERT_OK_AND_ASSIGN(const RepositoryManifest here, images_->GetManifest("n", "app:v1"));
  EXPECT_EQ(here.digest, index);
}

// Who has an image that works keeps it under its name until all of the next one is here.
TEST_F(PullerTest, APullThatEndsEarlyLeavesTheName) {
  const std::string name = "docker.io/library/app";
  const auto pull = [&] {
    PullRequest request;
    request.name_space = "n";
    request.reference = "app:v1";
    request.policy = PullPolicy::kAlways;
    return puller_->Pull(request, {}, {}).status();
  };
  const Digest first = AddRemote(name, "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(pull());
  const Digest second = AddRemote(name, "v1", {MakeTar({{"b", "B"}})});
  const Digest layer = ManifestAt(name, "v1").layers[0].digest;
  const std::string bytes = registry_.repositories[name].blobs[layer];
  registry_.repositories[name].blobs.erase(layer);
  EXPECT_THAT(pull(), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(const StoredImage kept, images_->Get("n", "app:v1"));
  EXPECT_EQ(kept.manifest, first);
  registry_.repositories[name].blobs[layer] = bytes;
  ASSERT_OK(pull());
  ASSERT_OK_AND_ASSIGN(const StoredImage pulled, images_->Get("n", "app:v1"));
  EXPECT_EQ(pulled.manifest, second);
}

TEST_F(PullerTest, APullForAPlatformIsOfThatPlatform) {
  AddRemote("docker.io/library/app", "v1", {}, "amd64");
  const auto pull = [&](const std::string& architecture) {
    PullRequest request;
    request.name_space = "n";
    request.reference = "app:v1";
    request.platform = LinuxOn(architecture);
    return puller_->Pull(request, {}, {}).status();
  };
  EXPECT_THAT(pull("arm64"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("only for linux/amd64")));
  EXPECT_THAT(images_->Get("n", "app:v1"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(pull("amd64"));
}

TEST_F(PullerTest, WhatIsPushedIsThereAtOnce) {
  const std::string name = "reg.example/app:v1";
  EXPECT_THAT(Resolve(name), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(images_->Commit("n", MakeImage({{"l", "L"}}), {"local:v1"}));
  ASSERT_OK(Push("local:v1", name));
  EXPECT_OK(Resolve(name));
}

TEST_F(PullerTest, IndexesThatAreNestedWithoutEndAreNotFollowed) {
  const std::string name = "docker.io/library/deep";
  Descriptor inner{std::string(kManifestMediaType), AddRemote(name, "", {}), 0, {}, {}};
  inner.size = SizeOf(name, inner.digest);
  for (int depth = 0; depth < 2 * kMaxIndexDepth; ++depth) {
    const std::string bytes = WriteIndex({inner}, {});
    const RemoteManifest index{Digest::Of(bytes), std::string(kIndexMediaType), bytes};
    registry_.repositories[name].manifests[fmt::format("depth{}", depth)] = index;
    registry_.repositories[name].manifests[index.digest.ToString()] = index;
    inner = {std::string(kIndexMediaType), index.digest, bytes.size(), {}, {}};
  }
  const std::string deepest = fmt::format("deep:depth{}", kMaxIndexDepth);
  const std::string deeper = fmt::format("deep:depth{}", 2 * kMaxIndexDepth - 1);
  EXPECT_THAT(Resolve(deeper), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nested")));
  EXPECT_EQ(registry_.Count("GET manifest"), kMaxIndexDepth + 2);
  EXPECT_OK(Resolve(deepest));
  EXPECT_OK(Push(deepest, "localhost:5000/deep:1"));

  for (int depth = kMaxIndexDepth + 1; depth < 2 * kMaxIndexDepth; ++depth) {
    const std::string tag = fmt::format("depth{}", depth);
    const std::string& bytes = registry_.repositories[name].manifests[tag].bytes;
    ASSERT_OK(repositories_->PutManifest(
        "n", {name, tag, std::string(kIndexMediaType), bytes, /*sparse=*/true, {}}));
  }
  registry_.Forget();
  EXPECT_THAT(Push(deeper, "localhost:5000/deep:2"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nested")));
  EXPECT_EQ(registry_.Count("PUT manifest"), 0);
}

}  // namespace
}  // namespace zlayer
