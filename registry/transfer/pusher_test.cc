#include "registry/transfer/pusher.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "registry/image/image_json.h"
#include "registry/transfer/make_index.h"
#include "registry/transfer/testing/transfer_fixture.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using PusherTest = TransferFixture;

TEST_F(PusherTest, APushCompressesOnceAndRemembers) {
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

TEST_F(PusherTest, WhatCompressingMadeIsTakenFromAnotherRepository) {
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

TEST_F(PusherTest, WhereANamespaceHasItsBlobsIsNotToldToOthers) {
  const NewImage image = MakeImage({{"a", std::string(100'000, 'a')}});
  ASSERT_OK(images_->Commit("n", image, {"app:v1"}));
  ASSERT_OK(images_->Commit("m", image, {"app:v1"}));
  ASSERT_OK(Push("app:v1", "reg.example/secret/app:v1"));
  registry_.Forget();
  ASSERT_OK(pusher_->Push({"m", "app:v1", {"reg.example/app:v1"}, {}, false, {}}, {}, {}));
  EXPECT_EQ(registry_.Count("MOUNT blob"), 0);
  EXPECT_EQ(registry_.Count("PUT blob"), 2);
}

TEST_F(PusherTest, NothingIsSentForALevelThatThereIsNot) {
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

TEST_F(PusherTest, ToLoopbackAPushIsVerbatim) {
  ASSERT_OK_AND_ASSIGN(const StoredImage image,
                       images_->Commit("n", MakeImage({{"a", "A"}}), {"app:v1"}));
  ASSERT_OK_AND_ASSIGN(const PushResult pushed, Push("app:v1", "localhost:5000/app:v1"));
  EXPECT_EQ(pushed.manifest, image.manifest);
  ASSERT_OK_AND_ASSIGN(const PushResult zstd,
                       Push("app:v1", "localhost:5000/app:zstd", {Compression::kZstd, 3, false}));
  EXPECT_EQ(ManifestAt("localhost:5000/app", "zstd").layers[0].media_type, kTarZstdMediaType);
}

TEST_F(PusherTest, WhatWasPulledIsPushedVerbatimUnlessForced) {
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

TEST_F(PusherTest, ADockerImageStaysOne) {
  NewImage image = MakeImage({{"a", "A"}});
  image.format = ImageFormat::kDocker;
  ASSERT_OK(images_->Commit("n", image, {"app:v1"}));
  ASSERT_OK(Push("app:v1", "reg.example/app:gzip", {Compression::kGzip, {}, true}).status());
  const ManifestDocument sent = ManifestAt("reg.example/app", "gzip");
  EXPECT_EQ(sent.media_type, kDockerManifestMediaType);
  EXPECT_EQ(sent.config.media_type, kDockerConfigMediaType);
  EXPECT_EQ(sent.layers[0].media_type, "application/vnd.docker.image.rootfs.diff.tar.gzip");
}

TEST_F(PusherTest, ADockerImageInZstdGoesAsOci) {
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

TEST_F(PusherTest, BlobsAreTakenFromOtherRepositoriesOfTheRegistry) {
  AddRemote("reg.example/base", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(Resolve("reg.example/base:v1"));
  registry_.Forget();
  ASSERT_OK_AND_ASSIGN(const PushResult pushed, Push("reg.example/base:v1", "reg.example/app:v1"));
  EXPECT_EQ(registry_.repositories["reg.example/app"].blobs.size(), 2);
  // Not by way of here.
  EXPECT_EQ(registry_.Count("GET blob"), 0);
  EXPECT_EQ(registry_.Count("PUT blob"), 0);
}

TEST_F(PusherTest, APushSaysHowABlobCameThere) {
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

TEST_F(PusherTest, WhatCompressingMadeIsForgotten) {
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

TEST_F(PusherTest, APushByDigestHasNoTag) {
  ASSERT_OK(images_->Commit("n", MakeImage({{"a", "A"}}), {"app:v1"}));
  ASSERT_OK_AND_ASSIGN(
      const PushResult pushed,
      pusher_->Push({"n", "app:v1", {"localhost:5000/app"}, {}, true, {}}, {}, {}));
  EXPECT_THAT(pushed.references,
              ElementsAre(fmt::format("localhost:5000/app@{}", pushed.manifest.ToString())));
  EXPECT_THAT(registry_.repositories["localhost:5000/app"].manifests, SizeIs(1));
}

TEST_F(PusherTest, AnIndexIsMadeAndPushedWithAllThatIsInIt) {
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

TEST_F(PusherTest, AnIndexThatIsRewrittenKeepsWhatElseItSays) {
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

TEST_F(PusherTest, AnIndexOfWhichAPartIsMissingSaysSo) {
  AddRemoteIndex("docker.io/library/app", "v1", {"amd64", "arm64"});
  ASSERT_OK(Resolve("app:v1", PullPolicy::kMissing, "", LinuxOn("amd64")));
  EXPECT_THAT(Push("app:v1", "reg.example/app:v1"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("--all-platforms")));
}

TEST_F(PusherTest, ACopyKeepsNothing) {
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

// Holds each that comes until all are there: one after the other they would wait in vain.
class Gathering {
 public:
  explicit Gathering(int all) : all_(all) {}

  void Join() {
    MutexLock lock(&mutex_);
    ++come_;
    changed_.NotifyAll();
    const auto complete = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return come_ >= all_; };
    in_vain_ = !changed_.WaitFor(&mutex_, std::chrono::seconds(10), {}, complete) || in_vain_;
  }
  bool Complete() {
    MutexLock lock(&mutex_);
    return come_ >= all_ && !in_vain_;
  }

 private:
  const int all_;
  Mutex mutex_;
  CondVar changed_;
  int come_ ABSL_GUARDED_BY(mutex_) = 0;
  bool in_vain_ ABSL_GUARDED_BY(mutex_) = false;
};

TEST_F(PusherTest, TheManifestsOfAnIndexAreUnderWayAtOnceAndShareTheirBlobs) {
  AddRemoteIndex("docker.io/library/app", "v1", {"amd64", "arm64"}, {MakeTar({{"shared", "s"}})});
  Gathering blobs(5);
  registry_.before_put = [&] { blobs.Join(); };
  ASSERT_OK(pusher_->Copy({"app:v1", "reg.example/copy:v2", {}}, {}, {}));
  EXPECT_TRUE(blobs.Complete());
  EXPECT_EQ(registry_.Count("PUT blob"), 5);
  EXPECT_EQ(registry_.Count("GET blob"), 5);
}

TEST_F(PusherTest, SeveralRegistriesAreSentToAtOnce) {
  AddRemote("base.example/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(Resolve("base.example/app:v1"));
  Gathering first(2);
  registry_.before_put = [&] { first.Join(); };
  Mutex mutex;
  std::set<std::string> items;
  const ProgressSink progress = [&](const TransferUpdate& update) {
    MutexLock lock(&mutex);
    items.insert(update.item.substr(update.item.find_last_of(' ') + 1));
  };
  const PushRequest push{
      "n", "base.example/app:v1", {"b.example/x:1", "a.example/x:1", "b.example/y:1"}, {}, false,
      {}};
  ASSERT_OK_AND_ASSIGN(const PushResult pushed, pusher_->Push(push, progress, {}));
  EXPECT_TRUE(first.Complete());
  EXPECT_THAT(pushed.references, ElementsAre("b.example/x:1", "a.example/x:1", "b.example/y:1"));
  EXPECT_THAT(items, ElementsAre("a.example", "b.example"));
  // The second repository of a registry takes the blobs of the first one.
  EXPECT_EQ(registry_.Count("PUT blob"), 4);
  EXPECT_EQ(registry_.repositories["b.example/y"].blobs.size(), 2);
}

TEST_F(PusherTest, ARegistryThatRefusesIsNamed) {
  AddRemote("base.example/app", "v1", {MakeTar({{"a", "A"}})});
  ASSERT_OK(Resolve("base.example/app:v1"));
  registry_.passwords["b.example/x"] = "secret";
  const PushRequest push{"n", "base.example/app:v1", {"a.example/x:1", "b.example/x:1"}, {}, false,
                         {}};
  const absl::Status status = pusher_->Push(push, {}, {}).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("pushing b.example/x:1"));
}

TEST_F(PusherTest, ALayerOfSeveralManifestsOfAnIndexIsCompressedAndSentOnce) {
  const NewImage one = MakeImage({{"a", "A"}});
  NewImage other = one;
  other.platform = LinuxOn("arm64");
  ASSERT_OK(images_->Commit("n", one, {"app:amd64"}));
  ASSERT_OK(images_->Commit("n", other, {"app:arm64"}));
  ASSERT_OK(MakeIndex(images_.get(), repositories_.get(),
                      {"n", "app:all", {{"app:amd64", {}, {}}, {"app:arm64", {}, {}}}}));
  registry_.before_put = [] { std::this_thread::sleep_for(std::chrono::milliseconds(50)); };
  ASSERT_OK(Push("app:all", "reg.example/app:all"));
  EXPECT_EQ(registry_.Count("PUT blob"), 3);  // two configurations
}

TEST_F(PusherTest, AForeignLayerIsNotSent) {
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
