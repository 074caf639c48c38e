#include "registry/image/image_json.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Digest kA = Digest::Of("a");
const Digest kB = Digest::Of("b");

std::string Quoted(const Digest& digest) { return "\"" + digest.ToString() + "\""; }

// A configuration whose `config` member is `config`.
std::string ConfigWith(const std::string& config) {
  return R"({"architecture":"amd64","os":"linux","config":)" + config +
         R"(,"rootfs":{"type":"layers","diff_ids":[]}})";
}

NewImage FullImage() {
  NewImage image;
  image.platform.set_os("linux");
  image.platform.set_architecture("arm64");
  image.platform.set_variant("v8");
  v1::ImageConfig& config = image.config;
  config.set_author("A. Uthor");
  config.add_env("PATH=/bin");
  config.add_env("A=<b>&\"c\"");
  config.mutable_entrypoint()->add_words("/bin/app");
  config.mutable_cmd()->add_words("--flag");
  config.set_user("1000:100");
  config.set_working_dir("/w");
  (*config.mutable_labels())["z"] = "1";
  (*config.mutable_labels())["a"] = "2";
  config.add_exposed_ports("443/tcp");
  config.add_exposed_ports("80/tcp");
  config.add_volumes("/data");
  config.set_stop_signal("SIGINT");
  config.mutable_shell()->add_words("/bin/bash");
  config.mutable_shell()->add_words("-c");
  v1::Healthcheck& check = *config.mutable_healthcheck();
  check.add_test("CMD-SHELL");
  check.add_test("true");
  check.set_interval_ns(30'000'000'000);
  check.set_timeout_ns(1'000'000'000);
  check.set_start_period_ns(2'000'000'000);
  check.set_start_interval_ns(500'000'000);
  check.set_retries(3);
  config.add_on_build("RUN make");
  config.set_args_escaped(true);
  image.history.push_back({0, "FROM scratch", "", "", true});
  image.history.push_back({1'500'000'000, "COPY . /", "a comment", "someone", false});
  image.layers.push_back({Digest::Of("layer"), kA, kB, 1234, std::string(kTarGzipMediaType)});
  image.created_ns = 1'700'000'000'000'000'000;
  image.annotations = {{"k2", "v"}, {"k1", "v"}};
  return image;
}

TEST(ImageJsonTest, ConfigIsWrittenInBuildKitsOrder) {
  EXPECT_EQ(
      WriteConfig(FullImage()),
      R"({"architecture":"arm64","author":"A. Uthor","config":{"User":"1000:100",)"
      R"("ExposedPorts":{"443/tcp":{},"80/tcp":{}},"Env":["PATH=/bin","A=<b>&\"c\""],)"
      R"("Entrypoint":["/bin/app"],"Cmd":["--flag"],"Volumes":{"/data":{}},"WorkingDir":"/w",)"
      R"("Labels":{"a":"2","z":"1"},"StopSignal":"SIGINT","ArgsEscaped":true,"Healthcheck":{"Test":["CMD-SHELL","true"],)"
      R"("Interval":30000000000,"Timeout":1000000000,"StartPeriod":2000000000,)"
      R"("StartInterval":500000000,"Retries":3},"OnBuild":["RUN make"],"Shell":["/bin/bash","-c"]},)"
      R"("created":"2023-11-14T22:13:20Z","history":[{"created":"1970-01-01T00:00:00Z",)"
      R"("created_by":"FROM scratch","empty_layer":true},{"created":"1970-01-01T00:00:01.5Z",)"
      R"("created_by":"COPY . /","author":"someone","comment":"a comment"}],"os":"linux",)"
      R"("rootfs":{"type":"layers","diff_ids":[)" +
          Quoted(kA) + R"(]},"variant":"v8"})");
}

TEST(ImageJsonTest, ConfigRoundTrips) {
  NewImage image = FullImage();
  ASSERT_OK_AND_ASSIGN(ConfigDocument config, ParseConfig(WriteConfig(image)));
  EXPECT_TRUE(MessageDifferencer::Equals(config.config, image.config));
  EXPECT_TRUE(MessageDifferencer::Equals(config.platform, image.platform));
  EXPECT_EQ(config.created_ns, image.created_ns);
  EXPECT_THAT(config.diff_ids, ElementsAre(kA));
  ASSERT_EQ(config.history.size(), 2);
  EXPECT_TRUE(config.history[0].empty_layer);
  EXPECT_EQ(config.history[1].created_ns, 1'500'000'000);
  EXPECT_EQ(config.history[1].created_by, "COPY . /");
  EXPECT_EQ(config.history[1].comment, "a comment");
  EXPECT_EQ(config.history[1].author, "someone");
}

TEST(ImageJsonTest, SmallestConfig) {
  NewImage image;
  image.platform.set_os("linux");
  image.platform.set_architecture("amd64");
  EXPECT_EQ(WriteConfig(image),
            R"({"architecture":"amd64","config":{},"created":"1970-01-01T00:00:00Z",)"
            R"("history":[],"os":"linux","rootfs":{"type":"layers","diff_ids":[]}})");
}

TEST(ImageJsonTest, BytesThatAreNotUtf8AreReplaced) {
  NewImage image = FullImage();
  image.history[0].created_by = "RUN \xff";
  EXPECT_THAT(WriteConfig(image), HasSubstr("RUN \xef\xbf\xbd"));
}

TEST(ImageJsonTest, ConfigWithoutConfigMember) {
  ASSERT_OK_AND_ASSIGN(ConfigDocument config, ParseConfig(R"({"architecture":"amd64","os":"linux",
      "rootfs":{"type":"layers","diff_ids":null}})"));
  EXPECT_TRUE(MessageDifferencer::Equals(config.config, v1::ImageConfig()));
  EXPECT_THAT(config.diff_ids, IsEmpty());
}

TEST(ImageJsonTest, NullIsAbsentAndEmptyIsNot) {
  ASSERT_OK_AND_ASSIGN(ConfigDocument config,
                       ParseConfig(ConfigWith(R"({"Env":null,"Cmd":null,"Entrypoint":[],
      "Labels":null,"Volumes":null,"OnBuild":null,"Healthcheck":null})")));
  EXPECT_FALSE(config.config.has_cmd());
  EXPECT_TRUE(config.config.has_entrypoint());
  EXPECT_FALSE(config.config.has_healthcheck());
}

TEST(ImageJsonTest, TimesInAllForms) {
  auto created = [](const std::string& time) {
    return ParseConfig(R"({"architecture":"a","os":"linux","created":")" + time +
                       R"(","rootfs":{"type":"layers"}})")
        ->created_ns;
  };
  EXPECT_EQ(created("1970-01-01T00:00:01.000000001Z"), 1'000'000'001);
  EXPECT_EQ(created("1970-01-01T02:00:01+02:00"), 1'000'000'000);
  EXPECT_EQ(created("0001-01-01T00:00:00Z"), 0);
}

struct Hostile {
  std::string json;
  std::string message;
};

class HostileConfig : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileConfig, IsRefusedByName) {
  EXPECT_THAT(ParseConfig(GetParam().json),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().message)));
}

std::string Nested(size_t depth) {
  return R"({"x":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
}

INSTANTIATE_TEST_SUITE_P(
    ImageJson, HostileConfig,
    ::testing::Values(
        Hostile{"", "not valid JSON"}, Hostile{"[]", "not an object"},
        Hostile{"{\"a\":\"\xff\"}", "not valid JSON"}, Hostile{"{\"a\":1e999}", "not valid JSON"},
        Hostile{Nested(100), "nested more than 64"},
        Hostile{Nested(2'000'000), "nested more than 64"},
        Hostile{"{\"x\":\"" + std::string(kMaxConfigBytes, 'x') + "\"}", "bytes, at most"},
        Hostile{R"({"os":"linux","rootfs":{"type":"layers"}})", "architecture is missing"},
        Hostile{R"({"os":"linux","architecture":"a"})", "rootfs is missing"},
        Hostile{R"({"os":"linux","architecture":"a","rootfs":{"type":"trees"}})",
                "rootfs.type is not \"layers\""},
        Hostile{R"({"os":"linux","architecture":"a","rootfs":{"type":"layers","diff_ids":["x"]}})",
                "rootfs.diff_ids[0] is not a digest"},
        Hostile{R"({"os":3,"architecture":"a","rootfs":{"type":"layers"}})", "os is not a string"},
        Hostile{R"({"os":"l","architecture":"a","created":"now","rootfs":{"type":"layers"}})",
                "created is not a time"},
        Hostile{R"({"os":"l","architecture":"a","history":[{"empty_layer":1}],)"
                R"("rootfs":{"type":"layers"}})",
                "history[0].empty_layer is not true or false"},
        Hostile{ConfigWith("3"), "config is not an object"},
        Hostile{ConfigWith(R"({"Env":["a=b","c=d",5]})"), "config.Env[2] is not a string"},
        Hostile{ConfigWith(R"({"Env":["a=b",null]})"), "config.Env[1] is null"},
        Hostile{ConfigWith(R"({"Env":["a=\u0000"]})"), "config.Env[0] has a NUL"},
        Hostile{ConfigWith(R"({"Env":{"a":"b"}})"), "config.Env is not an array"},
        Hostile{ConfigWith(R"({"Labels":{"k":[]}})"), "config.Labels[\"k\"] is not a string"},
        Hostile{ConfigWith(R"({"Labels":{"k\u0000":""}})"), "NUL character in its name"},
        Hostile{ConfigWith(R"({"ExposedPorts":["80"]})"), "config.ExposedPorts is not an object"},
        Hostile{ConfigWith(R"({"Cmd":"sh"})"), "config.Cmd is not an array"},
        Hostile{ConfigWith(R"({"Healthcheck":{"Retries":-1}})"),
                "config.Healthcheck.Retries is not a whole number"},
        Hostile{ConfigWith(R"({"Healthcheck":{"Retries":4294967296}})"),
                "config.Healthcheck.Retries is too large"},
        Hostile{ConfigWith(R"({"Healthcheck":{"Interval":1.5}})"),
                "config.Healthcheck.Interval is not a whole number"}));

TEST(ImageJsonTest, ManifestIsWrittenAndRead) {
  NewImage image = FullImage();
  std::string json = WriteManifest(image, Digest::Of("config"), 77);
  EXPECT_EQ(json, R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
                  R"("config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":)" +
                      Quoted(Digest::Of("config")) +
                      R"(,"size":77},"layers":[{"mediaType":)"
                      R"("application/vnd.oci.image.layer.v1.tar+gzip","digest":)" +
                      Quoted(kB) + R"(,"size":1234}],"annotations":{"k1":"v","k2":"v"}})");
  ASSERT_OK_AND_ASSIGN(ManifestDocument manifest, ParseManifest(json));
  EXPECT_EQ(manifest.media_type, kManifestMediaType);
  EXPECT_EQ(manifest.config.digest, Digest::Of("config"));
  EXPECT_EQ(manifest.config.size, 77);
  ASSERT_EQ(manifest.layers.size(), 1);
  EXPECT_EQ(manifest.layers[0].digest, kB);
  EXPECT_EQ(manifest.layers[0].size, 1234);
  EXPECT_EQ(manifest.layers[0].media_type, kTarGzipMediaType);
}

TEST(ImageJsonTest, DockersManifestIsRead) {
  ASSERT_OK_AND_ASSIGN(ManifestDocument manifest, ParseManifest(R"({"schemaVersion":2,
          "mediaType":"application/vnd.docker.distribution.manifest.v2+json",
          "config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":1,"digest":)" +
                                                                Quoted(kA) +
                                                                R"(},"layers":[{"mediaType":
          "application/vnd.docker.image.rootfs.diff.tar.gzip","size":2,"digest":)" +
                                                                Quoted(kB) + "}]}"));
  EXPECT_TRUE(IsManifestMediaType(manifest.media_type));
  EXPECT_TRUE(IsConfigMediaType(manifest.config.media_type));
  EXPECT_TRUE(IsLayerMediaType(manifest.layers[0].media_type));
}

