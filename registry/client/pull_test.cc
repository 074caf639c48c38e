// Pulling from a registry that fails in every way that is known.

#include <atomic>
#include <thread>

#include "base/errors.h"
#include "registry/client/testing/client_fixture.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Request = FakeServer::Request;
using Peer = FakeServer::Peer;

const char kOciManifest[] = "application/vnd.oci.image.manifest.v1+json";

class PullTest : public ClientFixture {
 protected:
  PullTest() {
    digest_ = registry_.AddBlob("lib/app", bytes_);
    blob_ = {.digest = digest_, .size = bytes_.size()};
  }

  // Answers of the first requests for the blob; later ones are the registry's.
  void BlobFaults(std::vector<std::function<std::string(const Request&, Peer&)>> faults) {
    registry_.SetFault([this, faults = std::move(faults)](const Request& r,
                                                          Peer& p) -> std::optional<std::string> {
      if (r.method != "GET" || r.target.find("/blobs/") == std::string::npos) {
        return std::nullopt;
      }
      const size_t count = blob_requests_++;
      return count < faults.size() ? std::optional(faults[count](r, p)) : std::nullopt;
    });
  }
  std::function<std::string(const Request&, Peer&)> Always(std::string reply) {
    return [reply = std::move(reply)](const Request&, Peer&) { return reply; };
  }
  // Sends the whole blob's head and the bytes before `size`.
  std::function<std::string(const Request&, Peer&)> DropAt(size_t size) {
    return [this, size](const Request&, Peer& peer) {
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes_.size()) + "\r\n\r\n" +
                bytes_.substr(0, size));
      return std::string();
    };
  }

  const std::string bytes_ = TestBytes(3'000'000);
  Digest digest_;
  RemoteDescriptor blob_;
  std::atomic<size_t> blob_requests_ = 0;
};

TEST_F(PullTest, ManifestByTagAndDigest) {
  const std::string bytes = "{\"schemaVersion\": 2}\n";
  const Digest digest = registry_.AddManifest("lib/app", "v1", {kOciManifest, bytes});
  ASSERT_OK_AND_ASSIGN(const RemoteManifest by_tag, client_->GetManifest(Where(), "v1", {}));
  EXPECT_EQ(by_tag.bytes, bytes);
  EXPECT_EQ(by_tag.digest, digest);
  EXPECT_EQ(by_tag.media_type, kOciManifest);
  EXPECT_OK(client_->GetManifest(Where(), digest.ToString(), {}));
  ASSERT_OK_AND_ASSIGN(const auto head, client_->HeadManifest(Where(), "v1", {}));
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->digest, digest);
  EXPECT_EQ(head->size, bytes.size());
  EXPECT_EQ(head->media_type, kOciManifest);
  for (const Request& request : registry_.server().Requests()) {
    if (request.target.find("/manifests/") != std::string::npos) {
      for (const char* type : {kOciManifest, "application/vnd.oci.image.index.v1+json",
                               "application/vnd.docker.distribution.manifest.list.v2+json",
                               "application/vnd.docker.distribution.manifest.v2+json"}) {
        EXPECT_THAT(request.Header("accept"), HasSubstr(type));
      }
    }
  }
}

TEST_F(PullTest, WhatIsNotThere) {
  EXPECT_THAT(client_->GetManifest(Where(), "v1", {}),
              StatusIs(absl::StatusCode::kNotFound,
                       registry_.Host() + "/lib/app: manifest v1: the registry answered 404 "
                                          "(MANIFEST_UNKNOWN: as it is)"));
  EXPECT_THAT(client_->HeadManifest(Where(), "v1", {}), IsOkAndHolds(::testing::Eq(std::nullopt)));
  EXPECT_THAT(Get(Where(), {.digest = Digest::Of("x"), .size = 1}).status,
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("BLOB_UNKNOWN")));
  EXPECT_THAT(client_->FindBlob(Where(), Digest::Of("x"), {}, {}),
              IsOkAndHolds(::testing::Eq(std::nullopt)));
  EXPECT_THAT(client_->FindBlob(Where(), digest_, {}, {}), IsOkAndHolds(BlobFound::kPresent));
}

