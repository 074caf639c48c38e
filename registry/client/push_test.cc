// Pushing to a registry that fails in every way that is known.

#include <atomic>
#include <chrono>
#include <functional>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/client/testing/client_fixture.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Request = FakeServer::Request;
using Peer = FakeServer::Peer;

class PushTest : public ClientFixture {
 protected:
  // As a push does it; nothing where the blob was sent.
  absl::StatusOr<std::optional<BlobFound>> Put(const std::vector<std::string>& mount_from = {},
                                               std::stop_token stop = {}) {
    ASSIGN_OR_RETURN(const std::optional<BlobFound> found,
                     client_->FindBlob(Where(), Digest::Of(bytes_), mount_from, stop));
    if (!found.has_value()) {
      RETURN_IF_ERROR(client_->PutBlob(Where(), Source(bytes_), std::move(stop)));
    }
    return found;
  }
  // In place of the first bodies that are sent.
  void BodyFaults(std::vector<std::function<std::string(const Request&, Peer&)>> faults) {
    registry_.SetFault([this, faults = std::move(faults)](const Request& r,
                                                          Peer& p) -> std::optional<std::string> {
      if (r.method != "PUT" && r.method != "PATCH") {
        return std::nullopt;
      }
      const size_t count = bodies_++;
      return count < faults.size() ? std::optional(faults[count](r, p)) : std::nullopt;
    });
  }
  std::function<std::string(const Request&, Peer&)> BreakAt(size_t size) {
    return [this, size](const Request& r, Peer& p) { return registry_.BreakUpload(r, p, size); };
  }
  std::function<std::string(const Request&, Peer&)> Refuse(std::string reply) {
    return [reply = std::move(reply)](const Request&, Peer& peer) {
      peer.Body();
      return reply;
    };
  }
  void ExpectStored() {
    EXPECT_EQ(registry_.Blob("lib/app", Digest::Of(bytes_)), bytes_);
    EXPECT_EQ(registry_.BlobCount("lib/app"), 1u);
  }
  int Count(std::string_view start) { return CountOf(registry_.server(), start); }
  // Content-Range of each PATCH.
  std::vector<std::string> PatchRanges() {
    std::vector<std::string> ranges;
    for (const Request& request : registry_.server().Requests()) {
      if (request.method == "PATCH") {
        ranges.push_back(request.Header("content-range"));
      }
    }
    return ranges;
  }

  std::string bytes_ = TestBytes(5'000'000);
  std::atomic<size_t> bodies_ = 0;
};

TEST_F(PushTest, InOnePut) {
  bytes_ = TestBytes(1'000'000);
  EXPECT_THAT(Put(), IsOkAndHolds(Eq(std::nullopt)));
  ExpectStored();
  const Request put = registry_.server().Requests().back();
  EXPECT_EQ(put.method, "PUT");
  EXPECT_EQ(put.Header("content-type"), "application/octet-stream");
  EXPECT_EQ(put.Header("content-length"), "1000000");
  EXPECT_EQ(put.Header("expect"), "");
  EXPECT_EQ(Count("PATCH"), 0);
}

TEST_F(PushTest, ALargeBlobInOnePatch) {
  EXPECT_THAT(Put(), IsOkAndHolds(Eq(std::nullopt)));
  ExpectStored();
  EXPECT_EQ(Count("PATCH"), 1);
  EXPECT_EQ(Count("PUT"), 1);
  const Request patch = *(registry_.server().Requests().rbegin() + 1);
  EXPECT_EQ(patch.method, "PATCH");
  EXPECT_EQ(patch.Header("content-type"), "application/octet-stream");
  EXPECT_EQ(patch.Header("transfer-encoding"), "chunked");
  EXPECT_EQ(patch.Header("expect"), "");
}

TEST_F(PushTest, EmptyBlob) {
  bytes_.clear();
  EXPECT_THAT(Put(), IsOkAndHolds(Eq(std::nullopt)));
  ExpectStored();
}

TEST_F(PushTest, WhatIsThereIsNotSent) {
  registry_.AddBlob("lib/app", bytes_);
  EXPECT_THAT(Put(), IsOkAndHolds(BlobFound::kPresent));
  EXPECT_EQ(Count("POST"), 0);
}

