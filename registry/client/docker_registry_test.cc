// Against Debian's docker-registry.

#include "registry/client/testing/docker_registry.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/status_macros.h"
#include "registry/client/testing/client_fixture.h"
#include "registry/client/testing/cutting_proxy.h"

namespace zlayer {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

const char kManifestType[] = "application/vnd.oci.image.manifest.v1+json";
const char kConfigType[] = "application/vnd.oci.image.config.v1+json";
const char kLayerType[] = "application/vnd.oci.image.layer.v1.tar";

class DockerRegistryTest : public ClientFixture {
 protected:
  void SetUp() override {
    if (!DockerRegistry::Available()) {
      GTEST_SKIP() << "needs docker-registry and openssl (packages of these names)";
    }
  }

  RemoteRepository At(const std::string& host, const std::string& repository) const {
    return {.registry = host, .repository = repository};
  }
  std::string Manifest() const {
    return fmt::format(
        R"({{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","digest":"{}",)"
        R"("size":{}}},"layers":[{{"mediaType":"{}","digest":"{}","size":{}}}]}})",
        kManifestType, kConfigType, Digest::Of(config_).ToString(), config_.size(), kLayerType,
        Digest::Of(layer_).ToString(), layer_.size());
  }

  // All operations, one after the other.
  void ExpectEverythingWorks(const std::string& host) {
    const RemoteRepository app = At(host, "lib/app");
    ASSERT_OK(client_->CheckCredentials(app, {}));
    EXPECT_THAT(client_->PutManifest(app, "v1", kManifestType, Manifest(), {}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("BLOB_UNKNOWN")));
    ASSERT_OK(client_->PutBlob(app, Source(config_), {}));
    ASSERT_OK(client_->PutBlob(app, Source(layer_), {}));
    ASSERT_OK(client_->PutBlob(app, Source(layer_), {}));
    ASSERT_OK(client_->PutManifest(app, "v1", kManifestType, Manifest(), {}));
    ASSERT_OK(client_->PutManifest(app, "v2", kManifestType, Manifest(), {}));

    const RemoteRepository copy = At(host, "lib/copy");
    EXPECT_THAT(client_->FindBlob(copy, Digest::Of(layer_), {"lib/none", "lib/app"}, {}),
                IsOkAndHolds(BlobFound::kMounted));
    EXPECT_THAT(client_->FindBlob(copy, Digest::Of(layer_), {}, {}),
                IsOkAndHolds(BlobFound::kPresent));

    ASSERT_OK_AND_ASSIGN(const RemoteManifest manifest, client_->GetManifest(app, "v1", {}));
    EXPECT_EQ(manifest.bytes, Manifest());
    EXPECT_EQ(manifest.media_type, kManifestType);
    ASSERT_OK(client_->GetManifest(app, manifest.digest.ToString(), {}));
    ASSERT_OK_AND_ASSIGN(const auto head, client_->HeadManifest(app, "v1", {}));
    EXPECT_EQ(head->digest, manifest.digest);
    EXPECT_EQ(head->size, manifest.bytes.size());
    EXPECT_THAT(client_->HeadManifest(app, "v3", {}), IsOkAndHolds(::testing::Eq(std::nullopt)));
    const Got got = Get(copy, {.digest = Digest::Of(layer_), .size = layer_.size()});
    ASSERT_OK(got.status);
    EXPECT_EQ(got.bytes, layer_);
  }

  // Of which uploads to the repository the registry keeps bytes; of one that is cancelled an empty
  // directory stays.
  static std::vector<std::string> Uploads(const DockerRegistry& registry,
                                          const std::string& repository) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(
             registry.Path("data/docker/registry/v2/repositories/" + repository + "/_uploads"),
             error)) {
      if (std::filesystem::exists(entry.path() / "data")) {
        names.push_back(entry.path().filename());
      }
    }
    return names;
  }

  const std::string config_ = R"({"architecture":"amd64","os":"linux"})";
  const std::string layer_ = TestBytes(8'000'000);
};

TEST_F(DockerRegistryTest, PlainHttpOnLoopbackNeedsNoConfiguration) {
  DockerRegistry registry;
  ExpectEverythingWorks(registry.Host());
}

TEST_F(DockerRegistryTest, TlsWithAnOwnCa) {
  DockerRegistry registry(DockerRegistry::Tls::kServer);
  Configure({.registry = registry.Host(), .ca_file = registry.Path("ca.pem")});
  ExpectEverythingWorks(registry.Host());
}

