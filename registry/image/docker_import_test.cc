#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "registry/image/image_json.h"
#include "registry/image/testing/image_store_fixture.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// An archive as `docker save` writes it, under way. Members may be changed before Tar.
struct DockerArchive {
  std::vector<std::pair<TarHeader, std::string>> entries;
  std::vector<DockerArchiveImage> images;
  std::string manifest;  // what it is where not empty, else made of `images`

  DockerArchive& File(const std::string& path, const std::string& content) {
    TarHeader header;
    header.path = path;
    header.size = content.size();
    entries.emplace_back(header, content);
    return *this;
  }
  DockerArchive& Link(const std::string& path, const std::string& target,
                      TarHeader::Type type = TarHeader::Type::kSymlink) {
    TarHeader header;
    header.path = path;
    header.type = type;
    header.link_target = target;
    entries.emplace_back(header, "");
    return *this;
  }

  // A configuration over these tars; returns its JSON. `mark` makes it another image.
  static std::string Config(const std::vector<std::string>& tars, const std::string& mark = "x") {
    std::string diff_ids;
    for (const std::string& tar : tars) {
      diff_ids += (diff_ids.empty() ? "\"" : ",\"") + Digest::Of(tar).ToString() + "\"";
    }
    // Spaces and members that no standard knows must come out as they went in.
    return R"({ "architecture":"amd64","os":"linux","docker_version":"20.10","config":{"Env":["M=)" +
           mark + R"("]},"rootfs":{"type":"layers","diff_ids":[)" + diff_ids + "]}}\n";
  }

  // An image in the old layout: a directory a layer, one that came before as a link. Returns its
  // configuration.
  std::string AddImage(const std::vector<std::string>& names, const std::vector<std::string>& tars,
                       const std::string& mark = "x") {
    const std::string config = Config(tars, mark);
    DockerArchiveImage image;
    image.config = Digest::Of(config).Hex() + ".json";
    image.names = names;
    for (const std::string& tar : tars) {
      const std::string id = Digest::Of(mark + std::to_string(entries.size())).Hex();
      File(id + "/VERSION", "1.0").File(id + "/json", "{}");
      auto [known, added] = stored_.emplace(tar, id);
      if (added) {
        File(id + "/layer.tar", tar);
      } else {
        Link(id + "/layer.tar", "../" + known->second + "/layer.tar");
      }
      image.layers.push_back(id + "/layer.tar");
    }
    File(image.config, config);
    images.push_back(image);
    return config;
  }

  std::string Tar() const {
    DockerArchive all = *this;
    if (all.manifest != "-") {
      all.File("manifest.json", manifest.empty() ? WriteDockerArchive(images) : manifest);
    }
    all.File("repositories", "{}");
    std::string bytes;
    TarWriter tar([&](std::string_view data) {
      bytes += data;
      return absl::OkStatus();
    });
    for (const auto& [header, content] : all.entries) {
      EXPECT_OK(tar.Entry(header));
      EXPECT_OK(tar.Data(content));
    }
    EXPECT_OK(tar.Finish());
    return bytes;
  }

 private:
  std::map<std::string, std::string> stored_;  // by tar
};

class DockerImportTest : public ImageStoreFixture {
 protected:
  void ExpectNothingLeft() {
    EXPECT_THAT(FilesOnDisk(), IsEmpty());
    for (const char* table : {"images", "tags", "layers", "contents", "packs"}) {
      EXPECT_EQ(Count(table), 0) << table;
    }
  }

  const std::string base_ = MakeTar({{"etc/", ""}, {"etc/motd", "hello"}, {"a", "1"}});
  const std::string top_ = MakeTar({{"etc/issue", "issue"}, {".wh.a", ""}});
  const std::string empty_ = MakeTar({});
};

TEST_F(DockerImportTest, TheOldLayout) {
  DockerArchive archive;
  // The empty layer comes twice, the second time as a link.
  const std::string config =
      archive.AddImage({"app:v1", "quay.io/team/app:v2"}, {base_, empty_, top_, empty_});
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(archive.Tar()));
  ASSERT_EQ(images.size(), 1);
  const StoredImage& image = images[0];
  EXPECT_EQ(image.config_json, config);
  EXPECT_EQ(image.config_digest, Digest::Of(config));
  EXPECT_THAT(image.references, ElementsAre("docker.io/library/app:v1", "quay.io/team/app:v2"));
  ASSERT_EQ(image.layers.size(), 4);
  EXPECT_EQ(image.layers[0].digest, Digest::Of(base_));
  EXPECT_EQ(image.layers[0].media_type, kTarMediaType);
  EXPECT_EQ(image.layers[1].digest, image.layers[3].digest);
  EXPECT_EQ(ReadContentOf(image.layers[0].layer, "etc/motd"), "hello");
  EXPECT_EQ(ReadContentOf(image.layers[2].layer, "etc/issue"), "issue");
  // Only what the image needs is kept: manifest, configuration and three tars.
  EXPECT_EQ(Count("images"), 1);
  size_t blobs = 0;
  for (const std::string& file : FilesOnDisk()) {
    blobs += file.starts_with("blobs/") ? 1 : 0;
  }
  EXPECT_EQ(blobs, 5);
}

