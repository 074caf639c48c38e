// Reading from mirrors first.

#include "base/errors.h"
#include "registry/client/testing/client_fixture.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

using Request = FakeServer::Request;
using Peer = FakeServer::Peer;

const char kOciManifest[] = "application/vnd.oci.image.manifest.v1+json";

class MirrorTest : public ClientFixture {
 protected:
  MirrorTest() {
    digest_ = registry_.AddBlob("lib/app", bytes_);
    blob_ = {.digest = digest_, .size = bytes_.size()};
    Configure({.registry = registry_.Host(), .mirrors = {mirror_.server().Url("/cache")}});
  }
  FakeRegistry mirror_;
  const std::string bytes_ = TestBytes(3'000'000);
  Digest digest_;
  RemoteDescriptor blob_;
};

TEST_F(MirrorTest, IsAskedFirst) {
  mirror_.AddBlob("cache/lib/app", bytes_);
  EXPECT_EQ(Get(Where(), blob_).bytes, bytes_);
  EXPECT_TRUE(registry_.server().Requests().empty());
}

TEST_F(MirrorTest, WhatItLacksComesFromTheRegistry) {
  registry_.AddManifest("lib/app", "v1", {kOciManifest, "{}"});
  EXPECT_EQ(Get(Where(), blob_).bytes, bytes_);
  EXPECT_OK(client_->GetManifest(Where(), "v1", {}));
  ASSERT_OK_AND_ASSIGN(const auto head, client_->HeadManifest(Where(), "v1", {}));
  EXPECT_TRUE(head.has_value());
  EXPECT_THAT(client_->GetManifest(Where(), "v2", {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no mirror helped: ")));
}

TEST_F(MirrorTest, WhatItBreaksOffTheRegistryGoesOnWith) {
  int count = 0;
  mirror_.SetFault([&](const Request& r, Peer& peer) -> std::optional<std::string> {
    if (r.target == "/v2/") {
      return std::nullopt;
    }
    if (count++ == 0) {
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes_.substr(0, 5000));
    }
    return "";
  });
  const Got got = Get(Where(), blob_);
  ASSERT_OK(got.status);
  EXPECT_EQ(got.bytes, bytes_);
  EXPECT_EQ(registry_.server().Requests().back().Header("range"), "bytes=5000-");
}

TEST_F(MirrorTest, WrongBytesComeAnewFromElsewhere) {
  for (const size_t size : {size_t{3'000'000}, size_t{3'000'001}, size_t{1'000'000}}) {
    // Behind some of them the connection breaks, and the rest comes from the registry.
    mirror_.SetFault([&](const Request& r, Peer& peer) -> std::optional<std::string> {
      if (r.target == "/v2/") {
        return std::nullopt;
      }
      peer.Send("HTTP/1.1 200 OK\r\n" +
                std::string(size < 3'000'000 ? "Content-Length: 3000000\r\n" : "") +
                "Connection: close\r\n\r\n" + std::string(size, 'x'));
      return std::string();
    });
    const Got got = Get(Where(), blob_);
    EXPECT_OK(got.status);
    EXPECT_EQ(got.bytes, bytes_) << size;
    // Of a sink that cannot begin anew it is an error. (What breaks off is left alone a while.)
    client_ = MakeRegistryClient(options_);
    std::string kept;
    EXPECT_THAT(client_->GetBlob(Where(), blob_,
                                 {.append =
                                      [&](std::string_view data) {
                                        kept += data;
                                        return absl::OkStatus();
                                      }},
                                 {}),
                StatusIs(absl::StatusCode::kDataLoss));
    client_ = MakeRegistryClient(options_);
  }
}

TEST_F(MirrorTest, WhatItCutsShortIsGoneOnWithElsewhere) {
  mirror_.SetFault([&](const Request& r, Peer& peer) -> std::optional<std::string> {
    if (r.target == "/v2/") {
      return std::nullopt;
    }
    peer.Send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + bytes_.substr(0, 2'000'000));
    return std::string();
  });
  EXPECT_EQ(Get(Where(), blob_).bytes, bytes_);
}

TEST_F(MirrorTest, AnAnswerThatIsNoManifestIsPassedOver) {
  registry_.AddManifest("lib/app", "v1", {kOciManifest, "{}"});
  mirror_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    return r.target == "/v2/"
               ? std::nullopt
               : std::optional(Reply("200 OK", "Content-Type: text/html\r\n", "<p>Welcome</p>"));
  });
  EXPECT_OK(client_->GetManifest(Where(), "v1", {}));
}

TEST_F(MirrorTest, IsLeftAloneAfterItDidNotAnswer) {
  mirror_.SetFault([](const Request&, Peer&) { return Reply("503 Busy"); });
  EXPECT_OK(Get(Where(), blob_).status);
  const size_t asked = mirror_.server().Requests().size();
  EXPECT_EQ(asked, 2u);
  EXPECT_OK(Get(Where(), blob_).status);
  EXPECT_EQ(mirror_.server().Requests().size(), asked);
}

TEST_F(MirrorTest, IsNotWaitedForLong) {
  mirror_.SetFault([](const Request&, Peer&) -> std::optional<std::string> {
    return Reply("429 Slow Down", "Retry-After: 60\r\n");
  });
  EXPECT_EQ(Get(Where(), blob_).bytes, bytes_);
}

TEST_F(MirrorTest, SinkErrorsEndIt) {
  mirror_.AddBlob("cache/lib/app", bytes_);
  int calls = 0;
  const BlobSink sink = {.append = [&](auto) {
    ++calls;
    return Unavailable("no disk");
  }};
  EXPECT_THAT(client_->GetBlob(Where(), blob_, sink, {}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no disk")));
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(registry_.server().Requests().empty());
}

TEST_F(MirrorTest, IsNotWrittenTo) {
  EXPECT_OK(client_->PutManifest(Where(), "v1", kOciManifest, "{}", {}));
  EXPECT_TRUE(mirror_.server().Requests().empty());
}

TEST_F(MirrorTest, GetsNoCredentialsOfTheRegistry) {
  mirror_.SetFault([&](const Request&, Peer&) -> std::optional<std::string> {
    return Reply("401 No", "WWW-Authenticate: Basic realm=\"x\"\r\n");
  });
  RemoteRepository where = Where();
  where.credentials = [&](const std::string& registry, const std::string&) {
    return registry == registry_.Host() ? RegistryCredentials{.username = "me", .password = "pw"}
                                        : RegistryCredentials();
  };
  EXPECT_OK(Get(where, blob_).status);
  for (const Request& request : mirror_.server().Requests()) {
    EXPECT_EQ(request.Header("authorization"), "");
  }
}

}  // namespace
}  // namespace zlayer
