#include "registry/image/image_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  ASSERT_OK_AND_ASSIGN(TarIdentity tar, layers_->EnsureTarIdentity(layer, {}));
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

TEST_F(ImageStoreTest, TheSameImageIsCommittedOnce) {
  NewImage image = MakeImage({{"f", "content"}});
  StoredImage one = Commit(image, {"app"});
  StoredImage two = Commit(image, {"app", "other"});
  EXPECT_EQ(one.manifest, two.manifest);
  EXPECT_THAT(two.references,
              ElementsAre("docker.io/library/app:latest", "docker.io/library/other:latest"));
  EXPECT_EQ(Count("images"), 1);
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
  EXPECT_THAT(images_->List("n"), IsOkAndHolds(IsEmpty()));
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
                       "image \"debian:bookworm\" is not in the local store; import it "
                       "with \"zlayer import\""));
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
  EXPECT_THAT(images_->List("n"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ImageStoreTest, ListIsSortedByName) {
  StoredImage nameless = Commit(MakeImage({{"f", "1"}}), {});
  StoredImage b = Commit(MakeImage({{"f", "2"}}), {"b"});
  StoredImage a = Commit(MakeImage({{"f", "3"}}), {"z", "a"});
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> list, images_->List("n"));
  ASSERT_EQ(list.size(), 3);
  EXPECT_EQ(list[0].manifest, a.manifest);
  EXPECT_EQ(list[1].manifest, b.manifest);
  EXPECT_EQ(list[2].manifest, nameless.manifest);
  EXPECT_EQ(list[0].references.size(), 2);
  EXPECT_THAT(images_->List("other"), IsOkAndHolds(IsEmpty()));
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
  ASSERT_OK_AND_ASSIGN(TagRemoval first, images_->Remove("n", "a"));
  EXPECT_THAT(first.untagged, ElementsAre("docker.io/library/a:latest"));
  EXPECT_FALSE(first.removed.has_value());
  EXPECT_TRUE(blobs_->Has(image.manifest));
  ASSERT_OK_AND_ASSIGN(TagRemoval second, images_->Remove("n", "b"));
  EXPECT_EQ(second.removed, image.manifest);
  EXPECT_FALSE(blobs_->Has(image.manifest));
  EXPECT_FALSE(blobs_->Has(image.config_digest));
  EXPECT_EQ(Count("images"), 0);
  EXPECT_THAT(images_->Remove("n", "b"), StatusIs(kNotFound, HasSubstr("image \"b\" is not in")));
}

TEST_F(ImageStoreTest, RemoveByDigestTakesAllNames) {
  StoredImage image = Commit(MakeImage({{"f", "1"}}), {"b", "a"});
  ASSERT_OK_AND_ASSIGN(TagRemoval removal, images_->Remove("n", image.config_digest.Hex()));
  EXPECT_THAT(removal.untagged,
              ElementsAre("docker.io/library/a:latest", "docker.io/library/b:latest"));
  EXPECT_EQ(removal.removed, image.manifest);
}

TEST_F(ImageStoreTest, AnImageStaysForOtherNamespaces) {
  NewImage image = MakeImage({{"f", "1"}});
  StoredImage stored = Commit(image, {"a"});
  ASSERT_OK(images_->Commit("m", image, {"a"}));
  ASSERT_OK_AND_ASSIGN(TagRemoval removal, images_->Remove("n", "a"));
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
  ASSERT_OK(images_->Remove("n", "plain"));
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
  ASSERT_OK(images_->Remove("n", "quay.io/team/app:v1"));
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

TEST_F(ImageStoreTest, ExportEndsWithItsReader) {
  Commit(MakeImage({{"f", "x"}}), {"app"});
  EXPECT_THAT(images_->Export("n", "app",
                              [](std::string_view) { return absl::UnavailableError("gone"); }, {}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(images_->Export("n", "none", [](std::string_view) { return absl::OkStatus(); }, {}),
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
  EXPECT_THAT(images_->Export("n", "app", [](std::string_view) { return absl::OkStatus(); }, {}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("cannot make the layer")));
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
      absl::StatusOr<TagRemoval> removal = images_->Remove("n", "app");
      EXPECT_TRUE(removal.ok() || absl::IsNotFound(removal.status())) << removal.status();
    }
  };
  { std::jthread one(commit), two(commit), three(remove); }
  Commit(image, {"app"});
  EXPECT_OK(images_->Get("n", "app"));
}

}  // namespace
}  // namespace zlayer