TEST_F(DockerImportTest, TheSameImageMakesTheSameManifestInWhateverArchive) {
  DockerArchive old;
  old.AddImage({"app:v1"}, {base_, top_});
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> one, Import(old.Tar()));
  DockerArchive other;
  const std::string config = DockerArchive::Config({base_, top_});
  other.File("0.tar", Compress(base_)).File("config", config).File("dir/1.tar", top_);
  other.Link("one", "dir/../dir/1.tar").Link("dir/hard", "one", TarHeader::Type::kHardLink);
  other.images.push_back({"config", {}, {"./0.tar", "dir/hard"}});
  for (const std::string& bytes : {other.Tar(), Compress(other.Tar())}) {
    ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> two, Import(bytes, "other"));
    EXPECT_EQ(two[0].manifest, one[0].manifest);
    EXPECT_THAT(two[0].references, ElementsAre("docker.io/library/other:latest"));
  }
  EXPECT_EQ(Count("images"), 1);
  // What came compressed is kept as the tar that it is.
  EXPECT_FALSE(blobs_->Has(Digest::Of(Compress(base_))));
}

TEST_F(DockerImportTest, SeveralImagesAndWhatAreTheyCalled) {
  DockerArchive archive;
  const std::string a = archive.AddImage({"a:1", "a:2"}, {base_});
  const std::string b = archive.AddImage({}, {base_, top_});
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> nameless, Import(archive.Tar()));
  ASSERT_EQ(nameless.size(), 2);
  EXPECT_EQ(nameless[0].config_digest, Digest::Of(a));
  EXPECT_THAT(nameless[0].references,
              ElementsAre("docker.io/library/a:1", "docker.io/library/a:2"));
  EXPECT_THAT(nameless[1].references, IsEmpty());
  EXPECT_THAT(Names(), ElementsAre("", "docker.io/library/a:1", "docker.io/library/a:2"));
  EXPECT_EQ(nameless[0].layers[0].layer, nameless[1].layers[0].layer);
  // The name that is given is for the one without.
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> named, Import(archive.Tar(), "b"));
  EXPECT_EQ(images_->Get("n", "b")->config_digest, Digest::Of(b));
  archive.AddImage({"c:1"}, {top_});
  archive.images.erase(archive.images.begin() + 1);
  EXPECT_THAT(Import(archive.Tar(), "b"), StatusIs(kInvalid, HasSubstr("has several images")));
  // A name that is given wins over those of an only image.
  archive.images.pop_back();
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> only, Import(archive.Tar(), "only"));
  EXPECT_THAT(only[0].references, ElementsAre("docker.io/library/only:latest"));
}

TEST_F(DockerImportTest, AnArchiveThatIsALayoutTooIsReadAsThat) {
  OciLayout layout;
  const Digest manifest = layout.AddImage({base_});
  ASSERT_OK_AND_ASSIGN(ManifestDocument document, ParseManifest(layout.blobs[manifest.Hex()]));
  const std::string config = "blobs/sha256/" + document.config.digest.Hex();
  // The index has a tag alone; the names are Docker's.
  layout.AddEntry(manifest, R"({"org.opencontainers.image.ref.name":"v1"})");
  Files files = {{"index.json", OciLayout::Index(layout.index_entries)},
                 {"manifest.json", WriteDockerArchive({{config, {"app:v1", "b:v2"}, {"x"}}})},
                 {"oci-layout", layout.layout}};
  for (const auto& [hex, bytes] : layout.blobs) {
    files.emplace_back("blobs/sha256/" + hex, bytes);
  }
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> images, Import(MakeTar(files)));
  ASSERT_EQ(images.size(), 1);
  EXPECT_EQ(images[0].manifest, manifest);
  EXPECT_THAT(images[0].references,
              ElementsAre("docker.io/library/app:v1", "docker.io/library/b:v2"));
}