TEST_F(DockerRegistryTest, CertificatesThatNobodyTrusts) {
  DockerRegistry registry(DockerRegistry::Tls::kServer);
  EXPECT_THAT(client_->GetManifest(At(registry.Host(), "a"), "v1", {}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("the server's certificate is not trusted")));
  Configure({.registry = registry.Host(), .insecure = true});
  EXPECT_THAT(client_->GetManifest(At(registry.Host(), "a"), "v1", {}),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DockerRegistryTest, CaFileThatIsNone) {
  DockerRegistry registry(DockerRegistry::Tls::kServer);
  Configure({.registry = registry.Host(), .ca_file = registry.Path("config.yml")});
  EXPECT_THAT(
      client_->GetManifest(At(registry.Host(), "a"), "v1", {}),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("config.yml cannot be read")));
}

TEST_F(DockerRegistryTest, ClientCertificate) {
  DockerRegistry registry(DockerRegistry::Tls::kBoth);
  const RemoteRepository where = At(registry.Host(), "a");
  Configure({.registry = registry.Host(), .ca_file = registry.Path("ca.pem")});
  EXPECT_THAT(client_->CheckCredentials(where, {}),
              AnyOf(StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("wants a client certificate")),
                    StatusIs(absl::StatusCode::kUnavailable,
                             HasSubstr("the server ended the connection at once"))));
  options_.registries.clear();
  Configure({.registry = registry.Host(),
             .ca_file = registry.Path("ca.pem"),
             .client_cert = registry.Path("client.pem"),
             .client_key = registry.Path("client.key")});
  EXPECT_OK(client_->CheckCredentials(where, {}));
}

TEST_F(DockerRegistryTest, Password) {
  DockerRegistry registry(DockerRegistry::Tls::kNone, /*password=*/true);
  EXPECT_THAT(client_->CheckCredentials(At(registry.Host(), "a"), {}),
              StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("zlayer login")));
  RemoteRepository where = At(registry.Host(), "a");
  where.credentials = [](const std::string&, const std::string&) {
    return RegistryCredentials{.username = "me", .password = "wrong"};
  };
  EXPECT_THAT(client_->CheckCredentials(where, {}), StatusIs(absl::StatusCode::kUnauthenticated));
  Configure({.registry = registry.Host(), .credentials = {.username = "me", .password = "s3cret"}});
  ExpectEverythingWorks(registry.Host());
}

TEST_F(DockerRegistryTest, BrokenDownloadsAreGoneOnWith) {
  DockerRegistry registry;
  ASSERT_OK(client_->PutBlob(At(registry.Host(), "a"), Source(layer_), {}));
  CuttingProxy proxy(registry.port());
  const RemoteDescriptor blob = {.digest = Digest::Of(layer_), .size = layer_.size()};
  ASSERT_OK(client_->FindBlob(At(proxy.Host(), "a"), blob.digest, {}, {}));
  proxy.CutAfter(5'000'000);
  const Got got = Get(At(proxy.Host(), "a"), blob);
  ASSERT_OK(got.status);
  EXPECT_EQ(got.bytes, layer_);
  EXPECT_EQ(proxy.cuts(), 1);
}

TEST_F(DockerRegistryTest, BrokenUploadsEndWell) {
  DockerRegistry registry;
  CuttingProxy proxy(registry.port());
  const RemoteDescriptor blob = {.digest = Digest::Of(layer_), .size = layer_.size()};
  ASSERT_OK(client_->FindBlob(At(proxy.Host(), "a"), blob.digest, {}, {}));
  proxy.CutAfter(5'000'000);
  EXPECT_OK(client_->PutBlob(At(proxy.Host(), "a"), Source(layer_), {}));
  EXPECT_EQ(proxy.cuts(), 1);
  EXPECT_EQ(Get(At(registry.Host(), "a"), blob).bytes, layer_);
}

