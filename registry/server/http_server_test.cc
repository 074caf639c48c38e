#include "registry/server/http_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/mutex.h"
#include "registry/content/content_file.h"
#include "registry/server/testing/raw_client.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;
using ::testing::StartsWith;

std::string Pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>((i * 7 + i / 251) % 253);
  }
  return text;
}

constexpr size_t kLarge = size_t{20} << 20;

const std::string& Large() {
  static const std::string large = Pattern(kLarge);
  return large;
}

// What became of bodies and contents.
struct Record {
  Mutex mutex;
  CondVar changed;
  std::string appended ABSL_GUARDED_BY(mutex);
  int live ABSL_GUARDED_BY(mutex) = 0;  // sinks and contents
  int finished ABSL_GUARDED_BY(mutex) = 0;

  void WaitForNone() {
    MutexLock lock(&mutex);
    changed.Wait(&mutex, std::stop_token(),
                 [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return live == 0; });
  }
  std::string Appended() {
    MutexLock lock(&mutex);
    return appended;
  }
  int Finished() {
    MutexLock lock(&mutex);
    return finished;
  }
  int Live() {
    MutexLock lock(&mutex);
    return live;
  }
};

// Counts what lives.
class Counted {
 public:
  explicit Counted(Record* record) : record_(record) {
    MutexLock lock(&record_->mutex);
    ++record_->live;
  }
  ~Counted() {
    MutexLock lock(&record_->mutex);
    --record_->live;
    record_->changed.NotifyAll();
  }

 private:
  Record* const record_;
};

// Made on the way, or a file.
class TestContent : public HttpContent {
 public:
  TestContent(Record* record, std::string_view bytes, std::optional<ContentFile> file,
              absl::Status error)
      : counted_(record), bytes_(bytes), file_(std::move(file)), error_(std::move(error)) {}
  uint64_t size() const override { return file_ ? file_->size : bytes_.size(); }
  absl::Status Read(uint64_t offset, char* buffer, size_t length, std::stop_token) override {
    if (file_) {
      return PreadFully(file_->fd->get(), buffer, length, file_->offset + offset);
    }
    if (offset > 0 && !error_.ok()) {
      return error_;
    }
    bytes_.copy(buffer, length, offset);
    return absl::OkStatus();
  }

 private:
  const Counted counted_;
  const std::string_view bytes_;
  const std::optional<ContentFile> file_;
  const absl::Status error_;
};

class TestSink : public HttpBodySink {
 public:
  TestSink(Record* record, bool refuse) : counted_(record), record_(record), refuse_(refuse) {}
  std::optional<HttpResponse> Append(std::string_view data) override {
    if (refuse_) {
      return HttpResponse{.status = 413, .body = "too much"};
    }
    MutexLock lock(&record_->mutex);
    record_->appended += data;
    body_ += data;
    return std::nullopt;
  }
  HttpResponse Finish() override {
    MutexLock lock(&record_->mutex);
    ++record_->finished;
    return {.body = std::move(body_)};
  }

 private:
  const Counted counted_;
  Record* const record_;
  const bool refuse_;
  std::string body_;
};

class TestHandler : public HttpHandler {
 public:
  HttpOutcome Handle(const HttpRequest& request) override {
    ++requests;
    if (request.target == "/echo" || request.target == "/early") {
      return std::make_unique<TestSink>(&record, request.target == "/early");
    }
    if (request.target == "/made" || request.target == "/broken") {
      HttpResponse response;
      response.content = std::make_unique<TestContent>(
          &record, Large(), std::nullopt,
          request.target == "/broken" ? DataLoss("a bad blob") : absl::OkStatus());
      return response;
    }
    if (request.target == "/file") {
      HttpResponse response;
      response.content = std::make_unique<TestContent>(&record, "", file, absl::OkStatus());
      return response;
    }
    if (request.target == "/wait") {
      MutexLock lock(&record.mutex);
      waiting.count_down();
      record.changed.Wait(&record.mutex, stop.get_token(), [] { return false; });
      return HttpResponse{.body = "waited"};
    }
    if (request.target == "/split") {
      HttpResponse response;
      response.headers.emplace_back("X-Test", "a\r\nX-Evil: b");
      return response;
    }
    return HttpResponse{.body = request.method + " " + request.target};
  }

