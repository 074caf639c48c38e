// Files from URLs, against a real store.
#include "backends/native/net/remote_sources.h"
#include "backends/native/net/testing/http_server.h"
#include "backends/native/testing/store_fixture.h"
#include "base/strings.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using Peer = FakeHttpServer::Peer;
using Request = FakeHttpServer::Request;

constexpr char kValidators[] = "ETag: \"v1\"\r\nLast-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\n";
constexpr int64_t kModified = int64_t{1'640'995'200} * 1'000'000'000;

// Answers with a body that has an ETag, or 304 to who has it.
FakeHttpServer::Handler Cacheable(std::string body) {
  return [body = std::move(body)](const Request& request, Peer& peer) {
    peer.Send(request.Header("if-none-match") == "\"v1\""
                  ? "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n"
                  : HttpResponse("200 OK", body, kValidators));
  };
}

class HttpSourceTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    sources_ =
        MakeRemoteSources({.store = store_.get(), .http = {.delay = std::chrono::milliseconds(1)}});
  }

  absl::StatusOr<LayerRef> Get(const v1::HttpInput& input, std::string_view name = "file",
                               const std::string& name_space = "default") {
    return sources_->Http(
        input, name,
        {.name_space = name_space,
         .memo = memo_,
         .progress = [this](std::string_view item, uint64_t done, uint64_t total, bool complete) {
           if (complete) {
             transfers_.push_back(std::string(item) + " " + std::to_string(done) + "/" +
                                  std::to_string(total));
           }
         }});
  }
  v1::HttpInput Input(const std::string& url, const std::string& checksum = "") {
    v1::HttpInput input;
    input.set_url(url);
    input.set_checksum(checksum);
    return input;
  }
  v1::HttpInput Input() { return Input(server_.Url("/dir/file")); }

  std::string ContentOf(const LayerRef& layer) {
    absl::StatusOr<ContentFile> file = store_->layers().OpenContent(*layer, layer->At(0));
    EXPECT_OK(file);
    std::string text;
    EXPECT_OK(ReadContent(*file, layer->At(0).content, [&](std::string_view data) {
      text += data;
      return absl::OkStatus();
    }));
    return text;
  }

  FakeHttpServer server_{Cacheable("hello")};
  std::unique_ptr<RemoteSources> sources_;
  FetchMemo* memo_ = nullptr;
  std::vector<std::string> transfers_;
};

TEST_F(HttpSourceTest, IsAFileOfRootWithTheServersTime) {
  ASSERT_OK_AND_ASSIGN(LayerRef layer, Get(Input()));
  ASSERT_EQ(layer->size(), 1u);
  const Entry file = layer->At(0);
  EXPECT_EQ(file.path, "file");
  EXPECT_EQ(file.type, EntryType::kFile);
  EXPECT_EQ(file.mode, 0600u);
  EXPECT_EQ(file.uid, 0u);
  EXPECT_EQ(file.gid, 0u);
  EXPECT_EQ(file.size, 5u);
  EXPECT_EQ(file.mtime_ns, kModified);
  EXPECT_EQ(ContentOf(layer), "hello");
  EXPECT_THAT(transfers_, ElementsAre(server_.Url("/dir/file") + " 5/5"));
}

TEST_F(HttpSourceTest, HasTime0WhereTheServerSaysNone) {
  server_.SetHandler(Always(HttpResponse("200 OK", "hello")));
  EXPECT_EQ((*Get(Input()))->At(0).mtime_ns, 0);
  server_.SetHandler(Always(HttpResponse("200 OK", "hello", "Last-Modified: soon\r\n")));
  EXPECT_EQ((*Get(Input()))->At(0).mtime_ns, 0);
}

TEST_F(HttpSourceTest, IsNamedByTheUrlWhereNobodyNamesIt) {
  EXPECT_EQ((*Get(Input(), ""))->At(0).path, "file");
  EXPECT_EQ((*Get(Input(server_.Url("/")), ""))->At(0).path, "download");
}

TEST_F(HttpSourceTest, IsNotSentAgainWhileItIsCurrent) {
  ASSERT_OK_AND_ASSIGN(LayerRef first, Get(Input()));
  ASSERT_OK_AND_ASSIGN(LayerRef second, Get(Input()));
  EXPECT_EQ(second->id(), first->id());
  EXPECT_THAT(server_.Requests(), SizeIs(2));
  EXPECT_THAT(transfers_, SizeIs(1));
  server_.SetHandler(Always(HttpResponse("200 OK", "changed", "ETag: \"v2\"\r\n")));
  ASSERT_OK_AND_ASSIGN(LayerRef third, Get(Input()));
  EXPECT_EQ(ContentOf(third), "changed");
  ASSERT_OK(Get(Input()));
  EXPECT_EQ(server_.Requests().back().Header("if-none-match"), "\"v2\"");
}

TEST_F(HttpSourceTest, IsAskedForOnceInABuild) {
  FetchMemo memo;
  memo_ = &memo;
  ASSERT_OK_AND_ASSIGN(LayerRef first, Get(Input()));
  server_.SetHandler(Always(HttpResponse("200 OK", "changed")));
  ASSERT_OK_AND_ASSIGN(LayerRef second, Get(Input()));
  EXPECT_EQ(second->id(), first->id());
  EXPECT_THAT(server_.Requests(), SizeIs(1));
  FetchMemo another;
  memo_ = &another;
  EXPECT_EQ(ContentOf(*Get(Input())), "changed");
}

TEST_F(HttpSourceTest, IsAskedForAnewByAnotherNamespace) {
  ASSERT_OK(Get(Input(), "file", "a"));
  ASSERT_OK(Get(Input(), "file", "b"));
  EXPECT_EQ(server_.Requests().back().Header("if-none-match"), "");
}