TEST_F(PullTest, ManifestOfTheWrongDigest) {
  const Digest wanted = Digest::Of("other");
  registry_.AddManifest("lib/app", wanted.ToString(), {kOciManifest, "{}"});
  EXPECT_THAT(client_->GetManifest(Where(), wanted.ToString(), {}),
              StatusIs(absl::StatusCode::kDataLoss));
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    return r.target == "/v2/" ? std::nullopt
                              : std::optional(Reply("200 OK",
                                                    "Docker-Content-Digest: " + wanted.ToString() +
                                                        "\r\nContent-Type: a/b\r\n",
                                                    "{}"));
  });
  EXPECT_THAT(client_->GetManifest(Where(), "v1", {}), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(PullTest, ManifestThatIsTooLarge) {
  registry_.AddManifest("lib/app", "v1", {kOciManifest, std::string((4 << 20) + 1, ' ')});
  EXPECT_THAT(client_->GetManifest(Where(), "v1", {}),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(PullTest, HeadWithoutADigestReadsTheManifest) {
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    if (r.target == "/v2/") {
      return std::nullopt;
    }
    return r.method == "HEAD"
               ? Reply("200 OK")
               : Reply("200 OK", "Content-Type: application/json\r\n", "{\"mediaType\":\"a/b\"}");
  });
  ASSERT_OK_AND_ASSIGN(const auto head, client_->HeadManifest(Where(), "v1", {}));
  EXPECT_EQ(head->digest, Digest::Of("{\"mediaType\":\"a/b\"}"));
  EXPECT_EQ(head->media_type, "a/b");
}

TEST_F(PullTest, Blob) {
  const Got got = Get(Where(), blob_);
  ASSERT_OK(got.status);
  EXPECT_EQ(got.bytes, bytes_);
}

TEST_F(PullTest, EmptyBlob) {
  const Digest digest = registry_.AddBlob("lib/app", "");
  EXPECT_OK(Get(Where(), {.digest = digest, .size = 0}).status);
}

TEST_F(PullTest, DropsAreGoneOnWith) {
  BlobFaults({DropAt(1000), Always("")});
  const Got got = Get(Where(), blob_);
  ASSERT_OK(got.status);
  EXPECT_EQ(got.bytes, bytes_);
  EXPECT_EQ(registry_.server().Requests().back().Header("range"), "bytes=1000-");
}

TEST_F(PullTest, ProgressGivesFurtherAttempts) {
  std::vector<std::function<std::string(const Request&, Peer&)>> faults;
  for (int i = 0; i < 4; ++i) {
    faults.push_back(Always(""));
  }
  faults.insert(faults.begin() + 3, DropAt(1'500'000));
  faults.push_back(Always(""));
  BlobFaults(std::move(faults));
  const Got got = Get(Where(), blob_);
  ASSERT_OK(got.status);
  EXPECT_EQ(got.bytes, bytes_);
}

TEST_F(PullTest, WithoutRangesNothingComesTwice) {
  registry_.SetRanges(false);
  BlobFaults({DropAt(2'000'000), DropAt(500'000)});
  const Got got = Get(Where(), blob_);
  ASSERT_OK(got.status);
  EXPECT_EQ(got.bytes, bytes_);
}

TEST_F(PullTest, RefusedRangesAreDoneWithout) {
  const std::string head = "Content-Length: " + std::to_string(bytes_.size()) + "\r\n";
  BlobFaults({DropAt(1000), Always(Reply("416 No"))});
  EXPECT_EQ(Get(Where(), blob_).bytes, bytes_);
  blob_requests_ = 0;
  BlobFaults({DropAt(1000), Always(Reply("206 Partial Content",
                                         "Content-Range: bytes 0-2999999/3000000\r\n", bytes_))});
  const Got got = Get(Where(), blob_);
  ASSERT_OK(got.status);
  EXPECT_EQ(got.bytes, bytes_);
  EXPECT_EQ(registry_.server().Requests().back().Header("range"), "");
}

TEST_F(PullTest, BusyServersAreAskedAgain) {
  BlobFaults({Always(Reply("503 Busy")), Always(Reply("503 Busy")),
              Always(Reply("429 Slow Down", "Retry-After: 1\r\n")), Always(Reply("500 Oops"))});
  const Got got = Get(Where(), blob_);
  ASSERT_OK(got.status);
  EXPECT_EQ(got.bytes, bytes_);
}

TEST_F(PullTest, ServersThatStayBusy) {
  BlobFaults(std::vector<std::function<std::string(const Request&, Peer&)>>(
      9, Always(Reply("502 Bad", "Content-Type: text/plain\r\n", "nobody home"))));
  const Got got = Get(Where(), blob_);
  EXPECT_THAT(got.status, StatusIs(absl::StatusCode::kUnavailable,
                                   HasSubstr("the registry answered 502 (nobody home)")));
  EXPECT_EQ(got.bytes, "");
  EXPECT_EQ(blob_requests_, 5u);
}

TEST_F(PullTest, WrongDigest) {
  std::string wrong = bytes_;
  wrong.back() ^= 1;
  BlobFaults({Always(Reply("200 OK", "", wrong))});
  EXPECT_THAT(Get(Where(), blob_).status,
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("what came has the digest " + Digest::Of(wrong).ToString())));
  EXPECT_EQ(blob_requests_, 1u);
}

TEST_F(PullTest, WrongLengths) {
  BlobFaults({Always(Reply("200 OK", "", bytes_ + "x")), Always(Reply("200 OK", "", "short"))});
  Got got = Get(Where(), blob_);
  EXPECT_THAT(got.status, StatusIs(absl::StatusCode::kDataLoss,
                                   HasSubstr("it has 3000001 bytes and should have 3000000")));
  EXPECT_EQ(got.bytes, "");
  got = Get(Where(), blob_);
  EXPECT_THAT(got.status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(got.bytes, "");
}

TEST_F(PullTest, TooMuchWithoutALength) {
  BlobFaults({[&](const Request&, Peer& peer) {
    peer.Send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + bytes_ + "more");
    return std::string();
  }});
  const Got got = Get(Where(), blob_);
  EXPECT_THAT(got.status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("more than the 3000000")));
  EXPECT_LE(got.bytes.size(), bytes_.size());
}

TEST_F(PullTest, TruncatedWithoutALengthIsGoneOnWith) {
  BlobFaults({[&](const Request&, Peer& peer) {
    peer.Send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + bytes_.substr(0, 777));
    return std::string();
  }});
  const Got got = Get(Where(), blob_);
  ASSERT_OK(got.status);
  EXPECT_EQ(got.bytes, bytes_);
}

TEST_F(PullTest, StalledTransfersAreGoneOnWith) {
  options_.stall_ms = 100;
  client_ = MakeRegistryClient(options_);
  BlobFaults({[&](const Request&, Peer& peer) {
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes_.substr(0, 10));
    peer.WaitUntilGone();
    return std::string();
  }});
  const Got got = Get(Where(), blob_);
  ASSERT_OK(got.status);
  EXPECT_EQ(got.bytes, bytes_);
}

