#include "backends/native/net/http_download.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "backends/native/net/testing/http_server.h"
#include "base/errors.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using Peer = FakeHttpServer::Peer;
using Request = FakeHttpServer::Request;

class HttpDownloadTest : public ::testing::Test {
 protected:
  absl::StatusOr<HttpAnswer> Get(const std::string& url, std::stop_token stop = {}) {
    absl::StatusOr<RemoteUrl> parsed = ParseRemoteUrl(url, {"http", "https"});
    EXPECT_OK(parsed);
    const HttpBody body{.append =
                            [this](std::string_view data) {
                              got_ += data;
                              got_some_ = true;
                              return append_;
                            },
                        .restart = [this] { got_.clear(); },
                        .progress = [](uint64_t, uint64_t) {}};
    return Download({*parsed, etag_, last_modified_}, limits_, body, stop);
  }
  absl::StatusOr<HttpAnswer> Get() { return Get(server_.Url("/file")); }

  void Answer(std::string response) { server_.SetHandler(Always(std::move(response))); }

  FakeHttpServer server_{Always(HttpResponse("200 OK", "hello"))};
  DownloadLimits limits_{.max_bytes = 1 << 20,
                     .stall = std::chrono::seconds(1),
                     .delay = std::chrono::milliseconds(1),
                     .max_delay = std::chrono::milliseconds(4)};
  std::string etag_;
  std::string last_modified_;
  absl::Status append_;
  std::string got_;
  std::atomic<bool> got_some_ = false;
};

TEST_F(HttpDownloadTest, GetsABodyAndItsValidators) {
  Answer(HttpResponse("200 OK", "hello",
                      "ETag: W/\"v1\"\r\nLast-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\n"));
  ASSERT_OK_AND_ASSIGN(HttpAnswer answer, Get());
  EXPECT_EQ(got_, "hello");
  EXPECT_EQ(answer.size, 5u);
  EXPECT_EQ(answer.etag, "\"v1\"");
  EXPECT_EQ(answer.last_modified, "Sat, 01 Jan 2022 00:00:00 GMT");
  EXPECT_FALSE(answer.not_modified);
  ASSERT_EQ(server_.Requests().size(), 1u);
  EXPECT_THAT(server_.Requests()[0].Header("user-agent"), StartsWith("zlayerd/"));
  EXPECT_EQ(server_.Requests()[0].Header("if-none-match"), "");
}

TEST_F(HttpDownloadTest, GetsAnEmptyBody) {
  Answer(HttpResponse("200 OK", "", "ETag: \"e\"\r\n"));
  ASSERT_OK_AND_ASSIGN(HttpAnswer answer, Get());
  EXPECT_EQ(answer.size, 0u);
  EXPECT_EQ(answer.etag, "\"e\"");
}

TEST_F(HttpDownloadTest, AsksWhetherWhatIsThereIsCurrent) {
  etag_ = "\"v1\"";
  last_modified_ = "Sat, 01 Jan 2022 00:00:00 GMT";
  Answer("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n");
  ASSERT_OK_AND_ASSIGN(HttpAnswer answer, Get());
  EXPECT_TRUE(answer.not_modified);
  EXPECT_EQ(server_.Requests()[0].Header("if-none-match"), "\"v1\"");
  EXPECT_EQ(server_.Requests()[0].Header("if-modified-since"), last_modified_);
}

TEST_F(HttpDownloadTest, TakesTheSameETagForUnchangedWithoutReadingTheBody) {
  etag_ = "\"v1\"";
  Answer(HttpResponse("200 OK", "hello", "ETag: W/\"v1\"\r\n"));
  ASSERT_OK_AND_ASSIGN(HttpAnswer answer, Get());
  EXPECT_TRUE(answer.not_modified);
  EXPECT_EQ(got_, "");
}