TEST_F(PushTest, MountedFromTheFirstThatHasIt) {
  registry_.AddBlob("lib/b", bytes_);
  EXPECT_THAT(Put({"lib/a", "lib/b", "lib/c"}), IsOkAndHolds(BlobFound::kMounted));
  ExpectStored();
  EXPECT_EQ(Count("POST"), 2);
  EXPECT_EQ(Count("PUT"), 0);
  EXPECT_EQ(registry_.UploadCount(), 0u);
}

TEST_F(PushTest, WhatIsFoundIsNotSent) {
  const Digest digest = registry_.AddBlob("lib/b", bytes_);
  EXPECT_THAT(client_->FindBlob(Where(), digest, {"lib/a"}, {}), IsOkAndHolds(Eq(std::nullopt)));
  EXPECT_EQ(registry_.UploadCount(), 0u);
  EXPECT_THAT(client_->FindBlob(Where(), digest, {"lib/a", "lib/b"}, {}),
              IsOkAndHolds(BlobFound::kMounted));
  EXPECT_THAT(client_->FindBlob(Where(), digest, {}, {}), IsOkAndHolds(BlobFound::kPresent));
  ExpectStored();
}

TEST_F(PushTest, RefusedMountsAreSent) {
  EXPECT_THAT(Put({"lib/a", "lib/b"}), IsOkAndHolds(Eq(std::nullopt)));
  ExpectStored();
  // The uploads that the registry began in place of the mounts are ended.
  EXPECT_EQ(Count("POST"), 3);
  EXPECT_EQ(registry_.UploadCount(), 0u);
}

TEST_F(PushTest, MountsThatAreForbiddenAreSent) {
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    return r.Parameter("mount").empty() ? std::nullopt : std::optional(Reply("403 Forbidden"));
  });
  EXPECT_THAT(Put({"lib/a"}), IsOkAndHolds(Eq(std::nullopt)));
  ExpectStored();
}

TEST_F(PushTest, BrokenUploadsAreGoneOnWith) {
  BodyFaults({BreakAt(3'000'000), BreakAt(1'500'000)});
  EXPECT_THAT(Put(), IsOkAndHolds(Eq(std::nullopt)));
  ExpectStored();
  EXPECT_EQ(Count("POST"), 1);
  EXPECT_THAT(PatchRanges(), ElementsAre("", "3000000-4999999", "4500000-4999999"));
}

TEST_F(PushTest, BrokenUploadsThatTheRegistryDropsBeginAnew) {
  registry_.SetKeepsUploads(false);
  BodyFaults({BreakAt(3'000'000)});
  EXPECT_THAT(Put(), IsOkAndHolds(Eq(std::nullopt)));
  ExpectStored();
  EXPECT_EQ(Count("POST"), 2);
  EXPECT_EQ(Count("PATCH"), 2);
}

TEST_F(PushTest, AllSentButTheAnswerLost) {
  bytes_ = TestBytes(1'000'000);
  // The registry kept the blob.
  BodyFaults({[&](const Request& r, Peer& p) {
    registry_.AddBlob("lib/app", p.Body());
    registry_.SetKeepsUploads(false);
    return registry_.BreakUpload(r, p, 0);
  }});
  EXPECT_OK(Put());
  ExpectStored();
  EXPECT_EQ(Count("PUT"), 1);
}

TEST_F(PushTest, AllSentButNotCommitted) {
  bytes_ = TestBytes(1'000'000);
  BodyFaults({BreakAt(1'000'000)});
  EXPECT_THAT(Put(), IsOkAndHolds(Eq(std::nullopt)));
  ExpectStored();
  EXPECT_EQ(Count("PATCH"), 0);
  EXPECT_EQ(Count("PUT"), 2);
}

TEST_F(PushTest, RefusedRestsBeginAnew) {
  BodyFaults({BreakAt(3'000'000), Refuse(Reply("416 No"))});
  EXPECT_THAT(Put(), IsOkAndHolds(Eq(std::nullopt)));
  ExpectStored();
  EXPECT_EQ(Count("POST"), 2);
}

