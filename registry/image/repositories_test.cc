#include "registry/image/repositories.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/status_macros.h"
#include "registry/image/image_json.h"
#include "registry/image/testing/archives.h"
#include "registry/image/testing/image_store_fixture.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr char kRepository[] = "docker.io/library/app";
constexpr char kEmptyJson[] = "{}";

class RepositoriesTest : public ImageStoreFixture {
 protected:
  // The blobs of an image that some registry has.
  struct Remote {
    OciLayout layout;
    std::string manifest;
    std::vector<std::string> tars;
  };

  static Remote MakeRemote(const std::vector<std::string>& tars,
                           const std::string& architecture = "") {
    Remote remote;
    remote.tars = tars;
    const Digest manifest = remote.layout.AddImage(tars, /*compressed=*/true, architecture);
    remote.manifest = remote.layout.blobs.at(manifest.Hex());
    return remote;
  }

  absl::Status Send(const std::string& bytes, const Digest& expected,
                    const std::string& name_space = "n") {
    ASSIGN_OR_RETURN(std::unique_ptr<BlobUpload> upload, repositories_->NewBlob(name_space));
    RETURN_IF_ERROR(upload->Append(bytes));
    return upload->Commit(expected);
  }

  // All blobs of the image but its manifest.
  void SendBlobs(const Remote& remote) {
    for (const auto& [hex, bytes] : remote.layout.blobs) {
      if (bytes != remote.manifest) {
        ASSERT_OK(Send(bytes, Digest::Of(bytes)));
      }
    }
  }

  // As a pull does: configuration and manifest, no layer.
  absl::StatusOr<Digest> Pull(const Remote& remote, const std::string& tag,
                              const std::string& name_space = "n") {
    ASSIGN_OR_RETURN(const ManifestDocument document, ParseManifest(remote.manifest));
    const std::string& config = remote.layout.blobs.at(document.config.digest.Hex());
    RETURN_IF_ERROR(Send(config, document.config.digest, name_space));
    return repositories_->PutManifest(
        name_space, {kRepository, tag, std::string(kManifestMediaType), remote.manifest, true});
  }

  absl::StatusOr<Digest> Put(const std::string& manifest, const std::string& tag,
                             std::string_view media_type = kManifestMediaType) {
    return repositories_->PutManifest("n", {kRepository, tag, std::string(media_type), manifest});
  }

  BlobFetcher Fetcher(const Remote& remote) {
    return [this, &remote](const StoredImage&, const ImageLayer& layer,
                           const std::function<absl::Status(std::string_view)>& sink,
                           std::stop_token) {
      MutexLock lock(&mutex_);
      fetched_.insert(layer.digest);
      return sink(remote.layout.blobs.at(layer.digest.Hex()));
    };
  }

  absl::StatusOr<std::string> ReadBlob(const Digest& digest, uint64_t offset = 0,
                                       uint64_t length = UINT64_MAX) {
    ASSIGN_OR_RETURN(std::unique_ptr<BlobReader> reader, repositories_->OpenBlob("n", digest));
    std::string bytes;
    RETURN_IF_ERROR(reader->Read(offset, std::min(length, reader->size() - offset),
                                 [&](std::string_view piece) {
                                   bytes += piece;
                                   return absl::OkStatus();
                                 },
                                 {}));
    return bytes;
  }

  static std::string IndexOf(std::string_view media_type, const std::string& child) {
    const Descriptor only{std::string(media_type), Digest::Of(child), child.size(), {}, {}};
    return WriteIndex({only}, {});
  }

  std::string Artifact(const Digest& blob, const std::string& more = "") {
    return fmt::format(
        R"({{"schemaVersion":2,"mediaType":"{}","artifactType":"text/note","config":{{"mediaType":)"
        R"("application/vnd.oci.empty.v1+json","digest":"{}","size":2}},"layers":[{{"mediaType":)"
        R"("text/plain","digest":"{}","size":1}}]{}}})",
        kManifestMediaType, Digest::Of(kEmptyJson).ToString(), blob.ToString(), more);
  }

  Mutex mutex_;
  std::set<Digest> fetched_;
};