TEST(ImageJsonTest, MediaTypes) {
  EXPECT_TRUE(IsLayerMediaType(kTarMediaType));
  EXPECT_TRUE(IsLayerMediaType(kTarGzipMediaType));
  EXPECT_TRUE(IsLayerMediaType(kTarZstdMediaType));
  EXPECT_TRUE(IsLayerMediaType("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"));
  EXPECT_FALSE(IsLayerMediaType("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"));
  EXPECT_FALSE(IsLayerMediaType("application/vnd.in-toto+json"));
  EXPECT_TRUE(IsIndexMediaType("application/vnd.docker.distribution.manifest.list.v2+json"));
  EXPECT_FALSE(IsIndexMediaType(kManifestMediaType));
}

TEST(ImageJsonTest, WrongManifests) {
  EXPECT_THAT(ParseManifest(R"({"schemaVersion":1})"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("schemaVersion is not 2")));
  EXPECT_THAT(
      ParseManifest(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"})"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("mediaType is not an image manifest's")));
  EXPECT_THAT(
      ParseManifest(R"({"schemaVersion":2})"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("config.digest is not a digest")));
  EXPECT_THAT(ParseManifest(R"({"schemaVersion":2,"config":{"digest":)" + Quoted(kA) +
                            R"(},"layers":[{"digest":)" + Quoted(kB) + R"(,"size":-1}]})"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("layers[0].size is not")));
  EXPECT_THAT(ParseIndex(R"({"schemaVersion":2,"manifests":[{"digest":"md5:1"}]})"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("manifests[0].digest is not a digest")));
}