TEST_F(PushTest, WhatTheRegistryMixedUpBeginsAnew) {
  BodyFaults({[&](const Request& r, Peer& p) {
    p.Body(1'000'000);
    return registry_.BreakUpload(r, p, 2'000'000);  // the wrong part
  }});
  EXPECT_THAT(Put(), IsOkAndHolds(Eq(std::nullopt)));
  ExpectStored();
}

// A registry that was started anew does not know the upload.
TEST_F(PushTest, UploadsThatTheRegistryForgetsBeginAnew) {
  for (const size_t size : {size_t{5'000'000}, size_t{1'000}}) {
    bytes_ = TestBytes(size);
    bodies_ = 0;
    BodyFaults({Refuse(Reply("404 Not Found"))});
    EXPECT_OK(Put());
    EXPECT_EQ(registry_.Blob("lib/app", Digest::Of(bytes_)), bytes_);
  }
  EXPECT_EQ(Count("POST"), 4);
}

// The body is sent again, and checked as if for the first time.
TEST_F(PushTest, ATokenThatIsRefusedInTheMiddle) {
  const std::string realm = registry_.server().Url("/token");
  std::atomic<bool> refused = false;
  registry_.SetFault([&](const Request& r, Peer& p) -> std::optional<std::string> {
    if (r.target.starts_with("/token")) {
      return Reply("200 OK", "", R"({"token":"t"})");
    }
    if (r.method == "PATCH" && !refused.exchange(true)) {
      p.Body();
      return Reply("401 No", "WWW-Authenticate: Bearer realm=\"" + realm + "\"\r\n");
    }
    return std::nullopt;
  });
  EXPECT_OK(Put());
  ExpectStored();
  EXPECT_EQ(Count("PATCH"), 2);
}

TEST_F(PushTest, RedirectsThatKeepTheMethodAreFollowed) {
  FakeRegistry other;
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    return r.method == "POST"
               ? std::optional(
                     Reply("307 There", "Location: " + other.server().Url(r.target) + "\r\n"))
               : std::nullopt;
  });
  EXPECT_OK(Put());
  EXPECT_EQ(other.Blob("lib/app", Digest::Of(bytes_)), bytes_);
}

TEST_F(PushTest, BusyServersAreAskedAgain) {
  BodyFaults({Refuse(Reply("503 Busy")), Refuse(Reply("429 Slow", "Retry-After: 0\r\n"))});
  EXPECT_THAT(Put(), IsOkAndHolds(Eq(std::nullopt)));
  ExpectStored();
}

