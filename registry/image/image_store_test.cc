#include "registry/image/image_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "registry/image/image_json.h"
#include "registry/image/testing/image_store_fixture.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::StatusCode kNotFound = absl::StatusCode::kNotFound;
constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

class ImageStoreTest : public ImageStoreFixture {
 protected:
  StoredImage Commit(const NewImage& image, const std::vector<std::string>& tags) {
    absl::StatusOr<StoredImage> stored = images_->Commit("n", image, tags);
    EXPECT_OK(stored);
    return stored.ok() ? *stored : StoredImage();
  }
};

TEST_F(ImageStoreTest, CommitDescribesItsLayersByTheirTars) {
  NewImage image = MakeImage({{"f", "content"}});
  image.created_ns = 5;
  image.history.push_back({5, "COPY f /", "", "", false});
  StoredImage stored = Commit(image, {"app:v1"});
  ASSERT_EQ(stored.layers.size(), 1);
  ASSERT_OK_AND_ASSIGN(LayerRef layer, layers_->Get(image.layers[0].layer));
  ASSERT_OK_AND_ASSIGN(TarIdentity tar, layers_->EnsureTarIdentity(layer->id(), {}, {}));
  EXPECT_EQ(stored.layers[0].diff_id, tar.diff_id);
  EXPECT_EQ(stored.layers[0].digest, tar.diff_id);
  EXPECT_EQ(stored.layers[0].size, tar.size);
  EXPECT_EQ(stored.layers[0].media_type, kTarMediaType);
  EXPECT_EQ(stored.size, tar.size);
  EXPECT_EQ(stored.created_ns, 5);
  EXPECT_EQ(stored.config.env(0), "A=b");
  EXPECT_THAT(stored.references, ElementsAre("docker.io/library/app:v1"));
  EXPECT_EQ(Digest::Of(stored.manifest_json), stored.manifest);
  EXPECT_EQ(Digest::Of(stored.config_json), stored.config_digest);
  EXPECT_FALSE(blobs_->Has(tar.diff_id));
}

