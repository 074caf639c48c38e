#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/files.h"
#include "registry/server/registry_server.h"
#include "registry/server/testing/memory_repositories.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kManifestType[] = "application/vnd.oci.image.manifest.v1+json";

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string body;
  absl::Status error;

  std::string Code() const {
    const auto json = nlohmann::json::parse(body, nullptr, false);
    return json.is_object() ? json["errors"][0]["code"].get<std::string>() : "";
  }
};

// The handler without a network: the conformance test has the endpoints, this the corners.
class RegistryHandlerTest : public ::testing::Test {
 protected:
  Answer Ask(std::string method, std::string target, const std::string& body = "",
             std::vector<std::pair<std::string, std::string>> headers = {}) {
    HttpOutcome outcome = handler_->Handle({.method = std::move(method),
                                            .target = std::move(target),
                                            .headers = std::move(headers),
                                            .content_length = body.size()});
    if (auto* later = std::get_if<HttpLater>(&outcome)) {
      std::promise<HttpResponse> answer;
      (*later)({}, [&answer](HttpResponse response) { answer.set_value(std::move(response)); });
      return Read(answer.get_future().get());
    }
    if (auto* sink = std::get_if<std::unique_ptr<HttpBodySink>>(&outcome)) {
      std::optional<HttpResponse> early;
      for (size_t at = 0; at < body.size() && !early; at += 100'000) {
        early = (*sink)->Append(std::string_view(body).substr(at, 100'000));
      }
      return Read(early ? *std::move(early) : (*sink)->Finish());
    }
    return Read(std::move(std::get<HttpResponse>(outcome)));
  }

  static Answer Read(HttpResponse response) {
    Answer answer{.status = response.status, .body = response.body, .error = response.error};
    for (auto& [name, value] : response.headers) {
      answer.headers[name] = value;
    }
    if (response.content != nullptr) {
      answer.body.resize(response.content->size());
      EXPECT_OK(response.content->Read(0, answer.body.data(), answer.body.size(), {}));
    }
    return answer;
  }

  void Restart(bool writable, size_t uploads = 256) {
    sessions_ = std::make_unique<UploadSessions>(UploadLimits{.sessions = uploads}, SystemClock());
    handler_ =
        NewRegistryHandler({.repositories = &repositories_, .uploads = sessions_.get()}, writable);
  }

  // Blobs that are not here are asked for with `fetch`.
  void FetchWith(BlobFetch fetch) {
    handler_ = NewRegistryHandler({.repositories = &repositories_,
                                   .uploads = sessions_.get(),
                                   .name_space = "tenant",
                                   .fetch = std::move(fetch),
                                   .fetchers = &fetchers_},
                                  /*writable=*/true);
  }

  std::string Manifest(const std::string& more = "") {
    const Digest config = repositories_.AddBlob("{}");
    return R"({"schemaVersion":2,"config":{"mediaType":"c","size":2,"digest":")" +
           config.ToString() + "\"}" + more + "}";
  }
  std::string Begin() { return Ask("POST", "/v2/app/blobs/uploads/").headers["Location"]; }

  MemoryRepositories repositories_;
  std::unique_ptr<UploadSessions> sessions_ =
      std::make_unique<UploadSessions>(UploadLimits(), SystemClock());
  ThreadPool fetchers_{2};
  std::unique_ptr<HttpHandler> handler_ = NewRegistryHandler(
      {.repositories = &repositories_, .uploads = sessions_.get()}, /*writable=*/true);
};

TEST_F(RegistryHandlerTest, IsReadOnlyUntilToldOtherwise) {
  const Digest blob = repositories_.AddBlob("blob");
  ASSERT_EQ(Ask("PUT", "/v2/app/manifests/1", Manifest(), {{"content-type", kManifestType}}).status,
            201);
  Restart(false);
  for (const auto& [method, target] : std::vector<std::pair<std::string, std::string>>{
           {"POST", "/v2/app/blobs/uploads/"},
           {"PUT", "/v2/app/manifests/1"},
           {"DELETE", "/v2/app/manifests/1"},
           {"DELETE", "/v2/app/blobs/" + blob.ToString()},
           {"PATCH", "/v2/app/blobs/uploads/x"}}) {
    Answer answer = Ask(method, target);
    EXPECT_EQ(answer.status, 405) << method << target;
    EXPECT_EQ(answer.Code(), "UNSUPPORTED");
    EXPECT_EQ(answer.headers["Allow"], "GET, HEAD");
  }
  EXPECT_EQ(Ask("GET", "/v2/app/manifests/1").status, 200);
  EXPECT_EQ(Ask("GET", "/v2/app/blobs/" + blob.ToString()).body, "blob");
}

TEST_F(RegistryHandlerTest, BlobsThatAreElsewhereAreFetched) {
  const Digest here = repositories_.AddBlob("here");
  const Digest there = Digest::Of("there");
  std::vector<std::string> asked;
  absl::Status status;
  FetchWith([&](const std::string& name_space, const Digest& blob, std::stop_token) {
    asked.push_back(name_space + " " + blob.ToString());
    if (status.ok()) {
      repositories_.AddBlob("there");
    }
    return status;
  });
  const std::string target = "/v2/app/blobs/" + there.ToString();
  EXPECT_EQ(Ask("GET", "/v2/app/blobs/" + here.ToString()).body, "here");
  EXPECT_EQ(Ask("DELETE", target).status, 404);
  EXPECT_TRUE(asked.empty());

  status = absl::NotFoundError("nobody has it");
  Answer answer = Ask("GET", target);
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.Code(), "BLOB_UNKNOWN");
  EXPECT_OK(answer.error);
  status = absl::UnavailableError("secret host is down");
  answer = Ask("HEAD", target);
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
  EXPECT_FALSE(answer.error.ok());