TEST_F(PullTest, SinkErrorsEndIt) {
  const absl::Status status =
      client_->GetBlob(Where(), blob_, {.append = [](auto) { return Unavailable("no disk"); }}, {});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no disk")));
  EXPECT_EQ(CountOf(registry_.server(), "GET /v2/lib/app/blobs/"), 1);
}

TEST_F(PullTest, StopEndsATransfer) {
  std::stop_source stop;
  BlobFaults({[&](const Request&, Peer& peer) {
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n");
    stop.request_stop();
    peer.WaitUntilGone();
    return std::string();
  }});
  EXPECT_THAT(Get(Where(), blob_, stop.get_token()).status,
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("the transfer was canceled")));
}

TEST_F(PullTest, TransfersHaveALimit) {
  Configure({.registry = registry_.Host(), .max_transfers = 2});
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  registry_.SetFault([&](const Request& r, Peer& p) -> std::optional<std::string> {
    if (r.target.find("/blobs/") == std::string::npos) {
      return std::nullopt;
    }
    const int now = ++running;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    p.Send(Reply("200 OK", "", bytes_).substr(0, 2'000'000));
    --running;
    p.Send(std::string_view(Reply("200 OK", "", bytes_)).substr(2'000'000));
    return "";
  });
  std::vector<std::jthread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] { EXPECT_OK(Get(Where(), blob_).status); });
  }
  threads.clear();
  EXPECT_LE(most, 2);
}

TEST_F(PullTest, StopEndsTheWaitForAPlace) {
  Configure({.registry = registry_.Host(), .max_transfers = 1});
  std::stop_source stop;
  const absl::Status status =
      client_->GetBlob(Where(), blob_,
                       {.append =
                            [&](auto) {
                              stop.request_stop();
                              EXPECT_THAT(Get(Where(), blob_, stop.get_token()).status,
                                          StatusIs(absl::StatusCode::kCancelled));
                              return absl::OkStatus();
                            }},
                       {});
  EXPECT_OK(status);
}

TEST_F(PullTest, NamesThatAreNone) {
  for (const char* name : {"", "../x", "a/../b", "/a", "a/", "a//b", "a?b", "a b", "a%2fb"}) {
    EXPECT_THAT(client_->GetManifest(Where(name), "v1", {}),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
  for (const char* name : {"", "a/b", "a?b", "a#b", ".."}) {
    EXPECT_THAT(client_->GetManifest(Where(), name, {}),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
  EXPECT_TRUE(registry_.server().Requests().empty());
}

TEST_F(PullTest, ConnectionsAreKept) {
  registry_.AddManifest("lib/app", "v1", {kOciManifest, "{}"});
  EXPECT_OK(client_->GetManifest(Where(), "v1", {}));
  const int connection = registry_.server().Requests().back().connection;
  for (int i = 0; i < 3; ++i) {
    EXPECT_OK(client_->GetManifest(Where(), "v1", {}));
    EXPECT_OK(Get(Where(), blob_).status);
  }
  EXPECT_EQ(registry_.server().Requests().back().connection, connection);
  EXPECT_EQ(CountOf(registry_.server(), "GET /v2/ "), 0);
}

}  // namespace
}  // namespace zlayer
