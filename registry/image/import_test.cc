#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "registry/image/image_json.h"
#include "registry/image/platform.h"
#include "registry/image/testing/image_store_fixture.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

const char kName[] = R"({"org.opencontainers.image.ref.name":"quay.io/app:v1"})";

class ImportTest : public ImageStoreFixture {
 protected:
  // The archive is refused with `message`, and nothing of it is left.
  void ExpectRefused(const std::string& archive, const std::string& message,
                     const std::string& reference = "") {
    std::vector<std::string> before = FilesOnDisk();
    EXPECT_THAT(Import(archive, reference), StatusIs(kInvalid, HasSubstr(message)));
    EXPECT_EQ(FilesOnDisk(), before);
    for (const char* table : {"images", "tags", "layers", "contents", "packs"}) {
      EXPECT_EQ(Count(table), 0) << table;
    }
  }

  const std::string base_ = MakeTar({{"etc/", ""}, {"etc/motd", "hello"}, {"a", "1"}});
  const std::string top_ = MakeTar({{"etc/issue", "issue"}, {".wh.a", ""}});
};

TEST_F(ImportTest, OciArchive) {
  OciLayout layout;
  Digest manifest = layout.AddImage({base_, top_});
  layout.AddEntry(manifest, kName);
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(layout.Tar()));
  ASSERT_EQ(images.size(), 1);
  const StoredImage& image = images[0];
  EXPECT_EQ(image.manifest, manifest);
  EXPECT_EQ(image.manifest_json, layout.blobs[manifest.Hex()]);
  EXPECT_THAT(image.references, ElementsAre("quay.io/app:v1"));
  ASSERT_EQ(image.layers.size(), 2);
  EXPECT_EQ(image.layers[0].diff_id, Digest::Of(base_));
  EXPECT_EQ(ReadContentOf(image.layers[0].layer, "etc/motd"), "hello");
  EXPECT_EQ(ReadContentOf(image.layers[1].layer, "etc/issue"), "issue");
  ASSERT_OK_AND_ASSIGN(LayerRef layer, layers_->Get(image.layers[1].layer));
  EXPECT_EQ(layer->TypeAt(layer->Find("a")), EntryType::kWhiteout);
  EXPECT_TRUE(layer->At(layer->Find("etc")).implied_parent);
  EXPECT_EQ(images_->Get("n", "quay.io/app:v1")->manifest, manifest);
}

TEST_F(ImportTest, UncompressedLayersAreStoredOnce) {
  OciLayout layout;
  layout.AddEntry(layout.AddImage({base_}), kName);
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(layout.Tar()));
  ASSERT_OK_AND_ASSIGN(LayerRef layer, layers_->Get(images[0].layers[0].layer));
  ASSERT_OK_AND_ASSIGN(TarIdentity tar, layers_->EnsureTarIdentity(layer->id(), {}, {}));
  EXPECT_EQ(tar.diff_id, Digest::Of(base_));
  for (const std::string& file : FilesOnDisk()) {
    EXPECT_FALSE(file.starts_with("packs/")) << file;
  }
}

TEST_F(ImportTest, CompressedLayersAndArchives) {
  OciLayout layout;
  Digest manifest = layout.AddImage({base_, top_}, /*compressed=*/true);
  layout.AddEntry(manifest, kName);
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(Compress(layout.Tar())));
  ASSERT_EQ(images.size(), 1);
  EXPECT_EQ(images[0].manifest, manifest);
  EXPECT_EQ(images[0].layers[0].diff_id, Digest::Of(base_));
  EXPECT_NE(images[0].layers[0].digest, Digest::Of(base_));
  EXPECT_EQ(ReadContentOf(images[0].layers[0].layer, "etc/motd"), "hello");
  // What came is given back.
  std::string exported = Export("quay.io/app:v1");
  ASSERT_OK(Remove("quay.io/app:v1"));
  EXPECT_FALSE(blobs_->Has(images[0].layers[0].digest));
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> again, Import(exported));
  EXPECT_EQ(again[0].manifest, manifest);
}

TEST_F(ImportTest, ImportingTwiceChangesNothing) {
  OciLayout layout;
  layout.AddEntry(layout.AddImage({base_, top_}, true), kName);
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> one, Import(layout.Tar()));
  std::vector<std::string> files = FilesOnDisk();
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> two, Import(layout.Tar()));
  EXPECT_EQ(one[0].manifest, two[0].manifest);
  EXPECT_EQ(FilesOnDisk(), files);
  EXPECT_EQ(Count("images"), 1);
}

