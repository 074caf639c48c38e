// Pulls, pushes and copies between the store and registries in memory.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "registry/image/image_json.h"
#include "registry/image/platform.h"
#include "registry/image/testing/archives.h"
#include "registry/image/testing/image_store_fixture.h"
#include "registry/transfer/blob_pull.h"
#include "registry/transfer/make_index.h"
#include "registry/transfer/puller.h"
#include "registry/transfer/pusher.h"
#include "registry/transfer/testing/memory_registry.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SetClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns; }
  int64_t now_ns = 1'700'000'000'000'000'000;
};

class TransferTest : public ImageStoreFixture {
 protected:
  void SetUp() override {
    ImageStoreFixture::SetUp();
    puller_ = MakePuller(images_.get(), repositories_.get(), &registry_, &pull_clock_, {});
    pusher_ = MakePusher(parts(), images_.get(), repositories_.get(), &registry_, puller_.get());
  }

  // An image in a registry; returns its manifest's digest.
  Digest AddRemote(const std::string& name, const std::string& tag,
                   const std::vector<std::string>& tars, const std::string& architecture = "") {
    OciLayout layout;
    const Digest manifest = layout.AddImage(tars, /*compressed=*/true, architecture);
    MemoryRegistry::Repository& repository = registry_.repositories[name];
    for (const auto& [hex, bytes] : layout.blobs) {
      repository.blobs[Digest::Of(bytes)] = bytes;
    }
    const RemoteManifest remote{manifest, std::string(kManifestMediaType),
                                layout.blobs.at(manifest.Hex())};
    repository.manifests[manifest.ToString()] = remote;
    if (!tag.empty()) {
      repository.manifests[tag] = remote;
    }
    return manifest;
  }

  static v1::Platform LinuxOn(const std::string& architecture) {
    v1::Platform platform;
    platform.set_os("linux");
    platform.set_architecture(architecture);
    return platform;
  }

  // An index of images for these architectures.
  Digest AddRemoteIndex(const std::string& name, const std::string& tag,
                        const std::vector<std::string>& architectures) {
    std::vector<Descriptor> parts;
    for (const std::string& architecture : architectures) {
      Descriptor& part = parts.emplace_back();
      part.media_type = kManifestMediaType;
      part.digest = AddRemote(name, "", {MakeTar({{architecture, "x"}})}, architecture);
      part.size = SizeOf(name, part.digest);
      part.platform = LinuxOn(architecture);
    }
    const std::string bytes = WriteIndex(parts, {});
    const RemoteManifest remote{Digest::Of(bytes), std::string(kIndexMediaType), bytes};
    registry_.repositories[name].manifests[tag] = remote;
    registry_.repositories[name].manifests[remote.digest.ToString()] = remote;
    return remote.digest;
  }

  // Of a manifest that a registry has.
  uint64_t SizeOf(const std::string& name, const Digest& manifest) {
    return registry_.repositories[name].manifests[manifest.ToString()].bytes.size();
  }

  absl::StatusOr<PulledImage> Resolve(const std::string& reference,
                                      PullPolicy policy = PullPolicy::kMissing,
                                      const std::string& default_registry = "",
                                      const v1::Platform& platform = {}) {
    PullRequest request;
    request.name_space = "n";
    request.reference = reference;
    request.platform = platform;
    request.policy = policy;
    request.default_registry = default_registry;
    request.credentials = credentials_;
    return puller_->Resolve(request, {}, {});
  }

  absl::StatusOr<PushResult> Push(const std::string& reference, const std::string& destination,
                                  PushForm form = {}) {
    return pusher_->Push({"n", reference, {destination}, form, false, credentials_}, {}, {});
  }

  ManifestDocument ManifestAt(const std::string& name, const std::string& reference) {
    absl::StatusOr<ManifestDocument> document =
        ParseManifest(registry_.repositories[name].manifests[reference].bytes);
    EXPECT_OK(document);
    return document.value_or(ManifestDocument());
  }

  SetClock pull_clock_;
  MemoryRegistry registry_;
  CredentialsOf credentials_;
  std::unique_ptr<Puller> puller_;
  std::unique_ptr<Pusher> pusher_;
};

