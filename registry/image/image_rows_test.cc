#include "registry/image/image_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/status_macros.h"
#include "registry/image/blob_leases.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ImageRowsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "rows-"));
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(directory_.path() + "/meta.db"));
    ASSERT_OK_AND_ASSIGN(blobs_, OpenDiskBlobStore(directory_.path() + "/blobs"));
    Write([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(
          Statement layer,
          connection.Prepare(
              "INSERT INTO layers (id, content_bytes, created, boot) VALUES (?, 0, 0, '')"));
      return layer.BindDigest(1, layer_).Run();
    });
  }

  void Write(Database::Work work) { ASSERT_OK(database_->Write(std::move(work))); }

  ImageRow MakeImage(const std::string& name) {
    ImageRow row{Digest::Of(name), Digest::Of(name + " config"), 5, {}};
    row.layers.push_back({layer_, {}, Digest::Of(name + " layer"), 7, "type"});
    Write([&](Connection& connection) { return InsertImage(connection, row); });
    return row;
  }

  void Tag(const std::string& name_space, const std::string& name, const Digest& manifest,
           int64_t now = 0) {
    Write([&](Connection& connection) {
      return SetTag(connection, name_space, name, manifest, now);
    });
  }

  std::vector<std::string> Names(const std::string& name_space, const Digest& manifest) {
    std::vector<std::string> names;
    EXPECT_OK(database_->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(names, ReadNames(connection, name_space, manifest));
      return absl::OkStatus();
    }));
    return names;
  }

  bool Has(const std::string& name_space, const Digest& manifest) {
    bool has = false;
    EXPECT_OK(database_->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(has, HasImage(connection, name_space, manifest));
      return absl::OkStatus();
    }));
    return has;
  }

  bool Used(const Digest& blob) {
    bool used = false;
    EXPECT_OK(database_->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(used, IsBlobUsed(connection, blob));
      return absl::OkStatus();
    }));
    return used;
  }

  void Run(const std::string& sql, const Digest& digest) {
    Write([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Statement statement, connection.Prepare(sql));
      return statement.BindDigest(1, digest).Run();
    });
  }

  const Digest layer_ = Digest::Of("a layer");
  ScopedDirectory directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<BlobStore> blobs_;
};

TEST_F(ImageRowsTest, InsertingTwiceChangesNothing) {
  ImageRow row = MakeImage("a");
  MakeImage("a");
  ImageRow read;
  ASSERT_OK(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(read, ReadImage(connection, row.manifest));
    return absl::OkStatus();
  }));
  EXPECT_EQ(read.config, row.config);
  EXPECT_EQ(read.created_ns, 5);
  ASSERT_EQ(read.layers.size(), 1);
  EXPECT_EQ(read.layers[0].layer, layer_);
  EXPECT_EQ(read.layers[0].digest, row.layers[0].digest);
  EXPECT_EQ(read.layers[0].size, 7);
  EXPECT_EQ(read.layers[0].media_type, "type");
}

TEST_F(ImageRowsTest, AnImageThatLosesItsNameStaysNameless) {
  ImageRow a = MakeImage("a"), b = MakeImage("b");
  Tag("n", "name", a.manifest);
  Tag("n", "name", b.manifest);
  EXPECT_THAT(Names("n", a.manifest), IsEmpty());
  EXPECT_TRUE(Has("n", a.manifest));
  EXPECT_THAT(Names("n", b.manifest), ElementsAre("name"));
}

TEST_F(ImageRowsTest, AnImageWithAnotherNameIsNotKeptNamelessToo) {
  ImageRow a = MakeImage("a"), b = MakeImage("b");
  Tag("n", "name", a.manifest);
  Tag("n", "other", a.manifest);
  Tag("n", "name", b.manifest);
  Write([&](Connection& connection) { return RemoveName(connection, "n", "other"); });
  EXPECT_FALSE(Has("n", a.manifest));
}

TEST_F(ImageRowsTest, ANameReplacesNamelessness) {
  ImageRow a = MakeImage("a");
  Tag("n", "", a.manifest);
  Tag("n", "", a.manifest);
  Tag("n", "name", a.manifest);
  Tag("n", "name", a.manifest);
  EXPECT_THAT(Names("n", a.manifest), ElementsAre("name"));
  Write([&](Connection& connection) { return RemoveName(connection, "n", "name"); });
  EXPECT_FALSE(Has("n", a.manifest));
}