TEST_F(HttpDownloadTest, RefusesA304ThatNobodyAskedFor) {
  Answer("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("304")));
}

TEST_F(HttpDownloadTest, SaysWhatTheServerAnswered) {
  Answer(HttpResponse("404 Not Found", "no such page"));
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound,
                              server_.Url("/file") + ": the server answered with status 404"));
  Answer(HttpResponse("403 Forbidden", "no"));
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("403")));
  EXPECT_EQ(got_, "");
  EXPECT_EQ(server_.Requests().size(), 2u);
}

TEST_F(HttpDownloadTest, TriesAgainWhatMayPass) {
  std::atomic<int> requests = 0;
  server_.SetHandler([&](const Request&, Peer& peer) {
    const int number = ++requests;
    peer.Send(number == 1   ? HttpResponse("503 Busy", "later", "Retry-After: 1000000\r\n")
              : number == 2 ? HttpResponse("429 Slow", "later")
                            : HttpResponse("200 OK", "hello"));
  });
  EXPECT_OK(Get());
  EXPECT_EQ(got_, "hello");
  EXPECT_EQ(requests, 3);
  Answer(HttpResponse("500 Oops", ""));
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("500")));
  EXPECT_EQ(server_.Requests().size(), 3u + 4u);
}

TEST_F(HttpDownloadTest, BeginsABrokenBodyAnew) {
  std::atomic<int> requests = 0;
  server_.SetHandler([&](const Request& request, Peer& peer) {
    EXPECT_EQ(request.Header("range"), "");
    const std::string whole = HttpResponse("200 OK", "hello");
    peer.Send(++requests == 1 ? whole.substr(0, whole.size() - 2) : whole);
  });
  ASSERT_OK_AND_ASSIGN(HttpAnswer answer, Get());
  EXPECT_EQ(got_, "hello");
  EXPECT_EQ(answer.size, 5u);
  EXPECT_EQ(requests, 2);
}

TEST_F(HttpDownloadTest, GoesOnWithABodyThatHasAStrongETag) {
  const std::string headers = "ETag: \"v1\"\r\nAccept-Ranges: bytes\r\n";
  server_.SetHandler([&](const Request& request, Peer& peer) {
    if (request.Header("range").empty()) {
      const std::string whole = HttpResponse("200 OK", "hello", headers);
      peer.Send(whole.substr(0, whole.size() - 2));
    } else {
      EXPECT_EQ(request.Header("range"), "bytes=3-");
      EXPECT_EQ(request.Header("if-range"), "\"v1\"");
      peer.Send(
          HttpResponse("206 Partial Content", "lo", headers + "Content-Range: bytes 3-4/5\r\n"));
    }
  });
  ASSERT_OK_AND_ASSIGN(HttpAnswer answer, Get());
  EXPECT_EQ(got_, "hello");
  EXPECT_EQ(answer.size, 5u);
  EXPECT_EQ(answer.etag, "\"v1\"");
}

TEST_F(HttpDownloadTest, GivesUpOnAServerThatAlwaysBreaksOff) {
  Answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the download failed")));
  EXPECT_EQ(server_.Requests().size(), 4u);
  Answer("");
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kUnavailable));
  Answer("garbage\r\n\r\n");
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in HTTP")));
}

TEST_F(HttpDownloadTest, EndsWhereNothingMovesAnyMore) {
  server_.SetHandler([](const Request&, Peer& peer) {
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhel");
    peer.WaitUntilGone();
  });
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("too slow")));
}