  Record record;
  ContentFile file;
  std::atomic<int> requests = 0;
  std::latch waiting{1};
  std::stop_source stop;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(HttpLimits limits = {}) {
    options_.limits = limits;
    options_.addresses = {"127.0.0.1:0"};
    auto server = HttpServer::Start(options_, &handler_);
    ASSERT_OK(server);
    server_ = *std::move(server);
  }
  const std::string& Address() const { return server_->addresses().front(); }

  void MakeFile(size_t before, const std::string& bytes) {
    auto fd = OpenUnnamedFile(::testing::TempDir());
    ASSERT_OK(fd);
    ASSERT_OK(WriteFully(fd->get(), std::string(before, 'x') + bytes + "behind"));
    handler_.file = {.fd = std::make_shared<const UniqueFd>(*std::move(fd)),
                     .offset = before,
                     .size = bytes.size()};
  }

  HttpServerOptions options_;
  TestHandler handler_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersSeveralRequestsOnOneConnection) {
  Start();
  RawClient client(Address());
  for (const char* target : {"/a", "/b"}) {
    ASSERT_TRUE(client.Send(std::string("GET ") + target + " HTTP/1.1\r\nHost: x\r\n\r\n"));
    const std::string answer = client.ReadAnswer();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
    EXPECT_THAT(answer, HasSubstr("\r\nConnection: keep-alive\r\n"));
    EXPECT_THAT(answer, EndsWith(std::string("\r\n\r\nGET ") + target));
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  RawClient client(Address());
  ASSERT_TRUE(
      client.Send("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
                  "HEAD /b HTTP/1.1\r\nHost: x\r\n\r\n"
                  "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
                  "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(client.ReadAnswer(), EndsWith("\r\n\r\nhello"));
  EXPECT_THAT(client.ReadHead(), HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(client.ReadAnswer(), EndsWith("\r\n\r\nabcde"));
  const std::string last = client.ReadToEnd();
  EXPECT_THAT(last, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(last, EndsWith("GET /last"));
}

TEST_F(HttpServerTest, TakesARequestByteByByte) {
  Start();
  RawClient client(Address());
  for (char c : std::string("PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")) {
    ASSERT_TRUE(client.Send({&c, 1}));
  }
  EXPECT_THAT(client.ReadAnswer(), EndsWith("abc"));
}

TEST_F(HttpServerTest, TakesLargeBodiesWithLengthAndChunked) {
  Start();
  const std::string body = Pattern(3'000'001);
  RawClient client(Address());
  ASSERT_TRUE(
      client.Send("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3000001\r\n\r\n" + body));
  EXPECT_EQ(client.ReadBytes(client.ContentLength(client.ReadHead())), body);
  std::string chunks;
  for (size_t at = 0; at < body.size(); at += 1000) {
    const std::string chunk = body.substr(at, 1000);
    char size[32];
    snprintf(size, sizeof(size), "%zx\r\n", chunk.size());
    chunks += size + chunk + "\r\n";
  }
  ASSERT_TRUE(client.Send("PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
                          chunks + "0\r\n\r\n"));
  EXPECT_EQ(client.ReadBytes(client.ContentLength(client.ReadHead())), body);
}

TEST_F(HttpServerTest, SendsWhatIsMadeOnTheWay) {
  Start();
  RawClient client(Address());
  ASSERT_TRUE(
      client.Send("HEAD /made HTTP/1.1\r\nHost: x\r\n\r\nGET /made HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(client.ContentLength(client.ReadHead()), kLarge);
  EXPECT_EQ(client.ReadBytes(client.ContentLength(client.ReadHead())), Large());
}

TEST_F(HttpServerTest, SendsAPieceOfAFile) {
  Start();
  MakeFile(1234, Large());
  RawClient client(Address());
  ASSERT_TRUE(
      client.Send("GET /file HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(client.ReadBytes(client.ContentLength(client.ReadHead())), Large());
  EXPECT_THAT(client.ReadAnswer(), EndsWith("GET /b"));
}

TEST_F(HttpServerTest, HangsUpWhereContentFailsOnTheWay) {
  Start();
  RawClient client(Address());
  ASSERT_TRUE(client.Send("GET /broken HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(client.ContentLength(client.ReadHead()), kLarge);
  EXPECT_LT(client.ReadToEnd().size(), kLarge);
}

TEST_F(HttpServerTest, HangsUpWhereAFileIsTooShort) {
  Start();
  MakeFile(0, "short");
  handler_.file.size = 1000;
  RawClient client(Address());
  ASSERT_TRUE(client.Send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n"));
  client.ReadHead();
  EXPECT_EQ(client.ReadToEnd(), "");

  constexpr size_t kThere = 300'000;
  MakeFile(0, std::string(kThere, 'x'));
  handler_.file.size = 1'000'000;
  RawClient other(Address());
  ASSERT_TRUE(other.Send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(other.ContentLength(other.ReadHead()), 1'000'000);
  const std::string begin = other.ReadToEnd();
  EXPECT_THAT(begin.size(), AllOf(Gt(0), Le(kThere)));
  EXPECT_EQ(begin, std::string(begin.size(), 'x'));
}

TEST_F(HttpServerTest, SaysThatABodyMayCome) {
  Start();
  RawClient client(Address());
  ASSERT_TRUE(client.Send(
      "PUT /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  EXPECT_EQ(client.ReadHead(), "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(client.Send("hi"));
  EXPECT_THAT(client.ReadAnswer(), EndsWith("\r\n\r\nhi"));
}

TEST_F(HttpServerTest, DoesNotAskForABodyThatIsNotWanted) {
  Start();
  RawClient client(Address());
  ASSERT_TRUE(client.Send(
      "PUT /other HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServerTest, AnswersBeforeTheEndOfABody) {
  Start();
  RawClient client(Address());
  ASSERT_TRUE(client.Send("PUT /early HTTP/1.1\r\nHost: x\r\nContent-Length: 99000000\r\n\r\n"));
  std::thread sender([&] {
    const std::string piece(100'000, 'x');
    while (client.Send(piece)) {
    }
  });
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 413 "));
  sender.join();
  handler_.record.WaitForNone();
}

TEST_F(HttpServerTest, KeepsHeadersApart) {
  Start();
  RawClient client(Address());
  ASSERT_TRUE(client.Send("GET /split HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(client.ReadAnswer(), Not(HasSubstr("\r\nX-Evil")));
}

TEST_F(HttpServerTest, TakesTargetsAsProxiesGetThem) {
  Start();
  RawClient client(Address());
  ASSERT_TRUE(client.Send("GET http://host:5000/a HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(client.ReadAnswer(), EndsWith("GET /a"));
}

TEST_F(HttpServerTest, AnswersHttp10) {
  Start();
  RawClient client(Address());
  ASSERT_TRUE(client.Send("GET /old HTTP/1.0\r\n\r\n"));
  EXPECT_THAT(client.ReadToEnd(), EndsWith("GET /old"));
}

struct BadRequest {
  const char* name;
  std::string bytes;
  const char* status;
};

class BadRequestTest : public HttpServerTest, public ::testing::WithParamInterface<BadRequest> {};

TEST_P(BadRequestTest, IsRefusedAndTheServerGoesOn) {
  Start();
  RawClient client(Address());
  client.Send(GetParam().bytes);
  EXPECT_THAT(client.ReadToEnd(), StartsWith(std::string("HTTP/1.1 ") + GetParam().status));
  EXPECT_EQ(handler_.record.Finished(), 0);
  RawClient other(Address());
  ASSERT_TRUE(other.Send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(other.ReadAnswer(), EndsWith("GET /a"));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadRequestTest,
    ::testing::Values(
        BadRequest{"NoHttp", "hello\r\n\r\n", "400"},
        BadRequest{"Tls", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15),
                   "400"},
        BadRequest{"Http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
        BadRequest{"BadVersion", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", "400"},
        BadRequest{"ControlInTarget", std::string("GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"), "400"},
        BadRequest{"NoHost", "GET / HTTP/1.1\r\n\r\n", "400"},
        BadRequest{"TwoHosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"},
        BadRequest{"BadLength", "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                   "400"},
        BadRequest{"HugeLength",
                   "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                   "400"},
        BadRequest{
            "TwoLengths",
            "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "400"},
        BadRequest{"LengthAndChunked",
                   "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   "400"},
        BadRequest{"OtherCoding",
                   "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nabc", "501"},
        BadRequest{"OtherExpectation", "PUT /echo HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n",
                   "417"},
        BadRequest{"LongHeader",
                   "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n",
                   "431"},
        BadRequest{"LongHeaderWithoutEnd", "GET / HTTP/1.1\r\nX: " + std::string(300'000, 'x'),
                   "431"},
        BadRequest{"BadChunk",
                   "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                   "400"},
        BadRequest{"LongChunkExtension",
                   "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
                       std::string(600'000, 'x'),
                   "400"},
        BadRequest{"LongTrailer",
                   "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " +
                       std::string(600'000, 'x'),
                   "400"}),
    [](const auto& info) { return info.param.name; });

TEST_F(HttpServerTest, TakesWhatArrivedOfABodyThatBreaksOff) {
  Start();
  RawClient client(Address());
  ASSERT_TRUE(client.Send("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabcd"));
  client.FinishSending();
  EXPECT_EQ(client.ReadToEnd(), "");
  handler_.record.WaitForNone();
  EXPECT_EQ(handler_.record.Appended(), "abcd");
  EXPECT_EQ(handler_.record.Finished(), 0);
}

TEST_F(HttpServerTest, OutlivesPeersThatVanish) {
  Start();
  MakeFile(0, Large());
  for (const char* request :
       {"GET /file HTTP/1.1\r\nHost: x\r\n\r\n", "GET /made HTTP/1.1\r\nHost: x\r\n\r\n",
        "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab", "GET"}) {
    for (int i = 0; i < 20; ++i) {
      RawClient client(Address());
      client.Send(request);
      if (i % 2 == 0 && std::string_view(request).ends_with("\r\n\r\n")) {
        client.ReadBytes(10'000);
      }
      client.Drop();
    }
  }
  handler_.record.WaitForNone();
  RawClient client(Address());
  ASSERT_TRUE(client.Send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(client.ReadAnswer(), EndsWith("GET /a"));
}

TEST_F(HttpServerTest, HangsUpOnPeersThatStall) {
  Start({.stall = milliseconds(50)});
  MakeFile(0, Large());
  for (const char* sent : {"", "GET /a HTTP/1.1\r\nHo",
                           "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab"}) {
    RawClient client(Address());
    ASSERT_TRUE(client.Send(sent));
    EXPECT_EQ(client.ReadToEnd(), "") << sent;
  }
  for (const char* sent :
       {"GET /file HTTP/1.1\r\nHost: x\r\n\r\n", "GET /made HTTP/1.1\r\nHost: x\r\n\r\n"}) {
    RawClient client(Address());
    ASSERT_TRUE(client.Send(sent));
    EXPECT_NE(client.ReadHead(), "");
    handler_.record.WaitForNone();  // it takes nothing until then
    EXPECT_LT(client.ReadToEnd().size(), kLarge) << sent;
  }
  handler_.record.WaitForNone();
}

// A byte now and then is no stall, but no transfer either.
TEST_F(HttpServerTest, HangsUpOnPeersThatTrickle) {
  constexpr int kBytes = 500;
  Start({.stall = milliseconds(200)});
  RawClient client(Address());
  ASSERT_TRUE(client.Send("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n"));
  int sent = 0;
  while (sent < kBytes && client.Send("x")) {
    ++sent;
    std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_LT(sent, kBytes);
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_F(HttpServerTest, SlowPeersHoldNoThread) {
  options_.threads = 1;
  Start();
  MakeFile(0, Large());
  std::vector<std::unique_ptr<RawClient>> slow;
  for (const char* sent :
       {"GET /file HTTP/1.1\r\nHost: x\r\n\r\n", "GET /made HTTP/1.1\r\nHost: x\r\n\r\n",
        "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab", "GET"}) {
    for (int i = 0; i < 3; ++i) {
      slow.push_back(std::make_unique<RawClient>(Address()));
      ASSERT_TRUE(slow.back()->Send(sent));
    }
  }
  RawClient client(Address());
  ASSERT_TRUE(client.Send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(client.ReadAnswer(), EndsWith("GET /a"));
}

TEST_F(HttpServerTest, LetsWaitWhoComesWhenThereIsNoRoom) {
  Start({.connections = 2, .drain = milliseconds(0)});
  RawClient first(Address());
  RawClient second(Address());
  ASSERT_TRUE(second.Send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(second.ReadAnswer(), EndsWith("GET /a"));
  RawClient third(Address());
  ASSERT_TRUE(third.Send("GET /b HTTP/1.1\r\nHost: x\r\n\r\n"));
  first.Drop();
  EXPECT_THAT(third.ReadAnswer(), EndsWith("GET /b"));
}

TEST_F(HttpServerTest, EndsWhileRequestsAreUnderWay) {
  Start({.drain = milliseconds(20)});
  MakeFile(0, Large());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (const char* sent :
       {"", "GET", "GET /file HTTP/1.1\r\nHost: x\r\n\r\n", "GET /made HTTP/1.1\r\nHost: x\r\n\r\n",
        "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab"}) {
    clients.push_back(std::make_unique<RawClient>(Address()));
    ASSERT_TRUE(clients.back()->Send(sent));
  }
  server_.reset();
  for (const auto& client : clients) {
    EXPECT_LT(client->ReadToEnd().size(), kLarge);
  }
  EXPECT_EQ(handler_.record.Live(), 0);
}

TEST_F(HttpServerTest, LetsARequestEndWhenItStops) {
  Start();
  RawClient client(Address());
  ASSERT_TRUE(client.Send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"));
  handler_.waiting.wait();
  std::thread stopper([this] { server_.reset(); });
  handler_.stop.request_stop();
  EXPECT_THAT(client.ReadToEnd(), EndsWith("waited"));
  stopper.join();
}

TEST_F(HttpServerTest, SaysWhyItCannotServe) {
  Start();
  const auto start = [this](const std::string& address) {
    return HttpServer::Start({.addresses = {address}}, &handler_).status();
  };
  EXPECT_THAT(start(Address()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "cannot serve on " + Address() + ": Address already in use"));
  for (const char* text :
       {"", "5000", "localhost:5000", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536"}) {
    EXPECT_THAT(start(text), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("is not an address to serve on")))
        << text;
  }
}

TEST_F(HttpServerTest, ServesOnSeveralAddresses) {
  auto server = HttpServer::Start({.addresses = {"127.0.0.1:0", "127.0.0.1:0"}}, &handler_);
  ASSERT_OK(server);
  ASSERT_EQ((*server)->addresses().size(), 2u);
  for (const std::string& address : (*server)->addresses()) {
    RawClient client(address);
    ASSERT_TRUE(client.Send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_THAT(client.ReadAnswer(), EndsWith("GET /a"));
  }
}

}  // namespace
}  // namespace zlayer