TEST_F(PushTest, ARegistryThatForgetsAndRemembersIsNoProgress) {
  std::atomic<int> asked = 0;
  registry_.SetFault([&](const Request& r, Peer& p) -> std::optional<std::string> {
    if (r.method == "GET" && r.target.find("/uploads/") != std::string::npos) {
      return Reply("204 No Content", ++asked % 2 == 0 ? "Range: 0-0\r\n" : "Range: 0-3999999\r\n");
    }
    if (r.method == "PUT" || r.method == "PATCH") {
      p.Body(10);
      return "";
    }
    return std::nullopt;
  });
  EXPECT_THAT(Put(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(PushTest, RefusalsAreFinal) {
  bytes_ = TestBytes(1'000'000);
  BodyFaults({Refuse(Reply("400 Bad", "Content-Type: application/json\r\n",
                           R"({"errors":[{"code":"DIGEST_INVALID","message":"no"}]})"))});
  EXPECT_THAT(Put(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("the registry answered 400 (DIGEST_INVALID: no)")));
  EXPECT_EQ(registry_.BlobCount("lib/app"), 0u);
  EXPECT_EQ(Count("PUT"), 1);
}

TEST_F(PushTest, SourcesThatAreNotWhatTheySay) {
  BlobSource source = Source(bytes_);
  source.digest = Digest::Of("other");
  EXPECT_THAT(client_->PutBlob(Where(), source, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("DIGEST_INVALID")));
  source = Source(bytes_);
  source.size += 1;
  EXPECT_THAT(client_->PutBlob(Where(), source, {}), StatusIs(absl::StatusCode::kDataLoss));
  source.read = [](uint64_t, const auto&) { return NotFound("the file is gone"); };
  EXPECT_THAT(client_->PutBlob(Where(), source, {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("the file is gone")));
  EXPECT_EQ(registry_.BlobCount("lib/app"), 0u);
}

TEST_F(PushTest, StopEndsAnUpload) {
  std::stop_source stop;
  BodyFaults({[&](const Request&, Peer& peer) {
    stop.request_stop();
    peer.WaitUntilGone();
    return std::string();
  }});
  bytes_ = TestBytes(20'000'000);
  EXPECT_THAT(Put({}, stop.get_token()), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(registry_.BlobCount("lib/app"), 0u);
  EXPECT_EQ(registry_.UploadCount(), 0u);
}

TEST_F(PushTest, AnUploadThatFailsIsCancelledAtTheRegistry) {
  BodyFaults({Refuse(Reply("403 No"))});
  EXPECT_THAT(Put(), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(registry_.UploadCount(), 0u);
  // Nor does one stay that is begun anew.
  bodies_ = 0;
  BodyFaults({BreakAt(3'000'000), Refuse(Reply("416 No"))});
  EXPECT_THAT(Put(), IsOkAndHolds(Eq(std::nullopt)));
  EXPECT_EQ(registry_.UploadCount(), 0u);
}

TEST_F(PushTest, AStreamThatFailsIsCancelledAtTheRegistry) {
  BodyFaults({BreakAt(1000)});
  int made = 0;
  const BlobStream stream{.make = [&](const std::function<absl::Status(std::string_view)>& sink,
                                      std::stop_token) -> absl::StatusOr<RemoteDescriptor> {
    if (++made == 2) {
      return absl::DataLossError("the contents are damaged");
    }
    RETURN_IF_ERROR(sink(bytes_));
    return RemoteDescriptor{Digest::Of(bytes_), "a/b", bytes_.size()};
  }};
  EXPECT_THAT(client_->PutStream(Where(), stream, {}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(made, 2);
  EXPECT_EQ(Count("POST"), 1);
  EXPECT_EQ(Count("DELETE"), 1);
  EXPECT_EQ(registry_.UploadCount(), 0u);
}

// A blob of `bytes_` that is made while it is sent.
class StreamTest : public PushTest {
 protected:
  absl::Status PutStream() {
    const absl::StatusOr<RemoteDescriptor> sent = client_->PutStream(Where(), stream_, {});
    if (sent.ok()) {
      EXPECT_EQ(sent->digest, Digest::Of(bytes_));
      EXPECT_EQ(sent->size, bytes_.size());
    }
    return sent.status();
  }

  int made_ = 0;
  uint64_t done_ = 0;
  const BlobStream stream_{.make = [this](const std::function<absl::Status(std::string_view)>& sink,
                                          std::stop_token) -> absl::StatusOr<RemoteDescriptor> {
                             ++made_;
                             RETURN_IF_ERROR(Source(bytes_).read(0, sink));
                             return RemoteDescriptor{Digest::Of(bytes_), "a/b", bytes_.size()};
                           },
                           .progress = [this](uint64_t done) { done_ = done; }};
};

TEST_F(StreamTest, BrokenOnesGoOnFromAFile) {
  BodyFaults({BreakAt(3'000'000), BreakAt(1'500'000)});
  EXPECT_OK(PutStream());
  ExpectStored();
  EXPECT_EQ(made_, 2);
  EXPECT_EQ(done_, bytes_.size());
  EXPECT_EQ(Count("POST"), 1);
  EXPECT_THAT(PatchRanges(), ElementsAre("", "3000000-4999999", "4500000-4999999"));
}

TEST_F(StreamTest, BrokenOnesThatTheRegistryDropsBeginAnew) {
  registry_.SetKeepsUploads(false);
  BodyFaults({BreakAt(3'000'000)});
  EXPECT_OK(PutStream());
  ExpectStored();
  EXPECT_EQ(made_, 2);
  EXPECT_EQ(Count("POST"), 2);
}

TEST_F(StreamTest, OnesThatWereOnlyNotCommittedAreNotMadeAgain) {
  std::atomic<int> commits = 0;
  registry_.SetFault([&](const Request& r, Peer& p) -> std::optional<std::string> {
    return r.method == "PUT" && ++commits == 1 ? std::optional(Refuse(Reply("503 Busy"))(r, p))
                                               : std::nullopt;
  });
  EXPECT_OK(PutStream());
  ExpectStored();
  EXPECT_EQ(made_, 1);
  EXPECT_EQ(Count("PATCH"), 1);
  EXPECT_EQ(Count("PUT"), 2);
}

// The registry has the blob, and its answer is lost.
TEST_F(StreamTest, AllSentButTheAnswerLost) {
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    if (r.method != "PUT") {
      return std::nullopt;
    }
    registry_.AddBlob("lib/app", bytes_);
    return Reply("404 Not Found");  // what the second request meets
  });
  EXPECT_OK(PutStream());
  ExpectStored();
  EXPECT_EQ(made_, 1);
  EXPECT_EQ(Count("PUT"), 1);
}

TEST_F(StreamTest, UploadsThatTheRegistryForgetsBeginAnew) {
  BodyFaults({Refuse(Reply("404 Not Found"))});
  EXPECT_OK(PutStream());
  ExpectStored();
  EXPECT_EQ(Count("POST"), 2);
}

// A storage knows no PATCH.
TEST_F(StreamTest, ToAStorageItGoesAtOnce) {
  FakeServer storage([&](const Request& r, Peer& peer) {
    if (r.method == "PUT") {
      registry_.AddBlob("lib/app", peer.Body());
      return Reply("201 Created");
    }
    return Reply("405 No");
  });
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    return r.method == "POST" ? std::optional(Reply("202 Accepted",
                                                    "Location: " + storage.Url("/upload") + "\r\n"))
                              : std::nullopt;
  });
  EXPECT_OK(PutStream());
  ExpectStored();
  EXPECT_EQ(made_, 1);
}

TEST_F(PushTest, ARegistryThatDoesNotCancelIsNotWaitedForLong) {
  std::stop_source stop;
  registry_.SetFault([&](const Request& r, Peer& peer) -> std::optional<std::string> {
    if (r.method != "PUT" && r.method != "DELETE") {
      return std::nullopt;
    }
    stop.request_stop();
    peer.WaitUntilGone();
    return std::string();
  });
  bytes_ = TestBytes(20'000'000);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(Put({}, stop.get_token()), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  EXPECT_EQ(Count("DELETE"), 1);
}

TEST_F(PushTest, Manifest) {
  EXPECT_OK(client_->PutManifest(Where(), "v1", "a/b", "{\"x\": 1}", {}));
  const auto stored = registry_.FindManifest("lib/app", "v1");
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(stored->media_type, "a/b");
  EXPECT_EQ(stored->bytes, "{\"x\": 1}");
}

class ReferrersTest : public PushTest {
 protected:
  absl::Status PutSignature(const std::string& name) {
    signature_ = R"({"schemaVersion":2,"config":{"mediaType":"a/config"},"subject":{"mediaType":)"
                 R"("a/b","digest":")" +
                 subject_.ToString() + R"(","size":1},"annotations":{"name":")" + name + R"("}})";
    return client_->PutManifest(Where(), Digest::Of(signature_).ToString(), "a/sig", signature_,
                                {});
  }
  std::string List() {
    const auto list = registry_.FindManifest("lib/app", tag_);
    return list.has_value() ? list->bytes : "";
  }
  // Of the last signature.
  std::string Entry(const std::string& name) const {
    return R"({"annotations":{"name":")" + name + R"("},"artifactType":"a/config","digest":")" +
           Digest::Of(signature_).ToString() + R"(","mediaType":"a/sig","size":)" +
           std::to_string(signature_.size()) + "}";
  }

  const Digest subject_ = Digest::Of("subject");
  const std::string tag_ = "sha256-" + subject_.Hex();
  const std::string index_type_ = "application/vnd.oci.image.index.v1+json";
  std::string signature_;
};