  status = absl::OkStatus();
  answer = Ask("GET", target, "", {{"range", "bytes=1-2"}});
  EXPECT_EQ(answer.status, 206);
  EXPECT_EQ(answer.body, "he");
  EXPECT_EQ(asked.size(), 3u);
  EXPECT_EQ(asked.back(), "tenant " + there.ToString());
  EXPECT_EQ(Ask("GET", target).body, "there");
  EXPECT_EQ(asked.size(), 3u);
}

TEST_F(RegistryHandlerTest, RefusesMethodsThatAnEndpointLacks) {
  for (const auto& [method, target, allow] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"POST", "/v2/", "GET, HEAD"},
           {"PATCH", "/v2/app/manifests/1", "GET, HEAD, PUT, DELETE"},
           {"GET", "/v2/app/blobs/uploads/", "POST"},
           {"DELETE", "/v2/app/tags/list", "GET, HEAD"},
           {"HEA", "/v2/", "GET, HEAD"},
           {"", "/v2/", "GET, HEAD"}}) {
    Answer answer = Ask(method, target);
    EXPECT_EQ(answer.status, 405) << method << target;
    EXPECT_EQ(answer.headers["Allow"], allow);
  }
}

TEST_F(RegistryHandlerTest, FindsTheSameRepositoryUnderItsNames) {
  const std::string manifest = Manifest();
  ASSERT_EQ(Ask("PUT", "/v2/app/manifests/1", manifest, {{"content-type", kManifestType}}).status,
            201);
  EXPECT_EQ(Ask("GET", "/v2/library/app/manifests/1").body, manifest);
  EXPECT_EQ(Ask("GET", "/v2/docker.io/library/app/manifests/1").body, manifest);
  EXPECT_EQ(Ask("GET", "/v2/other/app/manifests/1").status, 404);
  EXPECT_EQ(Ask("GET", "/v2/library/app/tags/list").body, R"({"name":"library/app","tags":["1"]})");
}