TEST_F(RepositoriesTest, WhatIsPutComesBackByTagAndByDigest) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}})});
  SendBlobs(remote);
  ASSERT_OK_AND_ASSIGN(const Digest digest, Put(remote.manifest, "v1"));
  for (const std::string& reference : {std::string("v1"), digest.ToString()}) {
    ASSERT_OK_AND_ASSIGN(const RepositoryManifest found,
                         repositories_->GetManifest("n", kRepository, reference));
    EXPECT_EQ(found.digest, digest);
    EXPECT_EQ(found.bytes, remote.manifest);
    EXPECT_EQ(found.media_type, kManifestMediaType);
  }
  EXPECT_THAT(repositories_->GetManifest("other", kRepository, "v1"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(repositories_->GetManifest("n", "docker.io/library/other", digest.ToString()),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(repositories_->GetManifest("n", kRepository, "sha256:short"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Names(), ElementsAre("docker.io/library/app:v1"));
}

TEST_F(RepositoriesTest, APutImageCanBeBuiltOn) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}}), MakeTar({{"b", "B"}})});
  SendBlobs(remote);
  ASSERT_OK(Put(remote.manifest, "v1"));
  ASSERT_OK_AND_ASSIGN(StoredImage image, images_->Get("n", "app:v1"));
  EXPECT_TRUE(image.layers[0].layer.IsNone());
  ASSERT_OK_AND_ASSIGN(image, images_->EnsureLayers(image, Fetcher(remote), {}));
  EXPECT_THAT(fetched_, IsEmpty());
  EXPECT_EQ(ReadContentOf(image.layers[1].layer, "b"), "B");
  ASSERT_OK_AND_ASSIGN(image, images_->Get("n", "app:v1"));
  EXPECT_FALSE(image.layers[0].layer.IsNone());
}

TEST_F(RepositoriesTest, AManifestThatNamesWhatIsMissingIsRefused) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}})});
  EXPECT_THAT(Put(remote.manifest, "v1"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("sha256:")));
  // What another tenant sent is not there.
  for (const auto& [hex, bytes] : remote.layout.blobs) {
    ASSERT_OK(Send(bytes, Digest::Of(bytes), "other"));
  }
  EXPECT_THAT(Put(remote.manifest, "v1"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Put("{}", "v1"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Put(remote.manifest, "v1", kIndexMediaType),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(RepositoriesTest, AWrongBlobLeavesNothing) {
  EXPECT_THAT(Send("bytes", Digest::Of("others")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(Digest::Of("others").Hex())));
  EXPECT_FALSE(blobs_->Has(Digest::Of("bytes")));
  EXPECT_THAT(repositories_->OpenBlob("n", Digest::Of("bytes")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RepositoriesTest, APulledImageFetchesLayersOnceItNeedsThem) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}}), MakeTar({{"b", "B"}})});
  ASSERT_OK(Pull(remote, "v1"));
  ASSERT_OK_AND_ASSIGN(StoredImage image, images_->Get("n", "app:v1"));
  EXPECT_EQ(image.source, kRepository);
  EXPECT_THAT(image.config.env(), ElementsAre("A=b"));
  EXPECT_FALSE(blobs_->Has(image.layers[0].digest));

  ASSERT_OK(images_->EnsureBlobs(image, Fetcher(remote), {}));
  EXPECT_EQ(fetched_.size(), 2);
  fetched_.clear();
  ASSERT_OK_AND_ASSIGN(image, images_->EnsureLayers(image, Fetcher(remote), {}));
  EXPECT_THAT(fetched_, IsEmpty());
  EXPECT_EQ(ReadContentOf(image.layers[0].layer, "a"), "A");

  // Another image on the same layers fetches its own alone.
  const Remote above = MakeRemote({remote.tars[0], remote.tars[1], MakeTar({{"c", "C"}})});
  ASSERT_OK(Pull(above, "v2"));
  ASSERT_OK_AND_ASSIGN(StoredImage second, images_->Get("n", "app:v2"));
  ASSERT_OK_AND_ASSIGN(second, images_->EnsureLayers(second, Fetcher(above), {}));
  EXPECT_THAT(fetched_, ElementsAre(second.layers[2].digest));
  EXPECT_EQ(second.layers[0].layer, image.layers[0].layer);
}