TEST_F(ImportTest, TheBaseOfABuildOutlivesItsImage) {
  OciLayout layout;
  layout.AddEntry(layout.AddImage({base_}, /*compressed=*/true), kName);
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> base, Import(layout.Tar()));
  NewImage built = MakeImage({{"new", "file"}});
  built.layers.insert(built.layers.begin(), base[0].layers[0]);
  ASSERT_OK_AND_ASSIGN(StoredImage image, images_->Commit("n", built, {"built"}));
  EXPECT_EQ(image.layers[0].digest, base[0].layers[0].digest);
  ASSERT_OK(Remove("quay.io/app:v1"));
  EXPECT_TRUE(blobs_->Has(image.layers[0].digest));
  EXPECT_FALSE(Export("built").empty());
}

TEST_F(ImportTest, ABaseThatWentDuringTheBuildIsDescribedAnew) {
  OciLayout layout;
  layout.AddEntry(layout.AddImage({base_}, /*compressed=*/true), kName);
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> base, Import(layout.Tar()));
  ASSERT_OK(Remove("quay.io/app:v1"));
  NewImage built = MakeImage({{"new", "file"}});
  built.layers.insert(built.layers.begin(), base[0].layers[0]);
  ASSERT_OK_AND_ASSIGN(StoredImage image, images_->Commit("n", built, {"built"}));
  EXPECT_EQ(image.layers[0].media_type, kTarMediaType);
  EXPECT_FALSE(Export("built").empty());
}

TEST_F(ImportTest, ContentsOfAnUncompressedTarOutliveItsImage) {
  OciLayout layout;
  layout.AddEntry(layout.AddImage({base_}), kName);
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(layout.Tar()));
  ASSERT_OK(Remove("quay.io/app:v1"));
  EXPECT_EQ(ReadContentOf(images[0].layers[0].layer, "etc/motd"), "hello");
}

TEST_F(ImportTest, NamesFromTheArchive) {
  auto names = [&](const std::string& annotations) -> std::vector<std::string> {
    OciLayout layout;
    layout.AddEntry(layout.AddImage({base_}), annotations);
    absl::StatusOr<std::vector<StoredImage>> images = Import(layout.Tar());
    EXPECT_OK(images);
    std::vector<std::string> references =
        images.ok() ? (*images)[0].references : std::vector<std::string>();
    EXPECT_OK(Remove((*images)[0].manifest.Hex()));
    return references;
  };
  EXPECT_THAT(names(R"({"io.containerd.image.name":"docker.io/library/a:1",)"
                    R"("org.opencontainers.image.ref.name":"2"})"),
              ElementsAre("docker.io/library/a:1"));
  EXPECT_THAT(names(R"({"org.opencontainers.image.ref.name":"a/b"})"),
              ElementsAre("docker.io/a/b:latest"));
  EXPECT_THAT(names("{}"), IsEmpty());
}

TEST_F(ImportTest, ANameThatIsGivenWins) {
  OciLayout layout;
  layout.AddEntry(layout.AddImage({base_}), R"({"org.opencontainers.image.ref.name":"latest"})");
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(layout.Tar(), "mine"));
  EXPECT_THAT(images[0].references, ElementsAre("docker.io/library/mine:latest"));
}

TEST_F(ImportTest, NamesThatDoNotDo) {
  OciLayout layout;
  Digest manifest = layout.AddImage({base_});
  layout.AddEntry(manifest, R"({"org.opencontainers.image.ref.name":"latest"})");
  ExpectRefused(layout.Tar(), "has only a tag for its image, \"latest\"");
  layout.index_entries.clear();
  layout.AddEntry(manifest, R"({"org.opencontainers.image.ref.name":"No/Name"})");
  ExpectRefused(layout.Tar(), "say what it is to be called");
  ExpectRefused(layout.Tar(), "lower case", "Upper");
  ExpectRefused(layout.Tar(), "has a digest", "a@" + manifest.ToString());
}