TEST_F(TransferTest, APullFetchesNoLayer) {
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

TEST_F(TransferTest, WhatIsHereIsNotAskedFor) {
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(Resolve("app:v1"));
  registry_.Forget();
  ASSERT_OK(Resolve("app:v1"));
  ASSERT_OK(Resolve("app:v1", PullPolicy::kNever));
  EXPECT_THAT(registry_.Calls(), IsEmpty());
}

TEST_F(TransferTest, ManyThatWantTheSameAskOnce) {
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

TEST_F(TransferTest, TheBeginningOfADigestMeansAnImageThatIsHere) {
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

TEST_F(TransferTest, NewerAsksOnceInAWhile) {
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

TEST_F(TransferTest, NewerUsesWhatIsHereWhereTheRegistryIsDown) {
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

TEST_F(TransferTest, ALoginThatTheDefaultRegistryRefusesEndsTheLookUp) {
  AddRemote("reg.example/app", "v1", {MakeTar({{"a", "A"}})});
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"b", "B"}})});
  registry_.passwords["reg.example/app"] = "secret";
  credentials_ = [](const std::string& registry) {
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

TEST_F(TransferTest, AlwaysAsksEachTime) {
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(Resolve("app:v1", PullPolicy::kAlways));
  registry_.Forget();
  ASSERT_OK(Resolve("app:v1", PullPolicy::kAlways));
  EXPECT_THAT(registry_.Calls(), ElementsAre("HEAD manifest docker.io/library/app:v1"));
}

TEST_F(TransferTest, ThatThereIsNoneIsRememberedForAWhile) {
  EXPECT_THAT(Resolve("app:v1"), StatusIs(absl::StatusCode::kNotFound,
                                          AllOf(HasSubstr("app:v1"), HasSubstr("docker.io"))));
  registry_.Forget();
  EXPECT_THAT(Resolve("app:v1"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(registry_.Calls(), IsEmpty());
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"a", "A"}})});
  pull_clock_.now_ns += 11'000'000'000;
  EXPECT_OK(Resolve("app:v1"));
}