TEST_F(RepositoriesTest, LayersAreReadWhileOthersAreOnTheirWay) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}}), MakeTar({{"b", "B"}})});
  ASSERT_OK(Pull(remote, "v1"));
  ASSERT_OK_AND_ASSIGN(StoredImage image, images_->Get("n", "app:v1"));
  const auto first_is_read = [this] {
    for (const auto& scratch : std::filesystem::directory_iterator(root() + "/tmp")) {
      if (std::filesystem::exists(scratch.path() / "0")) {
        return true;
      }
    }
    return false;
  };
  const BlobFetcher fetch = Fetcher(remote);
  const BlobFetcher second_last = [&](const StoredImage& of, const ImageLayer& layer,
                                      const BlobReceiver& receiver,
                                      std::stop_token stop) -> absl::Status {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (layer.digest == image.layers[1].digest && !first_is_read()) {
      if (std::chrono::steady_clock::now() > deadline) {
        return absl::DeadlineExceededError("the first layer was not read");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return fetch(of, layer, receiver, std::move(stop));
  };
  ASSERT_OK_AND_ASSIGN(image, images_->EnsureLayers(image, second_last, {}));
  EXPECT_EQ(ReadContentOf(image.layers[1].layer, "b"), "B");
}

TEST_F(RepositoriesTest, AnErrorOfTheRegistryIsReturnedAsItIs) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}}), MakeTar({{"b", "B"}})});
  ASSERT_OK(Pull(remote, "v1"));
  ASSERT_OK_AND_ASSIGN(const StoredImage image, images_->Get("n", "app:v1"));
  const BlobFetcher gone = [](const StoredImage&, const ImageLayer&, const auto&, std::stop_token) {
    return absl::NotFoundError("it is gone");
  };
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(images_->EnsureLayers(image, gone, {}).status(), absl::NotFoundError("it is gone"));
  }
}

// Whoever knows a digest could otherwise have a registry of its own name it.
TEST_F(RepositoriesTest, AnotherTenantsLayerIsFetchedBeforeItIsUsed) {
  const Remote secret = MakeRemote({MakeTar({{"secret", "s"}})});
  ASSERT_OK(Pull(secret, "v1"));
  ASSERT_OK_AND_ASSIGN(StoredImage owned, images_->Get("n", "app:v1"));
  ASSERT_OK_AND_ASSIGN(owned, images_->EnsureLayers(owned, Fetcher(secret), {}));
  const Digest layer = owned.layers[0].digest;

  ASSERT_OK(Pull(secret, "v1", "thief"));
  ASSERT_OK_AND_ASSIGN(const StoredImage image, images_->Get("thief", "app:v1"));
  const BlobFetcher nothing = [](const StoredImage&, const ImageLayer&, const auto&,
                                 std::stop_token) { return absl::NotFoundError("it lacks it"); };
  const BlobFetcher wrong = [](const StoredImage&, const ImageLayer&, const auto& sink,
                               std::stop_token) { return sink("wrong"); };
  EXPECT_THAT(images_->EnsureLayers(image, nothing, {}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(images_->EnsureBlobs(image, nothing, {}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(images_->EnsureLayers(image, wrong, {}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(repositories_->OpenBlob("thief", layer), StatusIs(absl::StatusCode::kNotFound));
  // Neither does another manifest that names it help, nor a look at the first one again.
  EXPECT_THAT(repositories_->PutManifest(
                  "thief", {kRepository, "v2", std::string(kManifestMediaType), secret.manifest}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_OK(Pull(secret, "v1", "thief"));
  ASSERT_OK(repositories_->DropStaleRows());
  EXPECT_THAT(images_->EnsureLayers(image, nothing, {}), StatusIs(absl::StatusCode::kNotFound));

  // Its owner goes on using it.
  ASSERT_OK(images_->EnsureLayers(owned, nothing, {}));
  ASSERT_OK(repositories_->OpenBlob("n", layer));

  // Who gets it from the registry has it from then on.
  fetched_.clear();
  ASSERT_OK(images_->EnsureLayers(image, Fetcher(secret), {}));
  EXPECT_THAT(fetched_, ElementsAre(layer));
  ASSERT_OK(images_->EnsureLayers(image, nothing, {}));
  ASSERT_OK(repositories_->OpenBlob("thief", layer));
}

TEST_F(RepositoriesTest, WhoSendsABlobHasIt) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}})});
  ASSERT_OK(Pull(remote, "v1"));
  ASSERT_OK_AND_ASSIGN(const StoredImage image, images_->Get("n", "app:v1"));
  SendBlobs(remote);
  ASSERT_OK(repositories_->OpenBlob("n", image.layers[0].digest));
  ASSERT_OK(images_->EnsureLayers(image, nullptr, {}));
}

TEST_F(RepositoriesTest, WhatARegistrySendsWrongIsNotKept) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}})});
  ASSERT_OK(Pull(remote, "v1"));
  ASSERT_OK_AND_ASSIGN(const StoredImage image, images_->Get("n", "app:v1"));
  for (const std::string& bytes : {std::string("wrong"), std::string(1 << 20, 'x')}) {
    const BlobFetcher wrong = [&](const StoredImage&, const ImageLayer&,
                                  const std::function<absl::Status(std::string_view)>& sink,
                                  std::stop_token) { return sink(bytes); };
    EXPECT_THAT(images_->EnsureLayers(image, wrong, {}), StatusIs(absl::StatusCode::kDataLoss));
  }
  EXPECT_FALSE(blobs_->Has(image.layers[0].digest));
}