TEST_F(ReferrersTest, AreListedUnderATagWhereTheRegistryDoesNotListThem) {
  ASSERT_OK(PutSignature("one"));
  const std::string one = Entry("one");
  const std::string begin = R"({"manifests":[)";
  const std::string end = R"(],"mediaType":")" + index_type_ + R"(","schemaVersion":2})";
  EXPECT_EQ(List(), begin + one + end);
  EXPECT_EQ(registry_.FindManifest("lib/app", tag_)->media_type, index_type_);
  ASSERT_OK(PutSignature("two"));
  EXPECT_EQ(List(), begin + one + "," + Entry("two") + end);
  // Not twice.
  ASSERT_OK(PutSignature("one"));
  EXPECT_EQ(List().size(), (begin + one + "," + Entry("two") + end).size());
}

TEST_F(ReferrersTest, AreNotListedWhereTheRegistryDoes) {
  registry_.SetListsReferrers(true);
  ASSERT_OK(PutSignature("one"));
  EXPECT_EQ(List(), "");
  EXPECT_EQ(Count("GET /v2/lib/app/manifests"), 0);
}

TEST_F(ReferrersTest, AnEntryThatAnotherClientOverwroteIsAddedAgain) {
  std::atomic<bool> overwritten = false;
  registry_.SetFault([&](const Request& r, Peer& peer) -> std::optional<std::string> {
    if (r.method != "PUT" || r.target.find(tag_) == std::string::npos ||
        overwritten.exchange(true)) {
      return std::nullopt;
    }
    peer.Body();
    registry_.AddManifest("lib/app", tag_,
                          {index_type_, R"({"schemaVersion":2,"manifests":[{"other":1}]})"});
    return Reply("201 Created");
  });
  ASSERT_OK(PutSignature("one"));
  EXPECT_THAT(List(), HasSubstr(R"([{"other":1},)" + Entry("one")));
}