TEST_F(DockerImportTest, OutAndInAgain) {
  // One layer that the store made, one that came compressed, one that came as it is.
  OciLayout layout;
  layout.AddEntry(layout.AddImage({base_}, /*compressed=*/true),
                  R"({"org.opencontainers.image.ref.name":"base:1"})");
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> base, Import(layout.Tar()));
  NewImage built = MakeImage({{"new", "file"}});
  built.layers.insert(built.layers.begin(), base[0].layers[0]);
  ASSERT_OK_AND_ASSIGN(StoredImage image, images_->Commit("n", built, {"built:1", "q.io/x/y:2"}));
  ASSERT_NE(image.layers[0].digest, image.layers[0].diff_id);
  const ArchiveRequest wanted{ArchiveRequest::Format::kDocker, {"built:1", "base:1", "q.io/x/y:2"}};
  const std::string archive = Export(wanted);
  EXPECT_EQ(Export({wanted.format, {"base:1", "q.io/x/y:2", "built:1"}}), archive);
  EXPECT_THAT(archive, HasSubstr(R"("RepoTags":["built:1","q.io/x/y:2"])"));
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> again, Import(archive, "", /*name_space=*/"other"));
  ASSERT_EQ(again.size(), 2);
  ASSERT_OK_AND_ASSIGN(StoredImage back, images_->Get("other", "built:1"));
  EXPECT_EQ(back.config_json, image.config_json);
  EXPECT_THAT(back.references, ElementsAre("docker.io/library/built:1", "q.io/x/y:2"));
  EXPECT_EQ(back.layers[0].digest, Digest::Of(base_));
  EXPECT_EQ(ReadContentOf(back.layers[1].layer, "new"), "file");
}

TEST_F(DockerImportTest, ADamagedCompressedLayerIsNotExported) {
  OciLayout layout;
  layout.AddEntry(layout.AddImage({base_}, /*compressed=*/true),
                  R"({"org.opencontainers.image.ref.name":"base:1"})");
  ASSERT_OK_AND_ASSIGN(std::vector<StoredImage> base, Import(layout.Tar()));
  const std::string blob = root() + "/blobs/sha256/" + base[0].layers[0].digest.Hex();
  ASSERT_OK(WriteFileAtomically(blob, Compress(top_)));
  EXPECT_THAT(images_->Export("n", {ArchiveRequest::Format::kDocker, {"base:1"}},
                              [](std::string_view) { return absl::OkStatus(); }, {}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("cannot make the layer")));
}