TEST_F(RepositoriesTest, ALayerThatIsNotWhatTheConfigurationSaysIsRefused) {
  OciLayout layout;
  NewImage image;
  image.platform.set_os("linux");
  image.platform.set_architecture("amd64");
  const std::string tar = MakeTar({{"a", "A"}});
  image.layers.push_back(
      {{}, Digest::Of("another"), layout.AddBlob(tar), tar.size(), std::string(kTarMediaType)});
  const Digest manifest = layout.AddImage(image);
  const Remote whole{layout, layout.blobs.at(manifest.Hex()), {}};
  ASSERT_OK(Pull(whole, "v1"));
  ASSERT_OK_AND_ASSIGN(const StoredImage stored, images_->Get("n", "app:v1"));
  EXPECT_THAT(images_->EnsureLayers(stored, Fetcher(whole), {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("layer 1 of 1")));
}

TEST_F(RepositoriesTest, AnIndexMeansTheImageForThePlatform) {
  const Remote amd = MakeRemote({MakeTar({{"a", "A"}})}, "amd64");
  const Remote arm = MakeRemote({MakeTar({{"b", "B"}})}, "arm64");
  ASSERT_OK_AND_ASSIGN(const Digest first, Pull(amd, ""));
  Descriptor one{std::string(kManifestMediaType), first, amd.manifest.size(), {}, {}};
  one.platform.set_os("linux");
  one.platform.set_architecture("amd64");
  Descriptor two = one;
  two.digest = Digest::Of(arm.manifest);
  two.platform.set_architecture("arm64");
  const std::string index = WriteIndex({one, two}, {});
  ASSERT_OK_AND_ASSIGN(const Digest digest,
                       repositories_->PutManifest(
                           "n", {kRepository, "v1", std::string(kIndexMediaType), index, true}));
  ASSERT_OK_AND_ASSIGN(const StoredImage found, images_->Get("n", "app:v1", one.platform));
  EXPECT_EQ(found.manifest, first);
  EXPECT_THAT(found.references, ElementsAre("docker.io/library/app:v1"));
  EXPECT_THAT(images_->Get("n", "app:v1", two.platform),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("linux/arm64")));
  v1::Platform third = one.platform;
  third.set_architecture("s390x");
  EXPECT_THAT(
      images_->Get("n", "app:v1", third),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("only for linux/amd64, linux/arm64")));
  // What is in the index is not listed beside it, and goes with it.
  EXPECT_THAT(Names(), ElementsAre("docker.io/library/app:v1"));
  ASSERT_OK_AND_ASSIGN(const TagRemoval removal, Remove("app:v1"));
  EXPECT_EQ(removal.removed, digest);
  EXPECT_EQ(Count("images"), 0);
}