TEST_F(ImportTest, SeveralImages) {
  OciLayout layout;
  Digest a = layout.AddImage({base_});
  Digest b = layout.AddImage({base_, top_});
  layout.AddEntry(a, R"({"org.opencontainers.image.ref.name":"a:1"})");
  layout.AddEntry(b, R"({"org.opencontainers.image.ref.name":"b:1"})");
  layout.AddEntry(b, R"({"org.opencontainers.image.ref.name":"b:2"})");
  ExpectRefused(layout.Tar(), "has several images", "name");
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(layout.Tar()));
  ASSERT_EQ(images.size(), 2);
  EXPECT_EQ(images[0].manifest, a);
  EXPECT_THAT(images[1].references, ElementsAre("docker.io/library/b:1", "docker.io/library/b:2"));
  EXPECT_EQ(images[0].layers[0].layer, images[1].layers[0].layer);
}

std::string PlatformMember(const std::string& architecture) {
  return R"(,"platform":{"os":"linux","architecture":")" + architecture + "\"}";
}

TEST_F(ImportTest, TheHostsImageOfAnIndexIsTaken) {
  OciLayout layout;
  const std::string host = HostPlatform().architecture();
  Digest mine = layout.AddImage({base_}, false, host);
  Digest other = layout.AddImage({top_}, false, "mips64");
  Digest attestation = layout.AddBlob("{}");
  Digest index = layout.AddBlob(OciLayout::Index(
      {OciLayout::Entry(other, "{}", PlatformMember("mips64"), kManifestMediaType),
       OciLayout::Entry(mine, "{}", PlatformMember(host), kManifestMediaType),
       OciLayout::Entry(attestation, R"({"vnd.docker.reference.type":"attestation-manifest"})", "",
                        kManifestMediaType)}));
  layout.AddEntry(index, kName, "", kIndexMediaType);
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(layout.Tar()));
  ASSERT_EQ(images.size(), 1);
  EXPECT_EQ(images[0].manifest, mine);
  EXPECT_THAT(images[0].references, ElementsAre("quay.io/app:v1"));
  // What belongs to the others is not kept.
  EXPECT_FALSE(blobs_->Has(other));
  EXPECT_FALSE(blobs_->Has(index));
  EXPECT_FALSE(blobs_->Has(Digest::Of(top_)));
}

TEST_F(ImportTest, AForeignImageAloneIsTakenAndOneOfManyIsNot) {
  OciLayout layout;
  Digest mips = layout.AddImage({base_}, false, "mips64");
  layout.AddEntry(mips, "{}", PlatformMember("mips64"));
  layout.AddEntry(layout.AddImage({base_}, false, "s390"), "{}", PlatformMember("s390"));
  ExpectRefused(layout.Tar(), "only for linux/mips64, linux/s390");
  layout.index_entries.pop_back();
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(layout.Tar()));
  EXPECT_EQ(images[0].platform.architecture(), "mips64");
}

TEST_F(ImportTest, WhatIsNotAnArchive) {
  ExpectRefused("just some text that goes on for a while", "is not an archive", "a");
  ExpectRefused("", "is not an archive", "a");
}

TEST_F(ImportTest, BrokenLayouts) {
  OciLayout layout;
  Digest manifest = layout.AddImage({base_});
  ExpectRefused(layout.Tar(), "has no image");
  layout.AddEntry(manifest, kName);
  OciLayout broken = layout;
  broken.layout = "";
  ExpectRefused(broken.Tar(), "no file \"oci-layout\"");
  broken.layout = R"({"imageLayoutVersion":"7"})";
  ExpectRefused(broken.Tar(), "version \"7\"");
  broken = layout;
  broken.blobs[Digest::Of(base_).Hex()] += "x";
  ExpectRefused(broken.Tar(), "the archive is damaged");
  broken = layout;
  broken.blobs.erase(Digest::Of(base_).Hex());
  ExpectRefused(broken.Tar(), "lacks the blob " + Digest::Of(base_).ToString());
  broken = layout;
  broken.blobs["nohex"] = "";
  ExpectRefused(broken.Tar(), "is not named by a digest");
  broken = layout;
  broken.index_entries = {"3"};
  ExpectRefused(broken.Tar(), "manifests[0] is not an object");
  ExpectRefused(MakeTar({{"oci-layout", layout.layout}}), "no file \"index.json\"");
}