TEST_F(DockerImportTest, BrokenArchives) {
  DockerArchive good;
  const std::string config = good.AddImage({"app:v1"}, {base_, top_});
  const std::string config_file = good.images[0].config;
  struct Case {
    const char* what;
    std::string archive;
    std::string message;
  };
  std::vector<Case> cases;
  auto add = [&](const char* what, const std::function<void(DockerArchive&)>& change,
                 const std::string& message) {
    DockerArchive archive = good;
    change(archive);
    cases.push_back({what, archive.Tar(), message});
  };
  auto layer = [](DockerArchive& archive) -> std::string& { return archive.images[0].layers[1]; };
  add(
      "no manifest", [](auto& a) { a.manifest = "-"; }, "no file \"manifest.json\"");
  add(
      "no JSON", [](auto& a) { a.manifest = "[{"; },
      "manifest.json: the document is not valid JSON");
  add(
      "no array", [](auto& a) { a.manifest = "{}"; }, "is not an array");
  add(
      "no image", [](auto& a) { a.manifest = "[]"; }, "has no image");
  add(
      "a number", [](auto& a) { a.manifest = "[7]"; }, "[0] is not an object");
  add(
      "deep", [](auto& a) { a.manifest = std::string(100, '[') + std::string(100, ']'); },
      "nested more than");
  add(
      "a huge manifest",
      [](auto& a) { a.manifest = "[" + std::string(kMaxManifestBytes, ' ') + "]"; },
      "at most 4194304 are allowed");
  add(
      "many images", [](auto& a) { a.images.insert(a.images.end(), 1000, a.images[0]); },
      "has 1001 images, at most 1000");
  add(
      "two manifests", [](auto& a) { a.File("manifest.json", "[]"); }, "two different files");
  add(
      "two configurations", [&](auto& a) { a.File(config_file, config + " "); },
      "two different files");
  add(
      "a file and a link", [&](auto& a) { a.Link(config_file, "x"); }, "two different files");
  add(
      "two links", [](auto& a) { a.Link("l", "x").Link("l", "y"); }, "two different files");
  add(
      "no configuration", [](auto& a) { a.images[0].config = "gone.json"; },
      "image \"app:v1\": the archive lacks the file \"gone.json\", its configuration");
  add(
      "an empty configuration", [](auto& a) { a.File("e", ""), a.images[0].config = "e"; },
      "its configuration");
  add(
      "a large configuration",
      [](auto& a) { a.File("e", std::string(kMaxConfigBytes + 1, ' ')), a.images[0].config = "e"; },
      "at most 8388608 are allowed");
  add(
      "a layer as configuration", [&](auto& a) { a.images[0].config = layer(a); },
      "its configuration");
  add(
      "a missing layer", [&](auto& a) { layer(a) = "x/layer.tar"; },
      "the archive lacks the file \"x/layer.tar\", its layer 2");
  add(
      "an absolute layer", [&](auto& a) { layer(a) = "/etc/passwd"; },
      "its layer 2, \"/etc/passwd\", is not within the archive");
  add(
      "a layer above", [&](auto& a) { layer(a) = "a/../../etc/passwd"; }, "not within the archive");
  add(
      "a link above", [&](auto& a) { a.Link("d/l", "../../etc/passwd"), layer(a) = "d/l"; },
      "not within the archive");
  add(
      "an absolute link", [&](auto& a) { a.Link("l", "/etc/passwd"), layer(a) = "l"; },
      "not within the archive");
  add(
      "an absolute hard link",
      [&](auto& a) { a.Link("l", "/etc/passwd", TarHeader::Type::kHardLink), layer(a) = "l"; },
      "not within the archive");
  add(
      "a link to itself", [&](auto& a) { a.Link("l", "l"), layer(a) = "l"; }, "leads nowhere");
  add(
      "links in a circle", [&](auto& a) { a.Link("l", "m").Link("m", "l"), layer(a) = "m"; },
      "leads nowhere");
  add(
      "a dangling link", [&](auto& a) { a.Link("l", "nowhere"), layer(a) = "l"; },
      "lacks the file");
  add(
      "a directory", [&](auto& a) { layer(a) = "."; }, "lacks the file");
  add(
      "a layer too few", [](auto& a) { a.images[0].layers.pop_back(); },
      "has 1 layers, but its configuration has 2 diff ids");
  add(
      "a layer too many", [](auto& a) { a.images[0].layers.push_back("l"); }, "has 3 layers");
  add(
      "another layer", [&](auto& a) { layer(a) = a.images[0].layers[0]; },
      "its tar has the digest " + Digest::Of(base_).ToString() + ", the configuration says " +
          Digest::Of(top_).ToString());
  add(
      "a layer that is no tar", [&](auto& a) { a.File("l", "text"), layer(a) = "l"; }, "layer 2");
  add(
      "a cut layer", [&](auto& a) { a.File("l", Compress(top_).substr(0, 40)), layer(a) = "l"; },
      "damaged");
  add(
      "a bad name", [](auto& a) { a.images[0].names = {"No/Name"}; },
      "say what it is to be called");
  add(
      "a NUL", [](auto& a) { a.manifest = R"([{"Config":"a\u0000b"}])"; }, "NUL");
  for (size_t cut : {size_t{100}, size_t{600}, good.Tar().size() / 2}) {
    cases.push_back({"cut off", good.Tar().substr(0, cut), ""});
  }
  for (const Case& broken : cases) {
    absl::StatusOr<std::vector<StoredImage>> imported = Import(broken.archive);
    ASSERT_THAT(imported, StatusIs(kInvalid, HasSubstr(broken.message))) << broken.what;
    EXPECT_EQ(imported.status().message().find('\n'), absl::string_view::npos) << broken.what;
    ExpectNothingLeft();
  }
  EXPECT_OK(Import(good.Tar()));
}

// Whatever bytes change, the archive is taken or refused as one that is broken, and refused ones
// leave nothing.
TEST_F(DockerImportTest, ChangedBytes) {
  DockerArchive archive;
  archive.AddImage({"app:v1"}, {base_, top_});
  const std::string good = archive.Tar();
  std::mt19937 random(1);
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string changed = good;
    for (int i = 0; i < 1 + round % 4; ++i) {
      changed[random() % changed.size()] = static_cast<char>(random());
    }
    absl::StatusOr<std::vector<StoredImage>> imported = Import(changed, "x");
    if (!imported.ok()) {
      ++refused;
      EXPECT_THAT(imported, StatusIs(kInvalid)) << round;
      ExpectNothingLeft();
      continue;
    }
    // To begin the next round with nothing.
    TearDown();
    SetUp();
  }
  EXPECT_GT(refused, 100);
}

TEST_F(DockerImportTest, StopsWhenAskedTo) {
  DockerArchive archive;
  archive.AddImage({"app:v1"}, {base_});
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(images_->Import("n", MakeFile(root() + "/tmp", archive.Tar()), "", stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  ExpectNothingLeft();
}

}  // namespace
}  // namespace zlayer
