// An image store on real stores in a directory of its own.
#ifndef ZLAYER_REGISTRY_IMAGE_TESTING_IMAGE_STORE_FIXTURE_H_
#define ZLAYER_REGISTRY_IMAGE_TESTING_IMAGE_STORE_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "registry/blob/blob_store.h"
#include "registry/content/content_store.h"
#include "registry/image/image_parts.h"
#include "registry/image/image_store.h"
#include "registry/image/repositories.h"
#include "registry/image/testing/archives.h"
#include "registry/layer/layer_store.h"
#include "registry/meta/database.h"
#include "tests/status_matchers.h"

namespace zlayer {

class FixedClock : public Clock {
 public:
  int64_t NowNs() const override { return 1'700'000'000'000'000'000; }
};

class ImageStoreFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "images-"));
    for (const char* name : {"/tmp", "/indexes", "/packs", "/trees"}) {
      ASSERT_OK(MakeDirectories(root() + name));
    }
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(root() + "/meta.db"));
    ASSERT_OK_AND_ASSIGN(blobs_, OpenDiskBlobStore(root() + "/blobs"));
    ASSERT_OK_AND_ASSIGN(contents_,
                         OpenPackContentStore(root(), database_.get(), blobs_.get(), &uses_));
    ASSERT_OK_AND_ASSIGN(
        layers_, OpenDiskLayerStore(root(), database_.get(), contents_.get(), &clock_, &uses_));
    leases_ = std::make_unique<BlobLeases>(database_.get(), blobs_.get());
    parts_ = {.database = database_.get(),
              .blobs = blobs_.get(),
              .contents = contents_.get(),
              .layers = layers_.get(),
              .leases = leases_.get(),
              .clock = &clock_,
              .uses = &uses_,
              .used_manifests = &used_manifests_,
              .tmp_directory = root() + "/tmp"};
    images_ = OpenImageStore(parts_);
    repositories_ = OpenRepositories(parts_);
  }

  const std::string& root() const { return directory_.path(); }
  const ImageParts& parts() const { return parts_; }

  absl::StatusOr<std::vector<StoredImage>> Import(const std::string& archive,
                                                  const std::string& reference = "",
                                                  const std::string& name_space = "n") {
    return images_->Import(name_space, MakeFile(root() + "/tmp", archive), reference, {});
  }

  std::string Export(const std::string& reference) {
    return Export(ArchiveRequest{ArchiveRequest::Format::kOci, {reference}});
  }
  std::string Export(const ArchiveRequest& wanted) {
    std::string bytes;
    EXPECT_OK(images_->Export("n", wanted,
                              [&](std::string_view data) {
                                bytes += data;
                                return absl::OkStatus();
                              },
                              {}));
    return bytes;
  }

  absl::StatusOr<TagRemoval> Remove(const std::string& reference, bool force = false) {
    return images_->Remove("n", reference, force);
  }

  // Names of the namespace's images, an empty one for each without.
  std::vector<std::string> Names(const std::string& name_space = "n") {
    absl::StatusOr<ImagePage> page = images_->List(name_space, ImageQuery());
    EXPECT_OK(page);
    std::vector<std::string> names;
    for (const ListedImage& image : page.ok() ? page->images : std::vector<ListedImage>()) {
      names.push_back(image.name);
    }
    return names;
  }

  // A layer of these files that only the store knows.
  Digest MakeLayer(const Files& files, int64_t mtime_seconds = 0) {
    Digest id;
    [&] {
      ASSERT_OK_AND_ASSIGN(std::unique_ptr<PackWriter> pack, contents_->NewPack());
      LayerIndexBuilder builder;
      for (const auto& [path, content] : files) {
        Entry entry;
        entry.path = path;
        entry.mode = 0644;
        entry.size = content.size();
        entry.mtime_ns = mtime_seconds * 1'000'000'000;
        ASSERT_OK(pack->Append(content));
        ASSERT_OK_AND_ASSIGN(entry.content, pack->End());
        ASSERT_OK(builder.Add(entry));
      }
      ASSERT_OK(pack->Commit());
      ASSERT_OK_AND_ASSIGN(std::string serialized, builder.Serialize());
      ASSERT_OK_AND_ASSIGN(LayerRef layer, layers_->Add(serialized, ""));
      id = layer->id();
    }();
    return id;
  }

  NewImage MakeImage(const Files& files, const std::string& env = "A=b") {
    NewImage image;
    image.platform.set_os("linux");
    image.platform.set_architecture("amd64");
    image.config.add_env(env);
    image.layers.push_back({MakeLayer(files), {}, {}, 0, ""});
    return image;
  }

  NewImage MakeImageAt(const Files& files, int64_t mtime_seconds) {
    NewImage image = MakeImage({});
    image.layers = {{MakeLayer(files, mtime_seconds), {}, {}, 0, ""}};
    return image;
  }

  // Content of a file of the image's layer.
  std::string ReadContentOf(const Digest& layer, const std::string& path) {
    std::string content;
    [&] {
      ASSERT_OK_AND_ASSIGN(LayerRef index, layers_->Get(layer));
      size_t at = index->Find(path);
      ASSERT_LT(at, index->size());
      Entry entry = index->At(at);
      ASSERT_OK_AND_ASSIGN(ContentFile file, layers_->OpenContent(*index, entry));
      ASSERT_OK(ReadContent(file, entry.content, [&](std::string_view data) {
        content += data;
        return absl::OkStatus();
      }));
    }();
    return content;
  }

  // Everything that the store has on disk, but for the database.
  std::vector<std::string> FilesOnDisk() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root())) {
      std::string path = entry.path().string().substr(root().size() + 1);
      if (entry.is_regular_file() && !path.starts_with("meta.db")) {
        files.push_back(path);
      }
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  int64_t Count(const std::string& table) {
    int64_t count = -1;
    EXPECT_OK(database_->Read([&](Connection& connection) -> absl::Status {
      absl::StatusOr<Statement> query = connection.Prepare("SELECT count(*) FROM " + table);
      if (!query.ok() || !query->Step().ok()) {
        return absl::InternalError("no such table");
      }
      count = query->Int(0);
      return absl::OkStatus();
    }));
    return count;
  }

  Uses uses_;
  FixedClock clock_;
  ScopedDirectory directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<ContentStore> contents_;
  std::unique_ptr<LayerStore> layers_;
  std::unique_ptr<BlobLeases> leases_;
  UsedThings<Digest> used_manifests_{&uses_};
  ImageParts parts_;
  std::unique_ptr<ImageStore> images_;
  std::unique_ptr<Repositories> repositories_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_TESTING_IMAGE_STORE_FIXTURE_H_