TEST_F(ImageRowsTest, NamespacesAreApart) {
  ImageRow a = MakeImage("a"), b = MakeImage("b");
  Tag("n", "name", a.manifest);
  Tag("m", "name", b.manifest);
  EXPECT_THAT(Names("n", a.manifest), ElementsAre("name"));
  EXPECT_THAT(Names("m", b.manifest), ElementsAre("name"));
  EXPECT_FALSE(Has("m", a.manifest));
}

TEST_F(ImageRowsTest, FindsByDigestNewestFirst) {
  ImageRow a = MakeImage("a"), b = MakeImage("b");
  Tag("n", "a", a.manifest, 1);
  Tag("n", "b", b.manifest, 2);
  auto find = [&](const std::string& hex) {
    std::vector<Digest> manifests;
    EXPECT_OK(database_->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(std::vector<FoundImage> found, FindByDigest(connection, "n", hex));
      for (const FoundImage& image : found) {
        manifests.push_back(image.manifest);
      }
      return absl::OkStatus();
    }));
    return manifests;
  };
  EXPECT_THAT(find(""), ElementsAre(b.manifest, a.manifest));
  EXPECT_THAT(find(a.manifest.Hex()), ElementsAre(a.manifest));
  EXPECT_THAT(find(a.manifest.Hex().substr(0, 13)), ElementsAre(a.manifest));
  EXPECT_THAT(find(b.config.Hex().substr(0, 12)), ElementsAre(b.manifest));
  EXPECT_THAT(find(Digest::Of("else").Hex()), IsEmpty());
}

TEST_F(ImageRowsTest, AnImageGoesWithItsLastName) {
  ImageRow a = MakeImage("a");
  Tag("n", "name", a.manifest);
  Write([&](Connection& connection) { return RemoveUnnamed(connection, a.manifest); });
  EXPECT_TRUE(Used(a.manifest));
  Write([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(RemoveNames(connection, "n", a.manifest));
    return RemoveUnnamed(connection, a.manifest);
  });
  EXPECT_FALSE(Used(a.manifest));
  EXPECT_FALSE(Used(a.layers[0].digest));
}

TEST_F(ImageRowsTest, WhatKeepsABlob) {
  ImageRow a = MakeImage("a");
  EXPECT_TRUE(Used(a.manifest));
  EXPECT_TRUE(Used(a.config));
  EXPECT_TRUE(Used(a.layers[0].digest));
  Digest other = Digest::Of("other");
  EXPECT_FALSE(Used(other));
  Run("INSERT INTO packs (blob, size, boot) VALUES (?, 1, '')", other);
  EXPECT_TRUE(Used(other));
  Digest tar = Digest::Of("tar");
  Run("UPDATE layers SET diff_id = ?, tar_format = 1", tar);
  EXPECT_FALSE(Used(tar));
  Run("UPDATE layers SET diff_id = ?, tar_format = 0", tar);
  EXPECT_TRUE(Used(tar));
}

TEST_F(ImageRowsTest, ALeaseKeepsABlob) {
  BlobLeases leases(database_.get(), blobs_.get());
  ASSERT_OK_AND_ASSIGN(Digest blob, blobs_->Write("blob"));
  {
    BlobLeases::Lease one(&leases);
    BlobLeases::Lease two(&leases);
    one.Add(blob);
    one.Add(blob);
    two.Add(blob);
    one.Release();
    ASSERT_OK(leases.DropUnused({blob}));
    EXPECT_TRUE(blobs_->Has(blob));
  }
  EXPECT_TRUE(blobs_->Has(blob));
  ASSERT_OK(leases.DropUnused({blob}));
  EXPECT_FALSE(blobs_->Has(blob));
}

TEST_F(ImageRowsTest, NewBlobsGoWithTheirLeaseUnlessUsed) {
  BlobLeases leases(database_.get(), blobs_.get());
  ASSERT_OK_AND_ASSIGN(Digest old, blobs_->Write("old"));
  {
    BlobLeases::Lease lease(&leases);
    lease.AddNew(old);
    lease.AddNew(Digest::Of("unused"));
    lease.AddNew(Digest::Of("used"));
    ASSERT_OK(blobs_->Write("unused"));
    ASSERT_OK(blobs_->Write("used"));
    MakeImage("used");
  }
  EXPECT_TRUE(blobs_->Has(old));
  EXPECT_FALSE(blobs_->Has(Digest::Of("unused")));
  EXPECT_TRUE(blobs_->Has(Digest::Of("used")));
}

}  // namespace
}  // namespace zlayer