TEST_F(ImportTest, BrokenImages) {
  auto refused = [&](const NewImage& image, const std::string& message) {
    OciLayout layout;
    layout.AddBlob(base_);
    layout.AddBlob("no tar at all, but long enough to be one");
    layout.AddEntry(layout.AddImage(image), kName);
    ExpectRefused(layout.Tar(), message);
  };
  NewImage good;
  good.platform.set_os("linux");
  good.platform.set_architecture("amd64");
  good.layers.push_back(
      {{}, Digest::Of(base_), Digest::Of(base_), base_.size(), std::string(kTarMediaType)});
  NewImage image = good;
  image.layers[0].diff_id = Digest::Of("wrong");
  refused(image, "its tar has the digest " + Digest::Of(base_).ToString() +
                     ", the configuration says " + Digest::Of("wrong").ToString());
  image = good;
  image.layers[0].media_type = "application/vnd.in-toto+json";
  refused(image, "layer 1 has the media type");
  image = good;
  image.layers[0].size = 1;
  refused(image, "the manifest says 1");
  image = good;
  const std::string text = "no tar at all, but long enough to be one";
  image.layers[0] = {
      {}, Digest::Of(text), Digest::Of(text), text.size(), std::string(kTarMediaType)};
  refused(image, "layer 1 of 1");
}

TEST_F(ImportTest, AManifestWithOtherLayersThanItsConfiguration) {
  OciLayout layout;
  NewImage image;
  image.platform.set_os("linux");
  image.platform.set_architecture("amd64");
  std::string config = WriteConfig(image);
  image.layers.push_back({{}, {}, layout.AddBlob(base_), base_.size(), std::string(kTarMediaType)});
  layout.AddEntry(layout.AddBlob(WriteManifest(image, layout.AddBlob(config), config.size())));
  ExpectRefused(layout.Tar(), "has 1 layers, but its configuration has 0 diff ids");
}

TEST_F(ImportTest, ManifestsThatAreNoImages) {
  OciLayout layout;
  layout.AddEntry(layout.AddBlob("{}"), kName, "", "application/vnd.oci.artifact");
  ExpectRefused(layout.Tar(), "which is not an image's");
  layout.index_entries.clear();
  layout.AddEntry(layout.AddBlob(R"({"schemaVersion":2,"config":{"mediaType":"helm","digest":")" +
                                 Digest::Of("{}").ToString() + "\"}}"),
                  kName);
  ExpectRefused(layout.Tar(), "this is not a container image");
}

TEST_F(ImportTest, PlainRootFilesystem) {
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(base_, "base:v1"));
  ASSERT_EQ(images.size(), 1);
  const StoredImage& image = images[0];
  EXPECT_THAT(image.references, ElementsAre("docker.io/library/base:v1"));
  ASSERT_EQ(image.layers.size(), 1);
  EXPECT_EQ(image.layers[0].diff_id, Digest::Of(base_));
  EXPECT_EQ(image.layers[0].size, base_.size());
  EXPECT_EQ(image.created_ns, clock_.NowNs());
  ASSERT_EQ(image.history.size(), 1);
  EXPECT_EQ(image.history[0].comment, "imported from a root filesystem tar");
  EXPECT_EQ(FormatPlatform(image.platform), FormatPlatform(HostPlatform()));
  EXPECT_EQ(ReadContentOf(image.layers[0].layer, "etc/motd"), "hello");
  EXPECT_FALSE(Export("base:v1").empty());
}

TEST_F(ImportTest, CompressedRootFilesystem) {
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(Compress(base_), "base"));
  const ImageLayer& layer = images[0].layers[0];
  EXPECT_FALSE(blobs_->Has(layer.digest));
  EXPECT_EQ(layer.media_type, kTarMediaType);
  EXPECT_EQ(ReadContentOf(layer.layer, "etc/motd"), "hello");
  std::string archive = Export("base");
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> again, Import(archive));
  EXPECT_EQ(again[0].manifest, images[0].manifest);
}

TEST_F(ImportTest, ARootFilesystemNeedsAName) {
  ExpectRefused(base_, "say what the image is to be called");
}

TEST_F(ImportTest, BrokenRootFilesystems) {
  ExpectRefused(base_.substr(0, 1500), "", "base");
  ExpectRefused(MakeTar({{"etc/.wh.x", ""}}), ".wh.", "base");
}

TEST_F(ImportTest, StopsWhenAskedTo) {
  OciLayout layout;
  layout.AddEntry(layout.AddImage({base_}), kName);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(images_->Import("n", MakeFile(root() + "/tmp", layout.Tar()), "", stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(FilesOnDisk(), IsEmpty());
}

}  // namespace
}  // namespace zlayer
