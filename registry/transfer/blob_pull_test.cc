#include "registry/transfer/blob_pull.h"

#include <gmock/gmock.h>

#include <thread>
#include <vector>

#include "registry/transfer/testing/transfer_fixture.h"

namespace zlayer {
namespace {

using BlobPullTest = TransferFixture;

TEST_F(BlobPullTest, ABlobThatOnlyARegistryHasIsBroughtHere) {
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

TEST_F(BlobPullTest, ABlobThatOnlyAPushMadeIsBroughtBack) {
  ASSERT_OK(images_->Commit("n", MakeImage({{"a", "A"}}), {"app:v1"}));
  ASSERT_OK(Push("app:v1", "reg.example/app:v1"));
  const Digest layer = ManifestAt("reg.example/app", "v1").layers[0].digest;
  EXPECT_THAT(repositories_->OpenBlob("n", layer), StatusIs(absl::StatusCode::kNotFound));
  BlobPull pull(images_.get(), puller_.get());
  ASSERT_OK(pull.Fetch("n", layer, {}));
  ASSERT_OK_AND_ASSIGN(const auto reader, repositories_->OpenBlob("n", layer));
  EXPECT_EQ(reader->size(), registry_.repositories["reg.example/app"].blobs[layer].size());
}

TEST_F(BlobPullTest, TheDaemonsOwnServerIsNotAskedForWhatItLacks) {
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

}  // namespace
}  // namespace zlayer