TEST_F(RepositoriesTest, IndexesInIndexesAreFollowedSomeLevels) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}})});
  ASSERT_OK_AND_ASSIGN(const Digest image, Pull(remote, ""));
  Descriptor inner{std::string(kManifestMediaType), image, remote.manifest.size(), {}, {}};
  for (int depth = 0; depth <= kMaxIndexDepth + 1; ++depth) {
    const std::string index = WriteIndex({inner}, {});
    const std::string tag = fmt::format("depth{}", depth);
    ASSERT_OK(repositories_->PutManifest(
        "n", {kRepository, tag, std::string(kIndexMediaType), index, true, {}}));
    inner = {std::string(kIndexMediaType), Digest::Of(index), index.size(), {}, {}};
    const absl::StatusOr<StoredImage> found = images_->Get("n", "app:" + tag);
    if (depth <= kMaxIndexDepth) {
      ASSERT_OK(found);
      EXPECT_EQ(found->manifest, image);
    } else {
      EXPECT_THAT(found, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nested")));
    }
  }
}

TEST_F(RepositoriesTest, AnIndexIsPutOnceItsManifestsAreThere) {
  const Remote amd = MakeRemote({MakeTar({{"a", "A"}})});
  Descriptor entry{
      std::string(kManifestMediaType), Digest::Of(amd.manifest), amd.manifest.size(), {}, {}};
  const std::string index = WriteIndex({entry}, {{"a", "b"}});
  EXPECT_THAT(Put(index, "v1", kIndexMediaType),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(entry.digest.Hex())));
  SendBlobs(amd);
  ASSERT_OK(Put(amd.manifest, ""));
  ASSERT_OK(Put(index, "v1", kIndexMediaType));
  EXPECT_OK(repositories_->GetManifest("n", kRepository, entry.digest.ToString()));
  // The collector leaves what an index needs.
  EXPECT_THAT(images_->RemoveNameless(INT64_MAX, UINT64_MAX), IsOkAndHolds(0));
}

TEST_F(RepositoriesTest, TheManifestsOfAnIndexAreWhereItIs) {
  const Remote amd = MakeRemote({MakeTar({{"a", "A"}})});
  SendBlobs(amd);
  const std::string inner = IndexOf(kManifestMediaType, amd.manifest);
  const std::string outer = IndexOf(kIndexMediaType, inner);
  ASSERT_OK(Put(amd.manifest, ""));
  ASSERT_OK(Put(inner, "", kIndexMediaType));
  ASSERT_OK(Put(outer, "", kIndexMediaType));
  const auto get = [&](const std::string& name_space, const std::string& repository,
                       const std::string& bytes) {
    return repositories_->GetManifest(name_space, repository, Digest::Of(bytes).ToString())
        .status();
  };
  EXPECT_THAT(get("n", "docker.io/library/other", amd.manifest),
              StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(images_->Tag("n", Digest::Of(outer).ToString(), "other:v1"));
  EXPECT_OK(get("n", "docker.io/library/other", inner));
  EXPECT_OK(get("n", "docker.io/library/other", amd.manifest));
  // They go with it alone.
  EXPECT_THAT(repositories_->DeleteManifest("n", "docker.io/library/other",
                                            Digest::Of(amd.manifest).ToString()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("part of an index")));
  // Who names another's manifest does not have it.
  ASSERT_OK(repositories_->PutManifest(
      "thief",
      {"docker.io/library/mine", "v1", std::string(kIndexMediaType), outer, /*sparse=*/true}));
  EXPECT_THAT(get("thief", "docker.io/library/mine", amd.manifest),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RepositoriesTest, AManifestCannotGiveWhatIsHereAnotherSize) {
  ASSERT_OK_AND_ASSIGN(
      const StoredImage image,
      images_->Commit("n", MakeImage({{"a", std::string(2000, 'a')}}), {"app:v1"}));
  const ImageLayer& layer = image.layers[0];
  for (uint64_t size : {layer.size - 1, layer.size + 1}) {
    std::string evil = image.manifest_json;
    const std::string said = fmt::format("\"size\":{}", layer.size);
    const size_t at = evil.find(said);
    ASSERT_NE(at, std::string::npos);
    evil.replace(at, said.size(), fmt::format("\"size\":{}", size));
    for (bool sparse : {false, true}) {
      EXPECT_THAT(repositories_->PutManifest(
                      "n", {kRepository, "evil", std::string(kManifestMediaType), evil, sparse}),
                  StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(layer.digest.Hex())));
    }
    // Nor what another namespace has, for that one.
    ASSERT_OK(Send(image.config_json, image.config_digest, "other"));
    ASSERT_OK(repositories_->PutManifest(
        "other", {kRepository, "evil", std::string(kManifestMediaType), evil, /*sparse=*/true}));
    ASSERT_OK_AND_ASSIGN(const StoredImage pulled, images_->Get("other", "app:evil"));
    ASSERT_OK_AND_ASSIGN(const std::string tar, ReadBlob(layer.digest));
    const BlobFetcher fetcher = [&](const StoredImage&, const ImageLayer&,
                                    const std::function<absl::Status(std::string_view)>& sink,
                                    std::stop_token) { return sink(tar); };
    EXPECT_THAT(images_->EnsureLayers(pulled, fetcher, {}),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("its manifest says")));
    EXPECT_EQ(tar.size(), layer.size);
  }
}