TEST(ImageJsonTest, ManifestsWithMoreMembersThanAnyoneNeeds) {
  std::string annotations;
  for (int i = 0; i < 1001; ++i) {
    annotations += fmt::format("{}\"a{}\":\"\"", i == 0 ? "" : ",", i);
  }
  const std::string index =
      fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","manifests":[],"annotations":{{{}}}}})",
                  kIndexMediaType, annotations);
  EXPECT_THAT(ParseAnyManifest("", index),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1000 members")));
  EXPECT_THAT(ParseIndex(index), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ImageJsonTest, LayoutIndexNamesTheImage) {
  Descriptor manifest;
  manifest.media_type = kManifestMediaType;
  manifest.digest = kA;
  manifest.size = 5;
  manifest.platform.set_os("linux");
  manifest.platform.set_architecture("amd64");
  std::string json = WriteLayoutIndex({{manifest, "docker.io/library/app:v1"}});
  EXPECT_EQ(json, R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",)"
                  R"("manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
                  R"("digest":)" +
                      Quoted(kA) +
                      R"(,"size":5,"annotations":{"io.containerd.image.name":)"
                      R"("docker.io/library/app:v1","org.opencontainers.image.ref.name":"v1"},)"
                      R"("platform":{"architecture":"amd64","os":"linux"}}]})");
  ASSERT_OK_AND_ASSIGN(std::vector<Descriptor> manifests, ParseIndex(json));
  ASSERT_EQ(manifests.size(), 1);
  EXPECT_EQ(manifests[0].annotations["org.opencontainers.image.ref.name"], "v1");
  EXPECT_EQ(manifests[0].platform.architecture(), "amd64");
  EXPECT_THAT(WriteLayoutIndex({{manifest, ""}}), ::testing::Not(HasSubstr("annotations")));
}

TEST(ImageJsonTest, DockerArchives) {
  const std::string json =
      WriteDockerArchive({{"c.json", {"a:1", "b:2"}, {"l.tar"}}, {"d.json", {}, {}}});
  EXPECT_EQ(json, R"([{"Config":"c.json","RepoTags":["a:1","b:2"],"Layers":["l.tar"]},)"
                  R"({"Config":"d.json","RepoTags":null,"Layers":[]}])");
  ASSERT_OK_AND_ASSIGN(std::vector<DockerArchiveImage> images, ParseDockerArchive(json));
  ASSERT_EQ(images.size(), 2);
  EXPECT_EQ(images[0].config, "c.json");
  EXPECT_THAT(images[0].names, ElementsAre("a:1", "b:2"));
  EXPECT_THAT(images[0].layers, ElementsAre("l.tar"));
  EXPECT_TRUE(images[1].names.empty());
  EXPECT_THAT(ParseDockerArchive("{}"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not an array")));
  EXPECT_THAT(ParseDockerArchive("[{}]"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[0].Config is missing")));
  EXPECT_THAT(
      ParseDockerArchive(R"([{"Config":"c","Layers":"l"}])"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[0].Layers is not an array")));
}

TEST(ImageJsonTest, ManyLabelsAreWrittenInLinearTime) {
  NewImage image;
  image.platform.set_os("linux");
  image.platform.set_architecture("amd64");
  for (int i = 0; i < 50'000; ++i) {
    (*image.config.mutable_labels())[std::to_string(i)] = "";
  }
  ASSERT_OK_AND_ASSIGN(ConfigDocument config, ParseConfig(WriteConfig(image)));
  EXPECT_EQ(config.config.labels_size(), 50'000);
}

std::string IndexWithMore(const std::string& first, const std::string& second) {
  return R"({"subject":{"mediaType":"a/b","digest":")" + Digest::Of("subject").ToString() +
         R"(","size":7},"schemaVersion":2,"artifactType":"c/d","mediaType":")" +
         std::string(kIndexMediaType) + R"(","manifests":[)" + first + "," + second +
         R"(],"annotations":{"z":"1","a":"2"},"x":[1]})";
}

std::string EntryWithMore(const std::string& digest, const std::string& of_digest) {
  return R"({"size":5,"digest":")" + Digest::Of(digest).ToString() + R"(","mediaType":")" +
         std::string(kManifestMediaType) + R"(",)" + of_digest +
         R"("artifactType":"e/f","platform":{"os":"windows","architecture":"amd64",)"
         R"("os.features":["win32k"],"new":true},"annotations":{"k":"v","b":"c"},"unknown":{}})";
}

TEST(WriteIndexTest, WhatIsNotChangedStays) {
  const std::string of_digest = R"("urls":["https://x"],"data":"eA==",)";
  const std::string old =
      IndexWithMore(EntryWithMore("one", of_digest), EntryWithMore("two", of_digest));
  ASSERT_OK_AND_ASSIGN(AnyManifest index, ParseAnyManifest(kIndexMediaType, old));
  KeepEntries(old, &index.manifests);
  EXPECT_EQ(WriteIndex(index.manifests, index.annotations, old), old);

  index.manifests[1].digest = Digest::Of("three");
  EXPECT_EQ(WriteIndex(index.manifests, index.annotations, old),
            IndexWithMore(EntryWithMore("one", of_digest), EntryWithMore("three", "")));

  index.manifests.erase(index.manifests.begin());
  index.manifests[0].annotations["k"] = "w";
  index.annotations = {{"new", "er"}};
  ASSERT_OK_AND_ASSIGN(
      index, ParseAnyManifest(kIndexMediaType, WriteIndex(index.manifests, index.annotations)));
  KeepEntries(WriteIndex(index.manifests, {}), &index.manifests);
  EXPECT_EQ(index.manifests.size(), 1);
  EXPECT_EQ(index.manifests[0].annotations["k"], "w");
  EXPECT_EQ(index.annotations["new"], "er");
  EXPECT_TRUE(index.subject.IsNone());
}

}  // namespace
}  // namespace zlayer
