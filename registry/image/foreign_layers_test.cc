// Layers that are not distributed, as Windows bases have them: kept by name and URL, without bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/status_macros.h"
#include "registry/image/image_json.h"
#include "registry/image/repository_rows.h"
#include "registry/image/testing/image_store_fixture.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kForeign[] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
constexpr char kUrl[] = "https://mcr.example/v2/windows/blobs/sha256:1";

class ForeignLayersTest : public ImageStoreFixture {
 protected:
  // A layer that only its descriptor knows, and one with bytes.
  NewImage MakeWindows(OciLayout* layout) {
    NewImage image;
    image.platform.set_os("windows");
    image.platform.set_architecture("amd64");
    image.platform.set_os_version("10.0.20348.2700");
    image.layers.push_back({.diff_id = Digest::Of("tar"),
                            .digest = Digest::Of("blob"),
                            .size = 1'000'000,
                            .media_type = kForeign,
                            .urls = {kUrl}});
    const std::string tar = MakeTar({{"Files/", ""}, {"Files/a", "A"}});
    image.layers.push_back({.diff_id = Digest::Of(tar),
                            .digest = layout->AddBlob(tar),
                            .size = tar.size(),
                            .media_type = std::string(kTarMediaType)});
    return image;
  }

  absl::StatusOr<StoredImage> ImportWindows() {
    manifest_ = layout_.AddImage(MakeWindows(&layout_));
    layout_.AddEntry(manifest_);
    ASSIGN_OR_RETURN(const std::vector<StoredImage> images, Import(layout_.Tar(), "base:1"));
    return images.at(0);
  }

  OciLayout layout_;
  Digest manifest_;
};

TEST_F(ForeignLayersTest, AnArchiveMayLackTheirBytes) {
  ASSERT_OK_AND_ASSIGN(const StoredImage image, ImportWindows());
  EXPECT_EQ(image.manifest_json, layout_.blobs[manifest_.Hex()]);
  EXPECT_THAT(image.layers[0].urls, ElementsAre(kUrl));
  EXPECT_TRUE(image.layers[0].layer.IsNone());
  EXPECT_EQ(ReadContentOf(image.layers[1].layer, "Files/a"), "A");
}

TEST_F(ForeignLayersTest, NothingAsksForThem) {
  ASSERT_OK_AND_ASSIGN(const StoredImage image, ImportWindows());
  const BlobFetcher fetch = [](const StoredImage&, const ImageLayer& layer, const auto&,
                               std::stop_token) -> absl::Status {
    ADD_FAILURE() << layer.digest.ToString();
    return absl::InternalError("");
  };
  ASSERT_OK(images_->EnsureBlobs(image, fetch, {}));
  ASSERT_OK_AND_ASSIGN(const StoredImage known, images_->EnsureLayers(image, fetch, {}));
  EXPECT_TRUE(known.layers[0].layer.IsNone());
}

TEST_F(ForeignLayersTest, AnotherSystemsCannotBeDoneWithout) {
  NewImage linux = MakeWindows(&layout_);
  linux.platform.set_os("linux");
  layout_.AddEntry(layout_.AddImage(linux));
  ASSERT_OK_AND_ASSIGN(const std::vector<StoredImage> images, Import(layout_.Tar(), "base:1"));
  const BlobFetcher fetch = [](const StoredImage&, const ImageLayer&, const auto&,
                               std::stop_token) { return absl::NotFoundError("gone"); };
  EXPECT_THAT(images_->EnsureLayers(images[0], fetch, {}), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ForeignLayersTest, WhatOthersImportedIsAway) {
  NewImage whole = MakeWindows(&layout_);
  const std::string tar = MakeTar({{"Files/", ""}, {"Files/b", "B"}});
  whole.layers[0] = {.diff_id = Digest::Of(tar),
                     .digest = layout_.AddBlob(tar),
                     .size = tar.size(),
                     .media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar",
                     .urls = {kUrl}};
  layout_.AddEntry(layout_.AddImage(whole));
  ASSERT_OK_AND_ASSIGN(const std::vector<StoredImage> images, Import(layout_.Tar(), "base:1"));
  StoredImage image = images[0];
  const BlobFetcher fetch = [](const StoredImage&, const ImageLayer&, const auto&,
                               std::stop_token) { return absl::NotFoundError("not asked for"); };
  ASSERT_OK_AND_ASSIGN(const StoredImage own, images_->EnsureLayers(image, fetch, {}));
  EXPECT_FALSE(own.layers[0].layer.IsNone());
  image.name_space = "other";
  ASSERT_OK(database_->Write([&](Connection& connection) {
    return ClaimBlobs(connection, "other", {image.layers[0].digest});
  }));
  ASSERT_OK_AND_ASSIGN(const StoredImage others, images_->EnsureLayers(image, fetch, {}));
  EXPECT_TRUE(others.layers[0].layer.IsNone());
  EXPECT_EQ(others.layers[1].layer, own.layers[1].layer);
}

TEST_F(ForeignLayersTest, ABuildKeepsTheirDescriptors) {
  ASSERT_OK_AND_ASSIGN(const StoredImage base, ImportWindows());
  NewImage image;
  image.platform = base.platform;
  image.layers = base.layers;
  ASSERT_OK_AND_ASSIGN(const StoredImage made, images_->Commit("n", image, {"app:1"}));
  EXPECT_THAT(made.manifest_json, HasSubstr(kUrl));
  EXPECT_THAT(made.config_json, HasSubstr(R"("os.version":"10.0.20348.2700")"));
  EXPECT_EQ(made.layers[0].media_type, kForeign);
  EXPECT_EQ(made.layers[0].digest, Digest::Of("blob"));
}

TEST_F(ForeignLayersTest, AnOciArchiveLeavesThemOut) {
  ASSERT_OK_AND_ASSIGN(const StoredImage image, ImportWindows());
  const std::string archive = Export("base:1");
  EXPECT_THAT(archive, HasSubstr("blobs/sha256/" + manifest_.Hex()));
  EXPECT_THAT(archive, Not(HasSubstr("blobs/sha256/" + Digest::Of("blob").Hex())));
  ASSERT_OK(Remove("base:1"));
  ASSERT_OK_AND_ASSIGN(const std::vector<StoredImage> again, Import(archive));
  EXPECT_EQ(again.at(0).manifest, image.manifest);
}

TEST_F(ForeignLayersTest, ADockerArchiveCannotBeMadeWithoutThem) {
  ASSERT_OK(ImportWindows());
  const ArchiveRequest wanted{ArchiveRequest::Format::kDocker, {"base:1"}};
  const auto sink = [](std::string_view) { return absl::OkStatus(); };
  EXPECT_THAT(images_->Export("n", wanted, sink, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not distributed")));
}

}  // namespace
}  // namespace zlayer