TEST_F(ImageStoreTest, AnEpochClampsTheTarsOfNewLayersAlone) {
  StoredImage base = Commit(MakeImageAt({{"base", "x"}}, 1'700'000'000), {"base"});
  NewImage image = MakeImageAt({{"f", "content"}}, 1'700'000'000);
  image.layers.insert(image.layers.begin(), base.layers[0]);
  image.layer_epoch = 1'600'000'000;
  StoredImage one = Commit(image, {"app"});
  EXPECT_EQ(one.layers[0].digest, base.layers[0].digest);
  ASSERT_OK_AND_ASSIGN(LayerRef layer, layers_->Get(image.layers[1].layer));
  ASSERT_OK_AND_ASSIGN(TarIdentity plain, layers_->EnsureTarIdentity(layer->id(), {}, {}));
  EXPECT_NE(one.layers[1].digest, plain.diff_id);

  // The same files at another time are another layer, and the same image.
  image.layers[1] = MakeImageAt({{"f", "content"}}, 1'700'000'007).layers[0];
  ASSERT_NE(image.layers[1].layer, layer->id());
  EXPECT_EQ(Commit(image, {"app"}).manifest, one.manifest);

  // Who builds on it keeps its layers as they are, with or without an epoch.
  NewImage derived = MakeImageAt({{"g", ""}}, 1'700'000'000);
  derived.layers.insert(derived.layers.begin(), one.layers.begin(), one.layers.end());
  EXPECT_EQ(Commit(derived, {"derived"}).layers[1].digest, one.layers[1].digest);
}

TEST_F(ImageStoreTest, ClampedLayersAreExported) {
  NewImage image = MakeImageAt({{"f", "content"}}, 1'700'000'000);
  image.layer_epoch = 1'600'000'000;
  StoredImage stored = Commit(image, {"app"});
  const std::string archive = Export("app");
  EXPECT_NE(archive.find(std::string("\00013727410000\0", 12)), std::string::npos);
  ASSERT_OK(Remove("app").status());
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> again, Import(archive));
  EXPECT_EQ(again[0].manifest, stored.manifest);
  Commit(image, {"docker"});
  EXPECT_OK(images_->Export("n", {ArchiveRequest::Format::kDocker, {"docker"}},
                            [](std::string_view) { return absl::OkStatus(); }, {}));
}

TEST_F(ImageStoreTest, TheSameImageIsCommittedOnce) {
  NewImage image = MakeImage({{"f", "content"}});
  StoredImage one = Commit(image, {"app"});
  StoredImage two = Commit(image, {"app", "other"});
  EXPECT_EQ(one.manifest, two.manifest);
  EXPECT_THAT(two.references,
              ElementsAre("docker.io/library/app:latest", "docker.io/library/other:latest"));
  EXPECT_EQ(Count("images"), 1);
}

TEST_F(ImageStoreTest, ASourceHashIsOfTheFirstNameWhileThatMeansTheImage) {
  NewImage image = MakeImage({{"f", "content"}});
  image.source_hash = "h1";
  const StoredImage stored = Commit(image, {"app", "other"});
  ASSERT_OK_AND_ASSIGN(const StoredImage found, images_->FindBySourceHash("n", "app", "h1"));
  EXPECT_EQ(found.manifest, stored.manifest);
  const auto is_unknown = StatusIs(absl::StatusCode::kNotFound);
  EXPECT_THAT(images_->FindBySourceHash("n", "app", "h2"), is_unknown);
  EXPECT_THAT(images_->FindBySourceHash("n", "other", "h1"), is_unknown);
  EXPECT_THAT(images_->FindBySourceHash("m", "app", "h1"), is_unknown);
  // The same image for another reason.
  image.source_hash = "h2";
  Commit(image, {"app"});
  EXPECT_THAT(images_->FindBySourceHash("n", "app", "h1"), is_unknown);
  EXPECT_OK(images_->FindBySourceHash("n", "app", "h2"));
  Commit(MakeImage({{"g", ""}}), {"app"});
  EXPECT_THAT(images_->FindBySourceHash("n", "app", "h2"), is_unknown);
}

TEST_F(ImageStoreTest, DockersFormatIsInNamesAlone) {
  const StoredImage base = Commit(MakeImage({{"base", "x"}}), {"base"});
  NewImage image = MakeImage({{"f", "content"}});
  image.layers.insert(image.layers.begin(), base.layers[0]);
  const StoredImage oci = Commit(image, {"oci"});
  image.format = ImageFormat::kDocker;
  const StoredImage docker = Commit(image, {"docker"});
  EXPECT_EQ(docker.config_digest, oci.config_digest);
  ASSERT_OK_AND_ASSIGN(const ManifestDocument manifest, ParseManifest(docker.manifest_json));
  EXPECT_EQ(manifest.media_type, kDockerManifestMediaType);
  EXPECT_EQ(manifest.config.media_type, kDockerConfigMediaType);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(manifest.layers[i].media_type, kDockerTarMediaType);
    EXPECT_EQ(docker.layers[i].media_type, kDockerTarMediaType);
    EXPECT_EQ(docker.layers[i].digest, oci.layers[i].digest);
  }
  EXPECT_EQ(LayerMediaTypeIn(ImageFormat::kDocker, kTarGzipMediaType),
            "application/vnd.docker.image.rootfs.diff.tar.gzip");
  EXPECT_EQ(LayerMediaTypeIn(ImageFormat::kDocker, "application/vnd.docker.x"),
            "application/vnd.docker.x");
}

TEST_F(ImageStoreTest, AnUnnamedCommitStaysNameless) {
  StoredImage image = Commit(MakeImage({{"f", "x"}}), {});
  EXPECT_THAT(image.references, IsEmpty());
  ASSERT_OK_AND_ASSIGN(StoredImage found, images_->Get("n", image.manifest.ToString()));
  EXPECT_EQ(found.manifest, image.manifest);
}

TEST_F(ImageStoreTest, AnImageWithoutLayers) {
  NewImage image = MakeImage({{"f", "x"}});
  image.layers.clear();
  StoredImage stored = Commit(image, {"empty"});
  EXPECT_THAT(stored.layers, IsEmpty());
  EXPECT_EQ(stored.size, 0);
}

TEST_F(ImageStoreTest, CommitRefusesBadNamesAndUnknownLayers) {
  NewImage image = MakeImage({{"f", "x"}});
  EXPECT_THAT(images_->Commit("n", image, {"App"}), StatusIs(kInvalid, HasSubstr("lower case")));
  EXPECT_THAT(images_->Commit("n", image, {"app@" + Digest::Of("x").ToString()}),
              StatusIs(kInvalid, HasSubstr("has a digest")));
  image.layers[0].layer = Digest::Of("no layer");
  EXPECT_THAT(images_->Commit("n", image, {"app"}), StatusIs(kNotFound));
  EXPECT_EQ(Count("images"), 0);
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ImageStoreTest, GetByNameAndDigest) {
  StoredImage image = Commit(MakeImage({{"f", "x"}}), {"app:v1"});
  const std::string manifest = image.manifest.ToString();
  const std::string config = image.config_digest.Hex();
  for (const std::string& reference :
       {std::string("app:v1"), std::string("docker.io/library/app:v1"), manifest,
        image.manifest.Hex(), manifest.substr(0, 19), config, config.substr(0, 12),
        "anything@" + manifest}) {
    absl::StatusOr<StoredImage> found = images_->Get("n", reference);
    ASSERT_THAT(found, IsOk()) << reference;
    EXPECT_EQ(found->manifest, image.manifest);
  }
}

TEST_F(ImageStoreTest, GetSaysWhatIsMissing) {
  StoredImage image = Commit(MakeImage({{"f", "x"}}), {"app:v1"});
  EXPECT_THAT(images_->Get("n", "debian:bookworm"),
              StatusIs(kNotFound,
                       "image \"debian:bookworm\" is not in the local store; bring it there with "
                       "\"zlayer pull\" or \"zlayer import\""));
  EXPECT_THAT(images_->Get("n", "app"), StatusIs(kNotFound));
  EXPECT_THAT(images_->Get("n", image.config_digest.Hex().substr(0, 11)), StatusIs(kNotFound));
  EXPECT_THAT(images_->Get("n", Digest::Of("x").ToString()), StatusIs(kNotFound));
  EXPECT_THAT(images_->Get("other", "app:v1"), StatusIs(kNotFound));
  EXPECT_THAT(images_->Get("other", image.manifest.ToString()), StatusIs(kNotFound));
  EXPECT_THAT(images_->Get("n", "A"), StatusIs(kInvalid, HasSubstr("lower case")));
  EXPECT_THAT(images_->Get("n", ""), StatusIs(kInvalid));
}

TEST_F(ImageStoreTest, ANameOfHexDigitsIsAName) {
  StoredImage image = Commit(MakeImage({{"f", "x"}}), {"deadbeefcafe"});
  ASSERT_OK_AND_ASSIGN(StoredImage found, images_->Get("n", "deadbeefcafe"));
  EXPECT_EQ(found.manifest, image.manifest);
}

TEST_F(ImageStoreTest, LostDocumentsAreDataLoss) {
  StoredImage image = Commit(MakeImage({{"f", "x"}}), {"app"});
  ASSERT_OK(blobs_->Remove(image.config_digest));
  EXPECT_THAT(images_->Get("n", "app"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(images_->List("n", ImageQuery()), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ImageStoreTest, ListHasEachNameSortedAndTheNamelessFirst) {
  StoredImage nameless = Commit(MakeImage({{"f", "1"}}), {});
  StoredImage b = Commit(MakeImage({{"f", "2"}}), {"b"});
  StoredImage a = Commit(MakeImage({{"f", "3"}}), {"z", "a"});
  ASSERT_OK_AND_ASSIGN(ImagePage page, images_->List("n", ImageQuery()));
  ASSERT_EQ(page.images.size(), 4);
  EXPECT_EQ(page.images[0].image.manifest, nameless.manifest);
  EXPECT_EQ(page.images[1].image.manifest, a.manifest);
  EXPECT_EQ(page.images[2].image.manifest, b.manifest);
  EXPECT_EQ(page.images[3].image.manifest, a.manifest);
  EXPECT_THAT(Names(), ElementsAre("", "docker.io/library/a:latest", "docker.io/library/b:latest",
                                   "docker.io/library/z:latest"));
  EXPECT_EQ(page.images[1].image.references.size(), 2);
  EXPECT_FALSE(page.next.has_value());
  EXPECT_THAT(Names("other"), IsEmpty());
}

TEST_F(ImageStoreTest, ListInPagesFindsAllThatStaysAndNothingTwice) {
  for (const char* content : {"1", "2"}) {
    Commit(MakeImage({{"f", content}}), {});
  }
  for (const char* name : {"a:1", "a:2", "b:1", "c:1", "d:1"}) {
    Commit(MakeImage({{"f", "x"}}), {name});
  }
  for (size_t limit : {1, 2, 3, 7, 8}) {
    ImageQuery query;
    query.limit = limit;
    std::vector<std::string> names;
    std::set<Digest> nameless;
    for (bool more = true; more;) {
      ASSERT_OK_AND_ASSIGN(ImagePage page, images_->List("n", query));
      ASSERT_LE(page.images.size(), limit);
      for (const ListedImage& image : page.images) {
        names.push_back(image.name);
        if (image.name.empty()) {
          nameless.insert(image.image.manifest);
        }
      }
      more = page.next.has_value();
      query.after = page.next.value_or(ImagePosition());
    }
    EXPECT_EQ(names.size(), 7) << limit;
    EXPECT_EQ(nameless.size(), 2) << limit;
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end())) << limit;
  }
  // A page that was asked for before an image went says the same after it.
  ImageQuery query;
  query.limit = 3;
  ASSERT_OK_AND_ASSIGN(ImagePage first, images_->List("n", query));
  ASSERT_EQ(first.images[2].name, "docker.io/library/a:1");
  ASSERT_OK(Remove("a:1"));
  ASSERT_OK(Remove("b:1"));
  query.after = *first.next;
  ASSERT_OK_AND_ASSIGN(ImagePage second, images_->List("n", query));
  ASSERT_EQ(second.images.size(), 3);
  EXPECT_EQ(second.images[0].name, "docker.io/library/a:2");
  EXPECT_EQ(second.images[2].name, "docker.io/library/d:1");
}

TEST_F(ImageStoreTest, ListByPattern) {
  Commit(MakeImage({{"f", "1"}}), {});
  Commit(MakeImage({{"f", "x"}}), {"app:v1", "app2:v2", "team/app:v1", "quay.io/team/app:v1"});
  auto list = [&](const std::string& pattern, bool nameless = false) {
    ImageQuery query;
    query.pattern = pattern;
    query.nameless = nameless;
    std::vector<std::string> names;
    absl::StatusOr<ImagePage> page = images_->List("n", query);
    EXPECT_OK(page);
    for (const ListedImage& image : page.ok() ? page->images : std::vector<ListedImage>()) {
      names.push_back(image.name);
    }
    return names;
  };
  const std::string app = "docker.io/library/app:v1";
  EXPECT_THAT(list("app"), ElementsAre(app));
  EXPECT_THAT(list("app*"), ElementsAre("docker.io/library/app2:v2", app));
  EXPECT_THAT(list("*:v1"), ElementsAre(app));
  EXPECT_THAT(list("*/*:v1"), ElementsAre("docker.io/team/app:v1"));
  EXPECT_THAT(list("quay.io/*/*"), ElementsAre("quay.io/team/app:v1"));
  EXPECT_THAT(list("docker.io/library/app"), ElementsAre(app));
  EXPECT_THAT(list("v1"), IsEmpty());
  EXPECT_THAT(list("", true), ElementsAre(""));
  EXPECT_THAT(list("app*", true), IsEmpty());
  ImageQuery broken;
  broken.pattern = "a[";
  EXPECT_THAT(images_->List("n", broken), StatusIs(kInvalid, HasSubstr("a[")));
}

TEST_F(ImageStoreTest, UntagKeepsTheImage) {
  StoredImage image = Commit(MakeImage({{"f", "1"}}), {"a", "b"});
  ASSERT_OK_AND_ASSIGN(StoredImage one, images_->Untag("n", "a"));
  EXPECT_THAT(one.references, ElementsAre("docker.io/library/b:latest"));
  ASSERT_OK_AND_ASSIGN(StoredImage none, images_->Untag("n", "b"));
  EXPECT_EQ(none.manifest, image.manifest);
  EXPECT_THAT(none.references, IsEmpty());
  EXPECT_THAT(Names(), ElementsAre(""));
  EXPECT_THAT(images_->Untag("n", "b"), StatusIs(kNotFound, HasSubstr("\"b\"")));
  EXPECT_THAT(images_->Untag("n", "b@" + image.manifest.ToString()), StatusIs(kInvalid));
  EXPECT_THAT(images_->Untag("n", image.manifest.Hex()), StatusIs(kInvalid));
}

TEST_F(ImageStoreTest, TagMovesNames) {
  StoredImage a = Commit(MakeImage({{"f", "1"}}), {"a"});
  StoredImage b = Commit(MakeImage({{"f", "2"}}), {"b"});
  ASSERT_OK_AND_ASSIGN(StoredImage tagged, images_->Tag("n", "b", "a"));
  EXPECT_EQ(tagged.manifest, b.manifest);
  EXPECT_EQ(images_->Get("n", "a")->manifest, b.manifest);
  ASSERT_OK_AND_ASSIGN(StoredImage old, images_->Get("n", a.manifest.Hex()));
  EXPECT_THAT(old.references, IsEmpty());
  EXPECT_THAT(images_->Tag("n", "none", "c"), StatusIs(kNotFound, HasSubstr("\"none\"")));
  EXPECT_THAT(images_->Tag("n", "a", "c@" + a.manifest.ToString()), StatusIs(kInvalid));
}

TEST_F(ImageStoreTest, RemoveTakesOneNameAfterTheOther) {
  StoredImage image = Commit(MakeImage({{"f", "1"}}), {"a", "b"});
  ASSERT_OK_AND_ASSIGN(TagRemoval first, Remove("a"));
  EXPECT_THAT(first.untagged, ElementsAre("docker.io/library/a:latest"));
  EXPECT_FALSE(first.removed.has_value());
  EXPECT_TRUE(blobs_->Has(image.manifest));
  ASSERT_OK_AND_ASSIGN(TagRemoval second, Remove("b"));
  EXPECT_EQ(second.removed, image.manifest);
  EXPECT_FALSE(blobs_->Has(image.manifest));
  EXPECT_FALSE(blobs_->Has(image.config_digest));
  EXPECT_EQ(Count("images"), 0);
  EXPECT_THAT(Remove("b"), StatusIs(kNotFound, HasSubstr("image \"b\" is not in")));
}

TEST_F(ImageStoreTest, RemoveByDigestTakesSeveralNamesOnlyWithForce) {
  StoredImage image = Commit(MakeImage({{"f", "1"}}), {"b", "a"});
  EXPECT_THAT(Remove(image.config_digest.Hex()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has 2 names")));
  EXPECT_OK(images_->Get("n", "a"));
  ASSERT_OK_AND_ASSIGN(TagRemoval removal, Remove(image.config_digest.Hex(), /*force=*/true));
  EXPECT_THAT(removal.untagged,
              ElementsAre("docker.io/library/a:latest", "docker.io/library/b:latest"));
  EXPECT_EQ(removal.removed, image.manifest);
}

TEST_F(ImageStoreTest, AnImageStaysForOtherNamespaces) {
  NewImage image = MakeImage({{"f", "1"}});
  StoredImage stored = Commit(image, {"a"});
  ASSERT_OK(images_->Commit("m", image, {"a"}));
  ASSERT_OK_AND_ASSIGN(TagRemoval removal, Remove("a"));
  EXPECT_EQ(removal.removed, stored.manifest);
  EXPECT_THAT(images_->Get("n", "a"), StatusIs(kNotFound));
  ASSERT_OK_AND_ASSIGN(StoredImage other, images_->Get("m", "a"));
  EXPECT_EQ(other.manifest, stored.manifest);
}

TEST_F(ImageStoreTest, SharedDocumentsStay) {
  NewImage image = MakeImage({{"f", "1"}});
  StoredImage plain = Commit(image, {"plain"});
  image.annotations = {{"k", "v"}};
  StoredImage annotated = Commit(image, {"annotated"});
  ASSERT_EQ(plain.config_digest, annotated.config_digest);
  ASSERT_NE(plain.manifest, annotated.manifest);
  ASSERT_OK(Remove("plain"));
  EXPECT_FALSE(blobs_->Has(plain.manifest));
  EXPECT_EQ(images_->Get("n", plain.config_digest.Hex())->manifest, annotated.manifest);
}

TEST_F(ImageStoreTest, AmbiguousDigestsAreRefused) {
  // Two configurations whose digests share their first 12 digits cannot be had in a test; ask with
  // one that is short enough through rows of our own.
  StoredImage image = Commit(MakeImage({{"f", "1"}}), {"a"});
  std::string twin = image.config_digest.Hex();
  twin.back() = twin.back() == '0' ? '1' : '0';
  ASSERT_OK_AND_ASSIGN(Digest twin_digest, Digest::FromHex(twin));
  ASSERT_OK(database_->Write([&](Connection& connection) -> absl::Status {
    absl::StatusOr<Statement> insert = connection.Prepare(
        "INSERT INTO images (manifest, config, created, size, boot) VALUES (?, ?1, 0, 0, '')");
    insert->BindDigest(1, twin_digest);
    return insert->Run();
  }));
  ASSERT_OK(database_->Write([&](Connection& connection) -> absl::Status {
    absl::StatusOr<Statement> insert = connection.Prepare(
        "INSERT INTO tags (namespace, reference, manifest, updated) VALUES ('n', 'twin', ?, 0)");
    insert->BindDigest(1, twin_digest);
    return insert->Run();
  }));
  EXPECT_THAT(images_->Get("n", twin.substr(0, 20)), StatusIs(kInvalid, HasSubstr("more digits")));
  EXPECT_EQ(images_->Get("n", image.config_digest.Hex())->manifest, image.manifest);
}

TEST_F(ImageStoreTest, ExportIsReproducibleAndComesBack) {
  NewImage image = MakeImage({{"f", "content"}, {"g", std::string(100'000, 'g')}});
  StoredImage stored = Commit(image, {"quay.io/team/app:v1"});
  std::string archive = Export("quay.io/team/app:v1");
  EXPECT_EQ(archive, Export("quay.io/team/app:v1"));
  ASSERT_OK(Remove("quay.io/team/app:v1"));
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> imported, Import(archive));
  ASSERT_EQ(imported.size(), 1);
  EXPECT_EQ(imported[0].manifest, stored.manifest);
  EXPECT_THAT(imported[0].references, ElementsAre("quay.io/team/app:v1"));
  EXPECT_EQ(imported[0].layers[0].layer, stored.layers[0].layer);
  EXPECT_EQ(Export("quay.io/team/app:v1"), archive);
}

TEST_F(ImageStoreTest, ExportByDigestNamesTheImageToo) {
  StoredImage stored = Commit(MakeImage({{"f", "x"}}), {"app:v1"});
  EXPECT_EQ(Export(stored.manifest.Hex()), Export("app:v1"));
}

TEST_F(ImageStoreTest, SeveralImagesInOneArchive) {
  StoredImage a = Commit(MakeImage({{"f", "x"}}), {"a:1", "a:2"});
  NewImage foreign = MakeImage({{"f", "y"}});
  foreign.platform.set_architecture("mips64");
  StoredImage b = Commit(foreign, {"b:1"});
  StoredImage nameless = Commit(MakeImage({{"f", "z"}}), {});
  const std::string digest = nameless.manifest.ToString();
  const ArchiveRequest wanted{ArchiveRequest::Format::kOci, {"a:1", "b:1", "a:2", digest}};
  const std::string archive = Export(wanted);
  EXPECT_EQ(Export({ArchiveRequest::Format::kOci, {digest, "a:2", "b:1", "a:1", "a:1"}}), archive);
  for (const char* name : {"a:1", "a:2", "b:1"}) {
    ASSERT_OK(Remove(name));
  }
  ASSERT_OK(Remove(digest));
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(archive));
  EXPECT_EQ(images.size(), 3);
  EXPECT_THAT(Names(), ElementsAre("", "docker.io/library/a:1", "docker.io/library/a:2",
                                   "docker.io/library/b:1"));
  EXPECT_EQ(images_->Get("n", "a:2")->manifest, a.manifest);
  EXPECT_EQ(images_->Get("n", "b:1")->manifest, b.manifest);
  EXPECT_EQ(Export(wanted), archive);
}

TEST_F(ImageStoreTest, ExportEndsWithItsReader) {
  Commit(MakeImage({{"f", "x"}}), {"app"});
  EXPECT_THAT(images_->Export("n", {ArchiveRequest::Format::kOci, {"app"}},
                              [](std::string_view) { return absl::UnavailableError("gone"); }, {}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(images_->Export("n", {ArchiveRequest::Format::kOci, {"app", "none"}},
                              [](std::string_view) { return absl::OkStatus(); }, {}),
              StatusIs(kNotFound));
}

TEST_F(ImageStoreTest, ExportOfDamagedContentsIsDataLoss) {
  NewImage image = MakeImage({{"f", "x"}});
  image.layers[0].diff_id = image.layers[0].digest = Digest::Of("some tar");
  image.layers[0].size = 1;
  StoredImage stored = Commit(image, {"app"});
  // A layer that no one has the bytes of was described anew.
  EXPECT_NE(stored.layers[0].digest, Digest::Of("some tar"));
  ASSERT_OK(database_->Write([&](Connection& connection) -> absl::Status {
    return connection.Prepare("UPDATE image_layers SET digest = zeroblob(32)")->Run();
  }));
  EXPECT_THAT(images_->Export("n", {ArchiveRequest::Format::kOci, {"app"}},
                              [](std::string_view) { return absl::OkStatus(); }, {}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("cannot make the tar")));
}

// Whatever the order, an image that was committed last is whole.
TEST_F(ImageStoreTest, CommitAndRemoveAtTheSameTime) {
  NewImage image = MakeImage({{"f", "x"}});
  auto commit = [&] {
    for (int i = 0; i < 50; ++i) {
      absl::StatusOr<StoredImage> stored = images_->Commit("n", image, {"app"});
      EXPECT_TRUE(stored.ok() || absl::IsNotFound(stored.status())) << stored.status();
    }
  };
  auto remove = [&] {
    for (int i = 0; i < 50; ++i) {
      absl::StatusOr<TagRemoval> removal = Remove("app");
      EXPECT_TRUE(removal.ok() || absl::IsNotFound(removal.status())) << removal.status();
    }
  };
  { std::jthread one(commit), two(commit), three(remove); }
  Commit(image, {"app"});
  EXPECT_OK(images_->Get("n", "app"));
}

}  // namespace
}  // namespace zlayer