TEST_F(RepositoriesTest, WhatIsManifestAndIndexAtOnceIsRefused) {
  for (const char* kind : {"config\":{}", "layers\":[]"}) {
    EXPECT_THAT(Put(fmt::format("{{\"schemaVersion\":2,\"manifests\":[],\"{}}}", kind), "v1", ""),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("stands beside")));
  }
}

TEST_F(RepositoriesTest, ArtifactsAndReferrers) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}})});
  SendBlobs(remote);
  ASSERT_OK_AND_ASSIGN(const Digest subject, Put(remote.manifest, "v1"));
  ASSERT_OK(Send(kEmptyJson, Digest::Of(kEmptyJson)));
  ASSERT_OK(Send("x", Digest::Of("x")));
  const std::string note = Artifact(
      Digest::Of("x"), fmt::format(R"(,"subject":{{"mediaType":"m","digest":"{}","size":1}},)"
                                   R"("annotations":{{"k":"v"}})",
                                   subject.ToString()));
  ASSERT_OK_AND_ASSIGN(const Digest digest, Put(note, ""));
  ASSERT_OK_AND_ASSIGN(const std::vector<Referrer> referrers,
                       repositories_->ListReferrers("n", kRepository, subject));
  ASSERT_EQ(referrers.size(), 1);
  EXPECT_EQ(referrers[0].digest, digest);
  EXPECT_EQ(referrers[0].size, note.size());
  EXPECT_EQ(referrers[0].artifact_type, "text/note");
  EXPECT_THAT(referrers[0].annotations, ElementsAre(std::pair("k", "v")));
  EXPECT_THAT(repositories_->ListReferrers("other", kRepository, subject), IsOkAndHolds(IsEmpty()));
  // It is no image, and stays as long as what it is about.
  EXPECT_THAT(images_->Get("n", digest.ToString()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("artifact")));
  EXPECT_THAT(images_->RemoveNameless(INT64_MAX, UINT64_MAX), IsOkAndHolds(0));
  ASSERT_OK(Remove("app:v1"));
  EXPECT_THAT(images_->RemoveNameless(INT64_MAX, UINT64_MAX), IsOkAndHolds(1));
  EXPECT_EQ(Count("images"), 0);
}

TEST_F(RepositoriesTest, DeletingByTagAndByDigest) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}})});
  SendBlobs(remote);
  ASSERT_OK_AND_ASSIGN(const Digest digest, Put(remote.manifest, "v1"));
  ASSERT_OK(Put(remote.manifest, "v2"));
  ASSERT_OK(repositories_->DeleteManifest("n", kRepository, "v1"));
  EXPECT_THAT(repositories_->GetManifest("n", kRepository, "v1"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(repositories_->GetManifest("n", kRepository, digest.ToString()));
  ASSERT_OK(repositories_->DeleteManifest("n", kRepository, digest.ToString()));
  EXPECT_THAT(repositories_->GetManifest("n", kRepository, "v2"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(repositories_->DeleteManifest("n", kRepository, "v2"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(repositories_->ListTags("n", kRepository, "", 10),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(Count("images"), 0);
  EXPECT_FALSE(blobs_->Has(digest));
}

TEST_F(RepositoriesTest, TagsAndRepositoriesComeInPages) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}})});
  SendBlobs(remote);
  for (const char* tag : {"b", "A", "c", "B"}) {
    ASSERT_OK(Put(remote.manifest, tag));
  }
  EXPECT_THAT(repositories_->ListTags("n", kRepository, "", 10),
              IsOkAndHolds(ElementsAre("A", "B", "b", "c")));
  EXPECT_THAT(repositories_->ListTags("n", kRepository, "A", 2),
              IsOkAndHolds(ElementsAre("B", "b")));
  EXPECT_THAT(repositories_->ListTags("n", kRepository, "c", 2), IsOkAndHolds(IsEmpty()));
  ASSERT_OK(images_->Tag("n", "app:b", "localhost:5000/app-x:v1"));
  ASSERT_OK(images_->Tag("n", "app:b", "team/app:v1"));
  EXPECT_THAT(repositories_->ListRepositories("n", "", 10),
              IsOkAndHolds(ElementsAre("docker.io/library/app", "docker.io/team/app",
                                       "localhost:5000/app-x")));
  EXPECT_THAT(repositories_->ListRepositories("n", "docker.io/library/app", 1),
              IsOkAndHolds(ElementsAre("docker.io/team/app")));
  EXPECT_THAT(repositories_->ListRepositories("other", "", 10), IsOkAndHolds(IsEmpty()));
}