TEST_F(HttpSourceTest, IsTheSameLayerForTheSameContentFromElsewhere) {
  FakeHttpServer other(
      Always(HttpResponse("200 OK", "hello", "Last-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\n")));
  ASSERT_OK_AND_ASSIGN(LayerRef here, Get(Input()));
  ASSERT_OK_AND_ASSIGN(LayerRef there, Get(Input(other.Url("/x"))));
  EXPECT_EQ(here->id(), there->id());
}

TEST_F(HttpSourceTest, WithAKnownChecksumMakesNoRequest) {
  const std::string checksum = Digest::Of("hello").ToString();
  ASSERT_OK(Get(Input(server_.Url("/a"), checksum)));
  EXPECT_THAT(server_.Requests(), SizeIs(1));
  ASSERT_OK(Get(Input(server_.Url("/a"), checksum)));
  ASSERT_OK_AND_ASSIGN(LayerRef other, Get(Input(server_.Url("/b"), checksum), "b"));
  EXPECT_EQ(other->At(0).path, "b");
  EXPECT_THAT(server_.Requests(), SizeIs(1));
  ASSERT_OK(Get(Input(server_.Url("/a"), checksum), "file", "another"));
  EXPECT_THAT(server_.Requests(), SizeIs(2));
}

TEST_F(HttpSourceTest, StoresNothingThatHasAnotherChecksum) {
  const std::string wanted = Digest::Of("other").ToString();
  const absl::Status other = Get(Input(server_.Url("/a"), wanted)).status();
  EXPECT_THAT(other, StatusIs(absl::StatusCode::kFailedPrecondition,
                              AllOf(HasSubstr(server_.Url("/a")), HasSubstr(wanted),
                                    HasSubstr(Digest::Of("hello").ToString()))));
  EXPECT_EQ(DetailOf(other).reason(), "HTTP_FETCH_FAILED");
  EXPECT_EQ(DetailOf(other).subject(), server_.Url("/a"));
  EXPECT_THAT(store_->contents().Has({Digest::Of("hello")}), IsOkAndHolds(ElementsAre(false)));
  // What is there and has another checksum is not asked about, but fetched.
  ASSERT_OK(Get(Input(server_.Url("/a"))));
  server_.SetHandler(Cacheable("other"));
  ASSERT_OK_AND_ASSIGN(LayerRef layer, Get(Input(server_.Url("/a"), wanted)));
  EXPECT_EQ(ContentOf(layer), "other");
}

TEST_F(HttpSourceTest, ComparesAChecksumOfZeros) {
  EXPECT_THAT(Get(Input(server_.Url("/a"), "sha256:" + std::string(64, '0'))),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("0000")));
}

TEST_F(HttpSourceTest, StoresNothingOfAnAnswerThatFails) {
  server_.SetHandler(Always("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: \"v1\"\r\n\r\nhello"));
  EXPECT_THAT(Get(Input()), StatusIs(absl::StatusCode::kUnavailable));
  server_.SetHandler(Always(HttpResponse("404 Not Found", "hello", kValidators)));
  EXPECT_THAT(Get(Input()), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store_->contents().Has({Digest::Of("hello")}), IsOkAndHolds(ElementsAre(false)));
  server_.SetHandler(Cacheable("hello"));
  ASSERT_OK(Get(Input()));
  EXPECT_EQ(server_.Requests().back().Header("if-none-match"), "");
}

TEST_F(HttpSourceTest, AFailureIsNamedWithItsUrlAndNoCredentials) {
  const struct {
    const char* answer;
    absl::StatusCode code;
  } cases[] = {{"404 Not Found", absl::StatusCode::kNotFound},
               {"403 Forbidden", absl::StatusCode::kFailedPrecondition},
               {"503 Busy", absl::StatusCode::kUnavailable}};
  for (const auto& [answer, code] : cases) {
    server_.SetHandler(Always(HttpResponse(answer, "")));
    const absl::Status failed =
        Get(Input("http://user:hunter2@" + server_.Host() + "/dir/file")).status();
    EXPECT_THAT(failed, StatusIs(code)) << answer;
    EXPECT_EQ(DetailOf(failed).reason(), "HTTP_FETCH_FAILED");
    EXPECT_EQ(DetailOf(failed).subject(), server_.Url("/dir/file"));
  }
}

TEST_F(HttpSourceTest, KeepsNoCredentials) {
  ASSERT_OK(Get(Input("http://user:hunter2@" + server_.Host() + "/dir/file")));
  EXPECT_EQ(server_.Requests()[0].Header("authorization"), "Basic dXNlcjpodW50ZXIy");
  EXPECT_THAT(transfers_, ElementsAre(server_.Url("/dir/file") + " 5/5"));
  const std::string grep = "grep -rla hunter2 " + store_->root();
  FILE* found = popen(grep.c_str(), "r");
  char line[200] = "";
  EXPECT_EQ(fgets(line, sizeof(line), found), nullptr) << line;
  pclose(found);
  // It is the same source without them, and the server decides who may have it.
  ASSERT_OK(Get(Input()));
  EXPECT_EQ(server_.Requests()[1].Header("if-none-match"), "\"v1\"");
  EXPECT_EQ(server_.Requests()[1].Header("authorization"), "");
}

TEST_F(HttpSourceTest, IsCheckedBeforeAnythingIsAsked) {
  EXPECT_OK(CheckHttpInput(Input("https://host/x", Digest::Of("x").ToString())));
  EXPECT_THAT(CheckHttpInput(Input("file:///etc/passwd")),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckHttpInput(Input("https://host/x", "md5:0")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("checksum")));
  EXPECT_THAT(Get(Input("file:///etc/passwd")), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace zlayer