TEST_F(RegistryHandlerTest, CatalogLeavesOutWhatNoUrlCanName) {
  for (const char* repository : {"docker.io/library/app", "docker.io/team/app", "ghcr.io/x/y",
                                 "localhost:5000/app", "localhost:5000/b", "z.example/a"}) {
    ASSERT_OK(repositories_.PutManifest("", {.repository = repository, .bytes = Manifest()}));
  }
  EXPECT_EQ(Ask("GET", "/v2/_catalog").body,
            R"({"repositories":["app","team/app","ghcr.io/x/y","z.example/a"]})");
  Answer page = Ask("GET", "/v2/_catalog?n=2&last=app");
  EXPECT_EQ(page.body, R"({"repositories":["team/app","ghcr.io/x/y"]})");
  EXPECT_EQ(page.headers["Link"], R"(</v2/_catalog?n=2&last=ghcr.io/x/y>; rel="next")");
  page = Ask("GET", "/v2/_catalog?n=2&last=ghcr.io/x/y");
  EXPECT_EQ(page.body, R"({"repositories":["z.example/a"]})");
  EXPECT_EQ(page.headers.count("Link"), 0u);
  EXPECT_EQ(Ask("GET", "/v2/_catalog?n=x").status, 400);
  EXPECT_EQ(Ask("GET", "/v2/_catalog?n=0").body, R"({"repositories":[]})");
}

TEST_F(RegistryHandlerTest, AnswersThatNothingChanged) {
  Answer put = Ask("PUT", "/v2/app/manifests/1", Manifest(), {{"content-type", kManifestType}});
  const std::string tag = "\"" + put.headers["Docker-Content-Digest"] + "\"";
  for (const std::string& header : {tag, "W/" + tag, "\"x\", " + tag, std::string("*")}) {
    Answer answer = Ask("GET", "/v2/app/manifests/1", "", {{"if-none-match", header}});
    EXPECT_EQ(answer.status, 304) << header;
    EXPECT_EQ(answer.headers["ETag"], tag);
    EXPECT_EQ(answer.body, "");
  }
  EXPECT_EQ(Ask("GET", "/v2/app/manifests/1", "", {{"if-none-match", "\"x\""}}).status, 200);
  const std::string blob = "/v2/app/blobs/" + repositories_.AddBlob("blob").ToString();
  const std::string blob_tag = Ask("GET", blob).headers["ETag"];
  EXPECT_EQ(Ask("GET", blob, "", {{"if-none-match", blob_tag}}).status, 304);
  // A range of something else is the whole.
  EXPECT_EQ(Ask("GET", blob, "", {{"range", "bytes=1-2"}, {"if-range", "\"x\""}}).body, "blob");
  EXPECT_EQ(Ask("GET", blob, "", {{"range", "bytes=1-2"}, {"if-range", blob_tag}}).body, "lo");
}