TEST_F(ReferrersTest, ATagThatSomethingElseHasIsLeftAlone) {
  registry_.AddManifest("lib/app", tag_, {"a/b", "{}"});
  EXPECT_THAT(PutSignature("one"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       ::testing::AllOf(HasSubstr(tag_), HasSubstr("is no index"))));
  EXPECT_EQ(List(), "{}");
  EXPECT_TRUE(registry_.FindManifest("lib/app", Digest::Of(signature_).ToString()).has_value());
}

TEST_F(PushTest, ManifestOfWhatIsMissing) {
  for (const char* status : {"400 Bad", "404 Not Found"}) {
    BodyFaults({Refuse(
        Reply(status, "", R"({"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"gone"}]})"))});
    bodies_ = 0;
    EXPECT_THAT(client_->PutManifest(Where(), "v1", "a/b", "{}", {}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("MANIFEST_BLOB_UNKNOWN")));
  }
}

TEST_F(PushTest, ManifestThatArrivedDifferent) {
  BodyFaults({Refuse(
      Reply("201 Created", "Docker-Content-Digest: " + Digest::Of("other").ToString() + "\r\n"))});
  EXPECT_THAT(client_->PutManifest(Where(), "v1", "a/b", "{}", {}),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(PushTest, UploadsElsewhereGetNoCredentials) {
  FakeRegistry storage;
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    if (r.target != "/v2/" && r.Header("authorization").empty()) {
      return Reply("401 No", "WWW-Authenticate: Basic realm=\"x\"\r\n");
    }
    return r.method == "POST"
               ? std::optional(Reply("202 Accepted",
                                     "Location: " + storage.server().Url("/put?sig=1") + "\r\n"))
               : std::nullopt;
  });
  storage.SetFault([](const Request&, Peer& peer) {
    peer.Body();
    return Reply("201 Created");
  });
  Configure({.registry = registry_.Host(), .credentials = {.username = "me", .password = "pw"}});
  EXPECT_THAT(Put(), IsOkAndHolds(Eq(std::nullopt)));
  const std::vector<Request> requests = storage.server().Requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].target, "/put?sig=1&digest=sha256%3A" + Digest::Of(bytes_).Hex());
  EXPECT_EQ(requests[0].Header("authorization"), "");
}

TEST_F(PushTest, RedirectsThatMakeItAGetAreNotFollowed) {
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    return r.method == "POST" ? std::optional(Reply("302 Elsewhere", "Location: /x\r\n"))
                              : std::nullopt;
  });
  EXPECT_THAT(Put(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("answered 302")));
}

}  // namespace
}  // namespace zlayer