TEST_F(DockerRegistryTest, UploadsThatEndEarlyLeaveNothing) {
  DockerRegistry registry;
  std::function<absl::Status()> half;
  const auto write = [&](const std::function<absl::Status(std::string_view)>& sink) {
    RETURN_IF_ERROR(sink(std::string_view(layer_).substr(0, layer_.size() / 2)));
    RETURN_IF_ERROR(half());
    return sink(std::string_view(layer_).substr(layer_.size() / 2));
  };
  BlobSource source = Source(layer_);
  source.read = [&](uint64_t, const auto& sink) { return write(sink); };
  const BlobStream stream{
      .make = [&](const auto& sink, std::stop_token) -> absl::StatusOr<RemoteDescriptor> {
        RETURN_IF_ERROR(write(sink));
        return RemoteDescriptor{Digest::Of(layer_), kLayerType, layer_.size()};
      }};
  const RemoteRepository where = At(registry.Host(), "a");

  half = [] { return absl::DataLossError("damaged"); };
  EXPECT_THAT(client_->PutBlob(where, source, {}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("damaged")));
  EXPECT_THAT(client_->PutStream(where, stream, {}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("damaged")));
  std::stop_source stop;
  half = [&] {
    stop.request_stop();
    return absl::OkStatus();
  };
  EXPECT_THAT(client_->PutBlob(where, source, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  stop = std::stop_source();
  EXPECT_THAT(client_->PutStream(where, stream, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Uploads(registry, "a"), ::testing::IsEmpty());
}

TEST_F(DockerRegistryTest, WhatRefersToAManifestIsListedUnderATag) {
  DockerRegistry registry;
  const RemoteRepository where = At(registry.Host(), "a");
  ASSERT_OK(client_->PutBlob(where, Source(config_), {}));
  ASSERT_OK(client_->PutBlob(where, Source(layer_), {}));
  ASSERT_OK(client_->PutManifest(where, "v1", kManifestType, Manifest(), {}));
  std::string signature = Manifest();
  signature.insert(
      1, fmt::format(R"("artifactType":"a/sig","subject":{{"mediaType":"{}",)"
                     R"("digest":"{}","size":{}}},)",
                     kManifestType, Digest::Of(Manifest()).ToString(), Manifest().size()));
  const std::string digest = Digest::Of(signature).ToString();
  ASSERT_OK(client_->PutManifest(where, digest, kManifestType, signature, {}));
  ASSERT_OK(client_->PutManifest(where, "sig", kManifestType, signature, {}));
  ASSERT_OK_AND_ASSIGN(const RemoteManifest list,
                       client_->GetManifest(where, "sha256-" + Digest::Of(Manifest()).Hex(), {}));
  EXPECT_EQ(list.media_type, "application/vnd.oci.image.index.v1+json");
  EXPECT_THAT(list.bytes, ::testing::AllOf(HasSubstr(digest), HasSubstr("a/sig")));
}

TEST_F(DockerRegistryTest, ABlobIsSentWhileItIsMade) {
  DockerRegistry registry;
  CuttingProxy proxy(registry.port());
  int made = 0;
  const BlobStream stream{.make = [&](const std::function<absl::Status(std::string_view)>& sink,
                                      std::stop_token) -> absl::StatusOr<RemoteDescriptor> {
    ++made;
    for (size_t at = 0; at < layer_.size(); at += 100'000) {
      RETURN_IF_ERROR(sink(std::string_view(layer_).substr(at, 100'000)));
    }
    return RemoteDescriptor{Digest::Of(layer_), kLayerType, layer_.size()};
  }};
  ASSERT_OK_AND_ASSIGN(const RemoteDescriptor sent,
                       client_->PutStream(At(registry.Host(), "a"), stream, {}));
  EXPECT_EQ(Get(At(registry.Host(), "a"), sent).bytes, layer_);
  EXPECT_EQ(made, 1);
  // Where the connection breaks it is made again, but what the registry has is not sent again.
  ASSERT_OK(client_->FindBlob(At(proxy.Host(), "b"), sent.digest, {}, {}));
  proxy.CutAfter(5'000'000);
  ASSERT_OK(client_->PutStream(At(proxy.Host(), "b"), stream, {}));
  EXPECT_EQ(made, 3);
  EXPECT_EQ(Get(At(registry.Host(), "b"), sent).bytes, layer_);
  // What the maker says is what the caller hears.
  const BlobStream broken{.make = [](const std::function<absl::Status(std::string_view)>& sink,
                                     std::stop_token) -> absl::StatusOr<RemoteDescriptor> {
    RETURN_IF_ERROR(sink("begin"));
    return absl::DataLossError("the contents are damaged");
  }};
  EXPECT_THAT(client_->PutStream(At(registry.Host(), "c"), broken, {}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("damaged")));
}

}  // namespace
}  // namespace zlayer