TEST_F(RegistryHandlerTest, ServesRangesOfFiles) {
  auto fd = OpenUnnamedFile(::testing::TempDir());
  ASSERT_OK(fd);
  ASSERT_OK(WriteFully(fd->get(), "before0123456789behind"));
  const Digest digest = Digest::Of("0123456789");
  repositories_.AddFile(
      digest, {.fd = std::make_shared<const UniqueFd>(*std::move(fd)), .offset = 6, .size = 10});
  const std::string target = "/v2/app/blobs/" + digest.ToString();
  EXPECT_EQ(Ask("GET", target).body, "0123456789");
  Answer part = Ask("GET", target, "", {{"range", "bytes=3-5"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.headers["Content-Range"], "bytes 3-5/10");
  EXPECT_EQ(part.body, "345");
}

TEST_F(RegistryHandlerTest, TakesTheTypeOfAManifestFromWhereItIs) {
  const std::string typed = Manifest(std::string(R"(,"mediaType":")") + kManifestType + "\"");
  EXPECT_EQ(Ask("PUT", "/v2/app/manifests/1", typed).status, 201);
  EXPECT_EQ(Ask("GET", "/v2/app/manifests/1").headers["Content-Type"], kManifestType);
  EXPECT_EQ(
      Ask("PUT", "/v2/app/manifests/2", Manifest(), {{"content-type", "a/b; charset=x"}}).status,
      201);
  EXPECT_EQ(Ask("GET", "/v2/app/manifests/2").headers["Content-Type"], "a/b");
  EXPECT_EQ(Ask("PUT", "/v2/app/manifests/3", typed, {{"content-type", "a/b"}}).Code(),
            "MANIFEST_INVALID");
  EXPECT_EQ(Ask("PUT", "/v2/app/manifests/3", typed, {{"content-type", "a/b\r\nX: y"}}).Code(),
            "MANIFEST_INVALID");
}

TEST_F(RegistryHandlerTest, RefusesHostileManifests) {
  const auto put = [this](const std::string& body) {
    return Ask("PUT", "/v2/app/manifests/1", body, {{"content-type", kManifestType}});
  };
  for (const std::string& body :
       {std::string(100'000, '['), std::string("\xff\xfe"), std::string("{\"schemaVersion\":2}x"),
        Manifest(R"(,"subject":{"digest":"sha256:\r\nX-Evil: 1"})"), Manifest(R"(,"subject":5)"),
        Manifest(R"(,"mediaType":["x"])")}) {
    const Answer answer = put(body);
    EXPECT_EQ(answer.status, 400) << body.substr(0, 100);
    EXPECT_EQ(answer.Code(), "MANIFEST_INVALID");
  }
  // The length is not believed.
  HttpOutcome outcome = handler_->Handle(
      {.method = "PUT", .target = "/v2/app/manifests/1", .content_length = std::nullopt});
  auto& sink = std::get<std::unique_ptr<HttpBodySink>>(outcome);
  std::optional<HttpResponse> early;
  for (int i = 0; i < 5 && !early; ++i) {
    early = sink->Append(std::string(1 << 20, ' '));
  }
  ASSERT_TRUE(early);
  EXPECT_EQ(early->status, 413);
}

TEST_F(RegistryHandlerTest, RefusesNamesOfManifestsThatAreNone) {
  EXPECT_EQ(Ask("PUT", "/v2/app/manifests/.bad", Manifest()).Code(), "MANIFEST_INVALID");
  EXPECT_EQ(Ask("PUT", "/v2/app/manifests/sha256:bad", Manifest()).Code(), "MANIFEST_INVALID");
  EXPECT_EQ(Ask("PUT", "/v2/app/manifests/sha512:" + std::string(128, 'a'), Manifest()).Code(),
            "DIGEST_INVALID");
  EXPECT_EQ(Ask("GET", "/v2/app/manifests/sha512:" + std::string(128, 'a')).status, 404);
  EXPECT_EQ(Ask("GET", "/v2/app/manifests/sha256:bad").Code(), "DIGEST_INVALID");
  EXPECT_EQ(Ask("GET", "/v2/app/blobs/sha512:" + std::string(128, 'a')).Code(), "BLOB_UNKNOWN");
  EXPECT_EQ(Ask("GET", "/v2/app/referrers/sha512:" + std::string(128, 'a')).status, 200);
}

TEST_F(RegistryHandlerTest, RefusesTooManyUploads) {
  Restart(true, 1);
  EXPECT_EQ(Ask("POST", "/v2/app/blobs/uploads/").status, 202);
  Answer refused = Ask("POST", "/v2/app/blobs/uploads/");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.Code(), "TOOMANYREQUESTS");
  EXPECT_EQ(refused.headers["Retry-After"], "30");
  EXPECT_EQ(repositories_.live_uploads(), 1u);
}

TEST_F(RegistryHandlerTest, AnUploadHasOneRequestAtATime) {
  const std::string location = Begin();
  HttpOutcome first =
      handler_->Handle({.method = "PATCH", .target = location, .content_length = std::nullopt});
  auto& sink = std::get<std::unique_ptr<HttpBodySink>>(first);
  sink->Append("abc");
  EXPECT_EQ(Ask("PATCH", location, "x").status, 409);
  EXPECT_EQ(Ask("DELETE", location).status, 409);
  EXPECT_EQ(Ask("GET", location).status, 204);
  sink.reset();  // the connection broke
  EXPECT_EQ(Ask("GET", location).headers["Range"], "0-2");
  EXPECT_EQ(Ask("PATCH", location, "de", {{"content-range", "3-4"}}).headers["Range"], "0-4");
}

TEST_F(RegistryHandlerTest, AChunkWithoutLengthMustFitItsRange) {
  const std::string location = Begin();
  const auto patch = [&](const std::string& range, const std::string& body) {
    HttpOutcome outcome = handler_->Handle({.method = "PATCH",
                                            .target = location,
                                            .headers = {{"content-range", range}},
                                            .content_length = std::nullopt});
    auto& sink = std::get<std::unique_ptr<HttpBodySink>>(outcome);
    auto early = sink->Append(body);
    return Read(early ? *std::move(early) : sink->Finish());
  };
  EXPECT_EQ(patch("0-2", "abcd").Code(), "SIZE_INVALID");
  EXPECT_EQ(patch("0-2", "ab").Code(), "SIZE_INVALID");
  EXPECT_EQ(Ask("GET", location).headers["Range"], "0-1");
  EXPECT_EQ(patch("2-2", "c").status, 202);
}

TEST_F(RegistryHandlerTest, TellsClientsNothingOfItsOwnFailures) {
  const std::string location = Begin();
  const std::string target = "/v2/app/blobs/" + repositories_.AddBlob("blob").ToString();
  repositories_.FailBlobs(DataLoss("secret path"));
  Answer answer = Ask("PATCH", location, "abc");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
  EXPECT_THAT(answer.error, StatusIs(absl::StatusCode::kDataLoss));
  // What an upload holds after that is not known.
  EXPECT_EQ(Ask("GET", location).status, 404);
  EXPECT_EQ(repositories_.live_uploads(), 0u);
}

TEST_F(RegistryHandlerTest, ABlobThatIsNamedIsNotDeleted) {
  ASSERT_EQ(Ask("PUT", "/v2/app/manifests/1", Manifest(), {{"content-type", kManifestType}}).status,
            201);
  Answer answer = Ask("DELETE", "/v2/app/blobs/" + Digest::Of("{}").ToString());
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.Code(), "DENIED");
}

TEST_F(RegistryHandlerTest, ReferrersComeInPagesWhereThereAreMany) {
  const std::string subject = Digest::Of("subject").ToString();
  const std::string large(900'000, 'x');
  for (int i = 0; i < 6; ++i) {
    ASSERT_OK(repositories_.PutManifest(
        "", {.repository = "docker.io/library/app",
             .media_type = kManifestType,
             .bytes = Manifest(R"(,"artifactType":"a/b+c","subject":{"digest":")" + subject +
                               R"("},"annotations":{"i":")" + std::to_string(i) + large + "\"}")}));
  }
  std::string target = "/v2/app/referrers/" + subject + "?artifactType=a%2Fb%2Bc";
  std::vector<size_t> pages;
  while (!target.empty() && pages.size() < 10) {
    Answer answer = Ask("GET", target);
    pages.push_back(nlohmann::json::parse(answer.body)["manifests"].size());
    const std::string link = answer.headers["Link"];
    EXPECT_EQ(answer.headers["OCI-Filters-Applied"], "artifactType");
    target = link.empty() ? "" : link.substr(1, link.find('>') - 1);
  }
  EXPECT_THAT(pages, ElementsAre(3, 3));
}

}  // namespace
}  // namespace zlayer