TEST_F(TransferTest, ShortNamesGoToTheDefaultRegistryFirst) {
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

TEST_F(TransferTest, CredentialsGoAlong) {
  AddRemote("reg.example/app", "v1", {MakeTar({{"a", "A"}})});
  registry_.passwords["reg.example/app"] = "secret";
  EXPECT_THAT(Resolve("reg.example/app:v1"),
              StatusIs(absl::StatusCode::kUnauthenticated, ::testing::Not(HasSubstr("secret"))));
  // At once: who is logged in is somebody else.
  credentials_ = [](const std::string& registry) {
    return RegistryCredentials{"me", registry == "reg.example" ? "secret" : "", ""};
  };
  EXPECT_OK(Resolve("reg.example/app:v1"));
}

TEST_F(TransferTest, OfAnIndexThePlatformIsFetched) {
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

TEST_F(TransferTest, APullForAPlatformIsOfThatPlatform) {
  AddRemote("docker.io/library/app", "v1", {}, "amd64");
  const auto pull = [&](const std::string& architecture) {
    PullRequest request;
    request.name_space = "n";
    request.reference = "app:v1";
    request.platform = LinuxOn(architecture);
    return puller_->Pull(request, {}, {}).status();
  };
  EXPECT_OK(pull("amd64"));
  EXPECT_THAT(pull("arm64"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("only for linux/amd64")));
}

TEST_F(TransferTest, WhatIsPushedIsThereAtOnce) {
  const std::string name = "reg.example/app:v1";
  EXPECT_THAT(Resolve(name), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(images_->Commit("n", MakeImage({{"l", "L"}}), {"local:v1"}));
  ASSERT_OK(Push("local:v1", name));
  EXPECT_OK(Resolve(name));
}

TEST_F(TransferTest, IndexesThatAreNestedWithoutEndAreNotFollowed) {
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

TEST_F(TransferTest, APushCompressesOnceAndRemembers) {
  ASSERT_OK_AND_ASSIGN(const StoredImage image,
                       images_->Commit("n", MakeImage({{"a", std::string(100'000, 'a')}}),
                                       {"reg.example/team/app:v1"}));
  ASSERT_OK_AND_ASSIGN(const PushResult first,
                       Push("reg.example/team/app:v1", "reg.example/team/app:v1"));
  EXPECT_EQ(first.config, image.config_digest);
  EXPECT_NE(first.manifest, image.manifest);
  EXPECT_THAT(first.references, ElementsAre("reg.example/team/app:v1"));
  const ManifestDocument sent = ManifestAt("reg.example/team/app", "v1");
  EXPECT_EQ(sent.layers[0].media_type, kTarGzipMediaType);
  EXPECT_LT(sent.layers[0].size, 10'000);
  // What was sent is known here, without being listed, and its layers are those of the image.
  EXPECT_THAT(Names(), ElementsAre("reg.example/team/app:v1"));
  ASSERT_OK_AND_ASSIGN(const StoredImage kept, images_->Get("n", first.manifest.ToString()));
  EXPECT_EQ(kept.layers[0].layer, image.layers[0].layer);
  EXPECT_EQ(kept.source, "reg.example/team/app");

  registry_.Forget();
  ASSERT_OK_AND_ASSIGN(const PushResult again,
                       Push("reg.example/team/app:v1", "reg.example/team/app:v2"));
  EXPECT_EQ(again.manifest, first.manifest);
  EXPECT_EQ(registry_.Count(
                fmt::format("PUT blob reg.example/team/app:{}", sent.layers[0].digest.ToString())),
            0);
}

TEST_F(TransferTest, WhatCompressingMadeIsTakenFromAnotherRepository) {
  ASSERT_OK(images_->Commit("n", MakeImage({{"a", std::string(100'000, 'a')}}), {"app:v1"}));
  ASSERT_OK_AND_ASSIGN(const PushResult first, Push("app:v1", "reg.example/team/app:v1"));
  registry_.Forget();
  // The layer, and the configuration.
  ASSERT_OK_AND_ASSIGN(const PushResult second, Push("app:v1", "reg.example/mnt/app:v1"));
  EXPECT_EQ(second.manifest, first.manifest);
  EXPECT_EQ(registry_.Count("PUT blob"), 0);
  EXPECT_EQ(registry_.Count("MOUNT blob reg.example/mnt/app"), 2);
  EXPECT_EQ(registry_.repositories["reg.example/mnt/app"].blobs.size(), 2);
  // Both are known to have it, not the last one alone.
  registry_.repositories.erase("reg.example/mnt/app");
  registry_.Forget();
  ASSERT_OK(Push("app:v1", "reg.example/third:v1"));
  EXPECT_EQ(registry_.Count("PUT blob"), 0);
  EXPECT_EQ(registry_.Count("MOUNT blob"), 4);

  // Where it is neither there nor taken it is compressed again; in another registry, too.
  registry_.can_mount = false;
  registry_.Forget();
  ASSERT_OK_AND_ASSIGN(const PushResult fourth, Push("app:v1", "reg.example/fourth:v1"));
  EXPECT_EQ(fourth.manifest, first.manifest);
  EXPECT_EQ(registry_.Count("PUT blob"), 2);
  registry_.Forget();
  ASSERT_OK(Push("app:v1", "other.example/app:v1"));
  EXPECT_EQ(registry_.Count("PUT blob"), 2);
  EXPECT_EQ(registry_.Count("MOUNT blob"), 0);
}

TEST_F(TransferTest, WhereANamespaceHasItsBlobsIsNotToldToOthers) {
  const NewImage image = MakeImage({{"a", std::string(100'000, 'a')}});
  ASSERT_OK(images_->Commit("n", image, {"app:v1"}));
  ASSERT_OK(images_->Commit("m", image, {"app:v1"}));
  ASSERT_OK(Push("app:v1", "reg.example/secret/app:v1"));
  registry_.Forget();
  ASSERT_OK(pusher_->Push({"m", "app:v1", {"reg.example/app:v1"}, {}, false, {}}, {}, {}));
  EXPECT_EQ(registry_.Count("MOUNT blob"), 0);
  EXPECT_EQ(registry_.Count("PUT blob"), 2);
}

TEST_F(TransferTest, NothingIsSentForALevelThatThereIsNot) {
  ASSERT_OK(images_->Commit("n", MakeImage({{"a", "A"}}), {"app:v1"}));
  const PushForm wrong[] = {{Compression::kGzip, 15, false},
                            {Compression::kZstd, 0, false},
                            {Compression::kNone, 3, false},
                            {{}, 15, false}};
  for (const PushForm& form : wrong) {
    EXPECT_THAT(Push("app:v1", "localhost:5000/app:v1", form),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("level")));
  }
  EXPECT_THAT(registry_.Calls(), IsEmpty());
  // Who gives a level wants compression, to loopback as well.
  ASSERT_OK(Push("app:v1", "localhost:5000/app:v1", {{}, 9, false}));
  EXPECT_EQ(ManifestAt("localhost:5000/app", "v1").layers[0].media_type, kTarGzipMediaType);
}

TEST_F(TransferTest, ToLoopbackAPushIsVerbatim) {
  ASSERT_OK_AND_ASSIGN(const StoredImage image,
                       images_->Commit("n", MakeImage({{"a", "A"}}), {"app:v1"}));
  ASSERT_OK_AND_ASSIGN(const PushResult pushed, Push("app:v1", "localhost:5000/app:v1"));
  EXPECT_EQ(pushed.manifest, image.manifest);
  ASSERT_OK_AND_ASSIGN(const PushResult zstd,
                       Push("app:v1", "localhost:5000/app:zstd", {Compression::kZstd, 3, false}));
  EXPECT_EQ(ManifestAt("localhost:5000/app", "zstd").layers[0].media_type, kTarZstdMediaType);
}

TEST_F(TransferTest, WhatWasPulledIsPushedVerbatimUnlessForced) {
  const Digest manifest = AddRemote("docker.io/library/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(Resolve("app:v1"));
  ASSERT_OK_AND_ASSIGN(const PushResult pushed, Push("app:v1", "reg.example/app:v1"));
  EXPECT_EQ(pushed.manifest, manifest);
  ASSERT_OK_AND_ASSIGN(const PushResult forced,
                       Push("app:v1", "reg.example/app:gzip", {Compression::kGzip, {}, true}));
  EXPECT_NE(forced.manifest, manifest);
  EXPECT_EQ(ManifestAt("reg.example/app", "gzip").layers[0].media_type, kTarGzipMediaType);
  EXPECT_EQ(forced.config, pushed.config);
}

TEST_F(TransferTest, ADockerImageStaysOne) {
  NewImage image = MakeImage({{"a", "A"}});
  image.format = ImageFormat::kDocker;
  ASSERT_OK(images_->Commit("n", image, {"app:v1"}));
  ASSERT_OK(Push("app:v1", "reg.example/app:gzip", {Compression::kGzip, {}, true}).status());
  const ManifestDocument sent = ManifestAt("reg.example/app", "gzip");
  EXPECT_EQ(sent.media_type, kDockerManifestMediaType);
  EXPECT_EQ(sent.config.media_type, kDockerConfigMediaType);
  EXPECT_EQ(sent.layers[0].media_type, "application/vnd.docker.image.rootfs.diff.tar.gzip");
}

TEST_F(TransferTest, ADockerImageInZstdGoesAsOci) {
  NewImage image = MakeImage({{"a", "A"}});
  image.format = ImageFormat::kDocker;
  ASSERT_OK_AND_ASSIGN(const StoredImage docker, images_->Commit("n", image, {"app:v1"}));
  ASSERT_OK_AND_ASSIGN(const PushResult pushed,
                       Push("app:v1", "reg.example/app:zstd", {Compression::kZstd, {}, false}));
  EXPECT_EQ(pushed.config, docker.config_digest);
  const ManifestDocument sent = ManifestAt("reg.example/app", "zstd");
  EXPECT_EQ(registry_.repositories["reg.example/app"].manifests["zstd"].media_type,
            kManifestMediaType);
  EXPECT_EQ(sent.media_type, kManifestMediaType);
  EXPECT_EQ(sent.config.media_type, kConfigMediaType);
  EXPECT_EQ(sent.layers[0].media_type, kTarZstdMediaType);
}

TEST_F(TransferTest, BlobsAreTakenFromOtherRepositoriesOfTheRegistry) {
  AddRemote("reg.example/base", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(Resolve("reg.example/base:v1"));
  registry_.Forget();
  ASSERT_OK_AND_ASSIGN(const PushResult pushed, Push("reg.example/base:v1", "reg.example/app:v1"));
  EXPECT_EQ(registry_.repositories["reg.example/app"].blobs.size(), 2);
  // Not by way of here.
  EXPECT_EQ(registry_.Count("GET blob"), 0);
  EXPECT_EQ(registry_.Count("PUT blob"), 0);
}

TEST_F(TransferTest, APushSaysHowABlobCameThere) {
  AddRemote("reg.example/base", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(Resolve("reg.example/base:v1"));
  std::vector<TransferUpdate::State> states;
  Mutex mutex;
  const ProgressSink progress = [&](const TransferUpdate& update) {
    MutexLock lock(&mutex);
    if (update.state != TransferUpdate::State::kRunning && update.item.starts_with("blob")) {
      states.push_back(update.state);
    }
  };
  const PushRequest push{"n", "reg.example/base:v1", {"reg.example/app:v1"}, {}, false, {}};
  ASSERT_OK(pusher_->Push(push, progress, {}));
  ASSERT_OK(pusher_->Push(push, progress, {}));
  EXPECT_THAT(states,
              ElementsAre(TransferUpdate::State::kMounted, TransferUpdate::State::kPresent));
}

TEST_F(TransferTest, ABlobThatOnlyARegistryHasIsBroughtHere) {
  AddRemote("docker.io/library/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK_AND_ASSIGN(const PulledImage pulled, Resolve("app:v1"));
  const Digest layer = pulled.image.layers[0].digest;
  BlobPull pull(images_.get(), puller_.get());
  EXPECT_THAT(repositories_->OpenBlob("n", layer), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(pull.Fetch("other", layer, {}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(pull.Fetch("n", Digest::Of("x"), {}), StatusIs(absl::StatusCode::kNotFound));

  registry_.Forget();
  {
    std::vector<std::jthread> many;
    for (int i = 0; i < 5; ++i) {
      many.emplace_back([&] { EXPECT_OK(pull.Fetch("n", layer, {})); });
    }
  }
  EXPECT_EQ(registry_.Count("GET blob"), 1);
  ASSERT_OK(repositories_->OpenBlob("n", layer));

  // A registry that lost it.
  AddRemote("reg.example/gone", "v1", {MakeTar({{"b", "B"}})});
  ASSERT_OK_AND_ASSIGN(const PulledImage gone, Resolve("reg.example/gone:v1"));
  registry_.repositories.erase("reg.example/gone");
  EXPECT_THAT(pull.Fetch("n", gone.image.layers[0].digest, {}),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(TransferTest, ABlobThatOnlyAPushMadeIsBroughtBack) {
  ASSERT_OK(images_->Commit("n", MakeImage({{"a", "A"}}), {"app:v1"}));
  ASSERT_OK(Push("app:v1", "reg.example/app:v1"));
  const Digest layer = ManifestAt("reg.example/app", "v1").layers[0].digest;
  EXPECT_THAT(repositories_->OpenBlob("n", layer), StatusIs(absl::StatusCode::kNotFound));
  BlobPull pull(images_.get(), puller_.get());
  ASSERT_OK(pull.Fetch("n", layer, {}));
  ASSERT_OK_AND_ASSIGN(const auto reader, repositories_->OpenBlob("n", layer));
  EXPECT_EQ(reader->size(), registry_.repositories["reg.example/app"].blobs[layer].size());
}

TEST_F(TransferTest, TheDaemonsOwnServerIsNotAskedForWhatItLacks) {
  AddRemote("localhost:5000/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK_AND_ASSIGN(const PulledImage pulled, Resolve("localhost:5000/app:v1"));
  BlobPull pull(images_.get(), puller_.get());
  pull.ServesOn({"127.0.0.1:5000"});
  registry_.Forget();
  EXPECT_THAT(pull.Fetch("n", pulled.image.layers[0].digest, {}),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(registry_.Count("GET blob"), 0);
  pull.ServesOn({"127.0.0.1:5001"});
  EXPECT_OK(pull.Fetch("n", pulled.image.layers[0].digest, {}));
}

TEST_F(TransferTest, WhatCompressingMadeIsForgotten) {
  const auto rows = [&] { return Count("compressed_layers"); };
  ASSERT_OK(images_->Commit("n", MakeImage({{"a", "A"}}), {"app:v1"}));
  ASSERT_OK(Push("app:v1", "reg.example/app:v1"));
  ASSERT_OK(repositories_->DropStaleRows());
  EXPECT_EQ(rows(), 1);
  const auto change = [&](const char* sql) {
    ASSERT_OK(
        database_->Write([&](Connection& connection) { return connection.Prepare(sql)->Run(); }));
  };
  // A push that asks for it keeps it.
  change("UPDATE compressed_layers SET used = 0");
  ASSERT_OK(Push("app:v1", "reg.example/app:v2"));
  ASSERT_OK(repositories_->DropStaleRows());
  EXPECT_EQ(rows(), 1);
  change("UPDATE compressed_layers SET used = 0");
  ASSERT_OK(repositories_->DropStaleRows());
  EXPECT_EQ(rows(), 0);
  // So is that of a layer which is gone.
  ASSERT_OK(Push("app:v1", "second.example/app:v1"));
  change("UPDATE compressed_layers SET diff_id = zeroblob(32), digest = zeroblob(32)");
  ASSERT_OK(repositories_->DropStaleRows());
  EXPECT_EQ(rows(), 0);
}

TEST_F(TransferTest, APushByDigestHasNoTag) {
  ASSERT_OK(images_->Commit("n", MakeImage({{"a", "A"}}), {"app:v1"}));
  ASSERT_OK_AND_ASSIGN(
      const PushResult pushed,
      pusher_->Push({"n", "app:v1", {"localhost:5000/app"}, {}, true, {}}, {}, {}));
  EXPECT_THAT(pushed.references,
              ElementsAre(fmt::format("localhost:5000/app@{}", pushed.manifest.ToString())));
  EXPECT_THAT(registry_.repositories["localhost:5000/app"].manifests, SizeIs(1));
}

TEST_F(TransferTest, AnIndexIsMadeAndPushedWithAllThatIsInIt) {
  NewImage arm = MakeImage({{"b", "B"}});
  arm.platform = LinuxOn("arm64");
  ASSERT_OK(images_->Commit("n", MakeImage({{"a", "A"}}), {"app:amd64"}));
  ASSERT_OK(images_->Commit("n", arm, {"app:arm64"}));
  IndexRequest request{"n", "app:all", {{"app:amd64", {}, {}}}, false, {{"k", "v"}}};
  ASSERT_OK(MakeIndex(images_.get(), repositories_.get(), request));
  request.parts = {{"app:arm64", {}, {}}};
  request.append = true;
  ASSERT_OK(MakeIndex(images_.get(), repositories_.get(), request));
  request.parts = {{"app:arm64", {}, {}}, {"app:arm64", {}, {}}};
  EXPECT_THAT(MakeIndex(images_.get(), repositories_.get(), request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("linux/arm64")));
  ASSERT_OK_AND_ASSIGN(const StoredImage found, images_->Get("n", "app:all", LinuxOn("arm64")));
  EXPECT_EQ(found.platform.architecture(), "arm64");

  ASSERT_OK_AND_ASSIGN(const PushResult pushed, Push("app:all", "reg.example/app:all"));
  EXPECT_TRUE(pushed.config.IsNone());
  const std::string& index = registry_.repositories["reg.example/app"].manifests["all"].bytes;
  ASSERT_OK_AND_ASSIGN(const AnyManifest document, ParseAnyManifest(kIndexMediaType, index));
  ASSERT_EQ(document.manifests.size(), 2);
  EXPECT_THAT(document.annotations, ElementsAre(std::pair("k", "v")));
  for (const Descriptor& part : document.manifests) {
    EXPECT_EQ(ManifestAt("reg.example/app", part.digest.ToString()).layers[0].media_type,
              kTarGzipMediaType);
  }
}

TEST_F(TransferTest, AnIndexThatIsRewrittenKeepsWhatElseItSays) {
  ASSERT_OK_AND_ASSIGN(const StoredImage built,
                       images_->Commit("n", MakeImage({{"a", "A"}}), {"app:amd64"}));
  const std::string text = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"{}","artifactType":"a/b","manifests":[{{"mediaType":"{}",)"
      R"("digest":"{}","size":{},"data":"eA==","artifactType":"c/d","platform":{{"architecture":)"
      R"("amd64","os":"linux","os.features":["f"]}}}}],"subject":{{"mediaType":"{}","digest":"{}",)"
      R"("size":3}},"new":1}})",
      kIndexMediaType, kManifestMediaType, built.manifest.ToString(), built.manifest_json.size(),
      kManifestMediaType, Digest::Of("s").ToString());
  const std::string name = "docker.io/library/app";
  ASSERT_OK(repositories_->PutManifest(
      "n", {name, "all", std::string(kIndexMediaType), text, /*sparse=*/true, {}}));
  ASSERT_OK(Push("app:all", "reg.example/app:all"));
  const std::string sent = registry_.repositories["reg.example/app"].manifests["all"].bytes;
  ASSERT_OK_AND_ASSIGN(const AnyManifest document, ParseAnyManifest(kIndexMediaType, sent));
  EXPECT_NE(document.manifests[0].digest, built.manifest);
  EXPECT_EQ(document.subject, Digest::Of("s"));
  EXPECT_EQ(document.artifact_type, "a/b");
  EXPECT_THAT(sent, AllOf(HasSubstr(R"("artifactType":"c/d")"), HasSubstr(R"("os.features":["f"])"),
                          HasSubstr(R"("new":1)"), ::testing::Not(HasSubstr("data"))));

  // So does what is made of it, and what is added to.
  ASSERT_OK(
      MakeIndex(images_.get(), repositories_.get(), {"n", "app:made", {{"app:all", {}, {}}}}));
  ASSERT_OK_AND_ASSIGN(const RepositoryManifest made, images_->GetManifest("n", "app:made"));
  EXPECT_THAT(made.bytes, AllOf(HasSubstr(R"("artifactType":"c/d")"), HasSubstr("eA=="),
                                HasSubstr(R"("os.features":["f"])")));
  NewImage arm = MakeImage({{"b", "B"}});
  arm.platform = LinuxOn("arm64");
  ASSERT_OK(images_->Commit("n", arm, {"app:arm64"}));
  ASSERT_OK(MakeIndex(images_.get(), repositories_.get(),
                      {"n", "app:all", {{"app:arm64", {}, {}}}, /*append=*/true}));
  ASSERT_OK_AND_ASSIGN(const RepositoryManifest added, images_->GetManifest("n", "app:all"));
  EXPECT_THAT(added.bytes, AllOf(HasSubstr("eA=="), HasSubstr("subject"), HasSubstr("arm64"),
                                 HasSubstr(R"("artifactType":"a/b")"), HasSubstr(R"("new":1)")));
}

TEST_F(TransferTest, AnIndexOfWhichAPartIsMissingSaysSo) {
  AddRemoteIndex("docker.io/library/app", "v1", {"amd64", "arm64"});
  ASSERT_OK(Resolve("app:v1", PullPolicy::kMissing, "", LinuxOn("amd64")));
  EXPECT_THAT(Push("app:v1", "reg.example/app:v1"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("--all-platforms")));
}

TEST_F(TransferTest, ACopyKeepsNothing) {
  const Digest index = AddRemoteIndex("docker.io/library/app", "v1", {"amd64", "arm64"});
  ASSERT_OK_AND_ASSIGN(const PushResult copied,
                       pusher_->Copy({"app:v1", "reg.example/copy:v2", {}}, {}, {}));
  EXPECT_EQ(copied.manifest, index);
  const MemoryRegistry::Repository& copy = registry_.repositories["reg.example/copy"];
  EXPECT_EQ(copy.blobs.size(), 4);
  EXPECT_EQ(copy.manifests.size(), 4);
  EXPECT_EQ(Count("images"), 0);

  // Within a registry nothing is fetched where it can mount, and all of it where it cannot.
  registry_.Forget();
  ASSERT_OK(pusher_->Copy({"reg.example/copy:v2", "reg.example/second:v2", {}}, {}, {}));
  EXPECT_EQ(registry_.Count("GET blob"), 0);
  registry_.can_mount = false;
  ASSERT_OK(pusher_->Copy({"reg.example/copy:v2", "reg.example/third:v2", {}}, {}, {}));
  EXPECT_EQ(registry_.Count("GET blob"), 4);
}

TEST_F(TransferTest, AForeignLayerIsNotSent) {
  OciLayout layout;
  NewImage image;
  image.platform = LinuxOn("amd64");
  image.layers.push_back({{},
                          Digest::Of("tar"),
                          Digest::Of("tar"),
                          3,
                          "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"});
  const Digest manifest = layout.AddImage(image);
  MemoryRegistry::Repository& repository = registry_.repositories["docker.io/library/windows"];
  for (const auto& [hex, bytes] : layout.blobs) {
    repository.blobs[Digest::Of(bytes)] = bytes;
  }
  repository.manifests["v1"] = {manifest, std::string(kManifestMediaType),
                                layout.blobs.at(manifest.Hex())};
  ASSERT_OK(Resolve("windows:v1"));
  ASSERT_OK_AND_ASSIGN(const PushResult pushed, Push("windows:v1", "reg.example/windows:v1"));
  EXPECT_EQ(pushed.manifest, manifest);
  EXPECT_EQ(registry_.repositories["reg.example/windows"].blobs.size(), 1);
}

}  // namespace
}  // namespace zlayer