TEST_F(RepositoriesTest, ALayerThatWasBuiltIsGenerated) {
  ASSERT_OK_AND_ASSIGN(
      const StoredImage image,
      images_->Commit("n", MakeImage({{"a", std::string(2000, 'a')}, {"b", "B"}}), {"app:v1"}));
  const Digest layer = image.layers[0].digest;
  EXPECT_FALSE(blobs_->Has(layer));
  ASSERT_OK_AND_ASSIGN(const std::string whole, ReadBlob(layer));
  EXPECT_EQ(Digest::Of(whole), layer);
  EXPECT_THAT(ReadBlob(layer, 700, 1500), IsOkAndHolds(whole.substr(700, 1500)));
  EXPECT_THAT(ReadBlob(layer, whole.size() - 3), IsOkAndHolds(whole.substr(whole.size() - 3)));
  // Reads that follow each other make the whole.
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<BlobReader> reader,
                       repositories_->OpenBlob("n", layer));
  std::string pieces;
  for (uint64_t at = 0; at < reader->size(); at = pieces.size()) {
    ASSERT_OK(reader->Read(at, std::min<uint64_t>(100, reader->size() - at),
                           [&](std::string_view piece) {
                             pieces += piece;
                             return absl::OkStatus();
                           },
                           {}));
  }
  EXPECT_EQ(pieces, whole);
  EXPECT_THAT(ReadBlob(image.manifest), IsOkAndHolds(image.manifest_json));
  EXPECT_THAT(ReadBlob(image.config_digest, 1, 3), IsOkAndHolds(image.config_json.substr(1, 3)));
  EXPECT_THAT(repositories_->OpenBlob("other", layer), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(repositories_->GetManifest("n", kRepository, image.manifest.ToString()));
}

TEST_F(RepositoriesTest, BlobsThatNothingNamesGo) {
  const Remote remote = MakeRemote({MakeTar({{"a", "A"}})});
  SendBlobs(remote);
  ASSERT_OK(Put(remote.manifest, "v1"));
  ASSERT_OK(Send("x", Digest::Of("x")));
  ASSERT_OK_AND_ASSIGN(const StoredImage image, images_->Get("n", "app:v1"));
  EXPECT_THAT(repositories_->DeleteBlob("n", image.layers[0].digest),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(blobs_->Has(image.layers[0].digest));
  EXPECT_OK(repositories_->DeleteBlob("n", Digest::Of("x")));
  EXPECT_FALSE(blobs_->Has(Digest::Of("x")));
  EXPECT_THAT(repositories_->DeleteBlob("n", Digest::Of("x")),
              StatusIs(absl::StatusCode::kNotFound));

  ASSERT_OK(Send("y", Digest::Of("y")));
  ASSERT_OK(repositories_->DropStaleRows());
  ASSERT_OK(images_->DropUnusedBlobs({Digest::Of("y")}));
  EXPECT_TRUE(blobs_->Has(Digest::Of("y")));
  EXPECT_OK(database_->Write([](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement age, connection.Prepare("UPDATE uploaded_blobs SET created = 0"));
    return age.Run();
  }));
  ASSERT_OK(repositories_->DropStaleRows());
  ASSERT_OK(images_->DropUnusedBlobs({Digest::Of("y")}));
  EXPECT_FALSE(blobs_->Has(Digest::Of("y")));
}

}  // namespace
}  // namespace zlayer