TEST_F(HttpDownloadTest, StopsInTheMiddleOfABody) {
  limits_.stall = std::chrono::seconds(600);
  server_.SetHandler([](const Request&, Peer& peer) {
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhel");
    EXPECT_TRUE(peer.WaitUntilGone());
  });
  std::stop_source stop;
  std::jthread stopper([&] {
    while (!got_some_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    stop.request_stop();
  });
  EXPECT_THAT(Get(server_.Url("/file"), stop.get_token()), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(HttpDownloadTest, FollowsRedirectsWithinHttp) {
  FakeHttpServer other(Always(HttpResponse("200 OK", "moved")));
  Answer(HttpResponse("302 Found", "see there", "Location: " + other.Url("/x") + "\r\n"));
  EXPECT_OK(Get());
  EXPECT_EQ(got_, "moved");
  Answer(HttpResponse("302 Found", "", "Location: file:///etc/passwd\r\n"));
  EXPECT_THAT(Get(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("neither http nor https")));
  Answer(HttpResponse("302 Found", "", "Location: /again\r\n"));
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("redirects")));
}

TEST_F(HttpDownloadTest, SendsCredentialsToTheirHostOnlyAndShowsThemNowhere) {
  FakeHttpServer other(Always(HttpResponse("401 No", "")));
  Answer(HttpResponse("302 Found", "", "Location: " + other.Url("/x") + "\r\n"));
  const absl::StatusOr<HttpAnswer> answer = Get("http://user:secret@" + server_.Host() + "/file");
  EXPECT_THAT(answer, StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr("401"), HasSubstr(server_.Url("/file")),
                                     Not(HasSubstr("secret")), Not(HasSubstr("user")))));
  ASSERT_EQ(other.Requests().size(), 1u);
  EXPECT_EQ(server_.Requests()[0].Header("authorization"), "Basic dXNlcjpzZWNyZXQ=");
  EXPECT_EQ(other.Requests()[0].Header("authorization"), "");
}

TEST_F(HttpDownloadTest, RefusesWhatIsTooLarge) {
  limits_.max_bytes = 4;
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("larger than")));
  Answer("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nno length");
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(server_.Requests().size(), 2u);
}

TEST_F(HttpDownloadTest, RefusesEndlessHeaders) {
  server_.SetHandler([](const Request&, Peer& peer) {
    peer.Send("HTTP/1.1 200 OK\r\n");
    while (peer.Send("X-Long: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("headers")));
}

TEST_F(HttpDownloadTest, UnpacksWhatTheServerPackedForTheTransfer) {
  // "hello" through gzip.
  const std::string packed(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00"
      "\x00\x00",
      25);
  Answer(HttpResponse("200 OK", packed, "Content-Encoding: gzip\r\n"));
  EXPECT_OK(Get());
  EXPECT_EQ(got_, "hello");
  EXPECT_EQ(server_.Requests()[0].Header("accept-encoding"), "gzip");
  Answer(HttpResponse("200 OK", packed));
  EXPECT_OK(Get());
  EXPECT_EQ(got_, packed);
}

TEST_F(HttpDownloadTest, EndsWhereTheBodyCannotBeTaken) {
  append_ = ResourceExhausted("the disk is full");
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("disk is full")));
  EXPECT_EQ(server_.Requests().size(), 1u);
}

TEST_F(HttpDownloadTest, SaysThatNobodyListens) {
  limits_.attempts = 2;
  std::string url;
  {
    FakeHttpServer gone(Always(""));
    url = gone.Url("/");
  }
  EXPECT_THAT(Get(url), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(url)));
}

// openssl's own server, with a certificate that it signed itself.
TEST_F(HttpDownloadTest, TrustsNoCertificateThatNobodyVouchesFor) {
  const std::string files = ::testing::TempDir() + "/self-signed";
  const std::string make =
      "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout " + files +
      ".key -out " + files + ".crt 2>/dev/null";
  if (system(make.c_str()) != 0) {
    GTEST_SKIP() << "needs the program openssl";
  }
  FILE* server =
      popen(("exec timeout 60 openssl s_server -accept 127.0.0.1:0 -naccept 1 -www -key " + files +
             ".key -cert " + files + ".crt 2>/dev/null </dev/null")
                .c_str(),
            "r");
  char line[200] = "";
  int port = 0;
  while (port == 0 && fgets(line, sizeof(line), server) != nullptr) {
    sscanf(line, "ACCEPT 127.0.0.1:%d", &port);
  }
  EXPECT_THAT(
      Get("https://127.0.0.1:" + std::to_string(port) + "/file"),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("certificate is not trusted")));
  pclose(server);
}

}  // namespace
}  // namespace zlayer
