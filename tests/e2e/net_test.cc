// What ADD takes from URLs and git repositories, with graphs of the test's own.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/native/net/testing/git_server.h"
#include "backends/native/net/testing/http_server.h"
#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"
#include "zlayer/v1/build.grpc.pb.h"

namespace zlayer::e2e {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class NetTest : public DaemonTest {
 protected:
  struct Result {
    std::vector<v1::BuildEvent> events;
    v1::BuildEvent last() const { return events.empty() ? v1::BuildEvent() : events.back(); }
    // Whether the operation under test came from the cache.
    bool cached = false;
    std::vector<v1::Progress> transfers;
  };

  void SetUp() override {
    DaemonTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    StartDaemon();
    builds_ = v1::BuildService::NewStub(
        grpc::CreateChannel(Address(), grpc::InsecureChannelCredentials()));
  }

  // FROM scratch and one COPY to /, of an input from outside.
  static v1::BuildSpec Spec(const v1::Input& from, const std::string& path,
                            const std::string& destination) {
    v1::BuildSpec spec;
    spec.add_tags("result:latest");
    v1::Graph& graph = *spec.mutable_graph();
    graph.add_targets(0);
    v1::Stage& stage = *graph.add_stages();
    stage.add_operations()->mutable_scratch();
    v1::Operation& add = *stage.add_operations();
    add.set_text("ADD something");
    v1::Copy::Source& source = *add.mutable_copy()->add_sources();
    *source.mutable_from() = from;
    source.set_path(path);
    add.mutable_copy()->set_destination(destination);
    return spec;
  }

  static v1::Input Http(const std::string& url, const std::string& checksum = "") {
    v1::Input input;
    input.mutable_http()->set_url(url);
    input.mutable_http()->set_checksum(checksum);
    return input;
  }
  static v1::Input Git(const std::string& url, const std::string& ref) {
    v1::Input input;
    input.mutable_git()->set_url(url);
    input.mutable_git()->set_ref(ref);
    return input;
  }

  Result Run(const v1::BuildSpec& spec) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::SubmitBuildRequest request;
    *request.mutable_spec() = spec;
    auto stream = builds_->Build(&context, request);
    Result result;
    v1::BuildEvent event;
    while (stream->Read(&event)) {
      if (event.has_instruction_complete()) {
        result.cached = event.instruction_complete().cached();
      }
      if (event.has_progress()) {
        result.transfers.push_back(event.progress());
      }
      result.events.push_back(event);
    }
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return result;
  }

  // "mode owner time path" of the files in the image's one layer.
  std::string Listing() {
    EXPECT_EQ(Zlayer({"export", "-o", Path("image.tar"), "result"}).exit_code, 0);
    const std::string directory = Path("image");
    return Execute({"sh", "-c",
                    "set -e; rm -rf " + directory + "; mkdir " + directory + "; cd " + directory +
                        "; tar xf ../image.tar; for f in blobs/sha256/*; do tar tvf $f "
                        "--numeric-owner --utc --full-time 2>/dev/null || :; done"})
        .out;
  }

  std::unique_ptr<v1::BuildService::Stub> builds_;
};

TEST_F(NetTest, AddsAFileFromAUrl) {
  FakeHttpServer server([](const FakeHttpServer::Request& request, FakeHttpServer::Peer& peer) {
    peer.Send(request.Header("if-none-match").empty()
                  ? HttpResponse("200 OK", "hello",
                                 "ETag: \"v1\"\r\n"
                                 "Last-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\n")
                  : "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n");
  });
  const v1::BuildSpec spec = Spec(Http(server.Url("/dir/file[1]?a=b")), "file[1]", "/in/");
  const Result first = Run(spec);
  ASSERT_TRUE(first.last().has_build_complete()) << first.last().ShortDebugString();
  EXPECT_FALSE(first.cached);
  ASSERT_THAT(first.transfers, SizeIs(1));
  EXPECT_EQ(first.transfers[0].item(), server.Url("/dir/file[1]?a=b"));
  EXPECT_EQ(first.transfers[0].bytes_done(), 5u);
  EXPECT_TRUE(first.transfers[0].complete());
  EXPECT_THAT(Listing(),
              HasSubstr("-rw------- 0/0               5 2022-01-01 00:00:00 in/file[1]"));

  const Result second = Run(spec);
  EXPECT_TRUE(second.cached);
  EXPECT_THAT(second.transfers, IsEmpty());
  EXPECT_EQ(second.last().build_complete().image_id(), first.last().build_complete().image_id());

  // A name of its own, and no unpacking of what is no archive.
  ASSERT_TRUE(Run(Spec(Http(server.Url("/x")), "x", "/name")).last().has_build_complete());
  EXPECT_THAT(Listing(), HasSubstr(" name\n"));
}

TEST_F(NetTest, UnpacksADownloadOnlyWhereThatIsAskedFor) {
  const std::string tar = Path("a.tar");
  Execute({"sh", "-c", "cd " + Path("") + "; echo x > packed; tar cf a.tar packed"});
  FakeHttpServer server(Always(HttpResponse("200 OK", *ReadFile(tar))));
  v1::BuildSpec spec = Spec(Http(server.Url("/a.tar")), "a.tar", "/");
  v1::Copy& copy = *spec.mutable_graph()->mutable_stages(0)->mutable_operations(1)->mutable_copy();
  copy.set_unpack(v1::Copy::LOCAL_ARCHIVES);
  ASSERT_TRUE(Run(spec).last().has_build_complete());
  EXPECT_THAT(Listing(), AllOf(HasSubstr(" a.tar\n"), Not(HasSubstr(" packed\n"))));
  copy.set_unpack(v1::Copy::ALL_ARCHIVES);
  ASSERT_TRUE(Run(spec).last().has_build_complete());
  EXPECT_THAT(Listing(), AllOf(HasSubstr(" packed\n"), Not(HasSubstr(" a.tar\n"))));
}

TEST_F(NetTest, SaysWhyAUrlCannotBeAdded) {
  FakeHttpServer server(Always(HttpResponse("404 Not Found", "")));
  const std::string url = "http://user:secret@" + server.Host() + "/file";
  Result missing = Run(Spec(Http(url), "file", "/"));
  ASSERT_TRUE(missing.last().has_build_failed());
  EXPECT_THAT(missing.last().build_failed().error(),
              HasSubstr(server.Url("/file") + ": the server answered with status 404"));
  EXPECT_EQ(missing.last().build_failed().detail().instruction(), "ADD something");
  for (const v1::BuildEvent& event : missing.events) {
    EXPECT_THAT(event.ShortDebugString(), Not(HasSubstr("secret")));
  }
  Result scheme = Run(Spec(Http("file:///etc/passwd"), "passwd", "/"));
  EXPECT_THAT(scheme.last().build_failed().error(), HasSubstr("its scheme is none of"));
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
}

TEST_F(NetTest, SaysThatLibcurlIsMissing) {
  StopDaemon();
  // Is found before the system's, and is none.
  ASSERT_OK(WriteFileAtomically(Path("libcurl.so.4"), ""));
  ASSERT_EQ(setenv("LD_LIBRARY_PATH", directory_.path().c_str(), 1), 0);
  StartDaemon();
  unsetenv("LD_LIBRARY_PATH");
  const Result result = Run(Spec(Http("http://127.0.0.1:1/file"), "file", "/"));
  ASSERT_TRUE(result.last().has_build_failed());
  EXPECT_THAT(result.last().build_failed().error(),
              AllOf(HasSubstr("libcurl.so.4 cannot be loaded"), HasSubstr("install")));
  EXPECT_EQ(Zlayer({"pull", "registry.example/app"}).exit_code, 1);
  // The rest of the daemon works.
  EXPECT_EQ(Zlayer({"images"}).exit_code, 0);
}

TEST_F(NetTest, ACancelEndsADownload) {
  std::string build;
  FakeHttpServer server([&](const FakeHttpServer::Request&, FakeHttpServer::Peer& peer) {
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome");
    EXPECT_TRUE(peer.WaitUntilGone());
  });
  grpc::ClientContext context;
  v1::SubmitBuildRequest request;
  *request.mutable_spec() = Spec(Http(server.Url("/file")), "file", "/");
  v1::SubmitBuildResponse submitted;
  ASSERT_TRUE(builds_->SubmitBuild(&context, request, &submitted).ok());
  ASSERT_TRUE(WaitUntil([&] { return !server.Requests().empty(); }));
  grpc::ClientContext cancel_context;
  v1::CancelBuildRequest cancel;
  cancel.set_build_id(submitted.build_id());
  v1::BuildStatus status;
  ASSERT_TRUE(builds_->CancelBuild(&cancel_context, cancel, &status).ok());
  ASSERT_TRUE(WaitUntil([&] {
    grpc::ClientContext get_context;
    v1::GetBuildRequest get;
    get.set_build_id(submitted.build_id());
    return builds_->GetBuild(&get_context, get, &status).ok() && status.state() == v1::CANCELED;
  }));
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
}

// The context of the build itself.
TEST_F(NetTest, BuildsAContextFromGit) {
  if (!GitServer::Available()) {
    GTEST_SKIP() << "needs git daemon (package git)";
  }
  GitServer server;
  server.Script("repo",
                "mkdir app; printf 'FROM scratch\\nCOPY file* /\\n' > app/Dockerfile; "
                "echo x > app/file; echo file > app/.dockerignore; git add .; "
                "git commit -qm first");
  v1::BuildSpec spec;
  spec.add_tags("result:latest");
  v1::GitInput& git = *(*spec.mutable_contexts())[""].mutable_git();
  git.set_url(server.Url("repo"));
  git.set_subdirectory("app");
  const Result first = Run(spec);
  ASSERT_TRUE(first.last().has_build_complete()) << first.last().ShortDebugString();
  EXPECT_THAT(Listing(), HasSubstr(" file\n"));
  EXPECT_TRUE(Run(spec).cached);
  git.set_subdirectory("other");
  EXPECT_THAT(Run(spec).last().build_failed().error(), HasSubstr("no directory other"));
  // Nothing keeps contexts that were fetched.
  EXPECT_THAT(Zlayer({"df", "-v"}).out, Not(HasSubstr("context ")));
}

// A Dockerfile, with contexts by name, from the command line.
TEST_F(NetTest, TakesWhatADockerfileNames) {
  if (!GitServer::Available()) {
    GTEST_SKIP() << "needs git daemon (package git)";
  }
  ImportBusybox();
  GitServer git;
  git.Script("repo",
             "mkdir sub; echo deep > sub/deep; git add .; git commit -qm first; git tag v1");
  Execute({"sh", "-c", "cd " + Path("") + "; echo x > packed; tar cf a.tar packed"});
  FakeHttpServer http([&](const FakeHttpServer::Request& request, FakeHttpServer::Peer& peer) {
    peer.Send(
        HttpResponse("200 OK", request.target == "/a.tar" ? *ReadFile(Path("a.tar")) : "plain"));
  });
  WriteContext("Dockerfile",
               "FROM base\n"
               "ADD " +
                   http.Url("/file") + " " + http.Url("/other?x=1") +
                   " /url/\n"
                   "ADD " +
                   git.Url("repo") +
                   "#v1:sub /git/\n"
                   "COPY --from=repo / /repo/\n"
                   "COPY --from=archive / /archive/\n"
                   "COPY --from=image /bin/busybox /from-image\n"
                   "RUN --mount=from=repo,target=/mounted find url git repo archive from-image "
                   "mounted -type f | sort\n");
  const std::vector<Json> events = Build({"--build-context", "base=docker-image://busybox",
                                          "--build-context", "image=docker-image://busybox:latest",
                                          "--build-context", "repo=" + git.Url("repo") + "#v1",
                                          "--build-context", "archive=" + http.Url("/a.tar")});
  EXPECT_FALSE(Find(events, "build_complete").is_null());
  const Finished log = Zlayer({"builds", "logs", events[0]["build_id"].get<std::string>()});
  EXPECT_EQ(log.out,
            "archive/context\nfrom-image\ngit/deep\nmounted/sub/deep\nrepo/sub/deep\nurl/file\nurl/"
            "other\n");
}

TEST_F(NetTest, ShowsNoPasswordOfADockerfile) {
  FakeHttpServer server(Always(HttpResponse("200 OK", "x")));
  v1::BuildSpec spec;
  spec.add_tags("result:latest");
  spec.mutable_dockerfile_inline()->set_content("FROM scratch\nADD http://me:secret@" +
                                                server.Host() + "/file /file\n");
  const Result result = Run(spec);
  ASSERT_TRUE(result.last().has_build_complete()) << result.last().ShortDebugString();
  for (const v1::BuildEvent& event : result.events) {
    EXPECT_THAT(event.ShortDebugString(), Not(HasSubstr("secret")));
  }
  EXPECT_THAT(Zlayer({"inspect", "result", "--format", "json"}).out,
              AllOf(HasSubstr("ADD " + server.Url("/file") + " /file"), Not(HasSubstr("secret"))));
  EXPECT_EQ(server.Requests()[0].Header("authorization"), "Basic bWU6c2VjcmV0");
}

TEST_F(NetTest, BuildsAContextFromAUrl) {
  Execute({"sh", "-c",
           "cd " + Path("") +
               "; printf 'FROM scratch\\nCOPY file /in/\\n' > Dockerfile; "
               "echo x > file; tar czf a.tgz Dockerfile file"});
  FakeHttpServer server([&](const FakeHttpServer::Request& request, FakeHttpServer::Peer& peer) {
    peer.Send(HttpResponse("200 OK", request.target == "/a.tgz"
                                         ? *ReadFile(Path("a.tgz"))
                                         : "FROM scratch\nCOPY context /own\n"));
  });
  v1::BuildSpec spec;
  spec.add_tags("result:latest");
  v1::HttpInput& http = *(*spec.mutable_contexts())[""].mutable_http();
  http.set_url(server.Url("/a.tgz"));
  const Result archive = Run(spec);
  ASSERT_TRUE(archive.last().has_build_complete()) << archive.last().ShortDebugString();
  EXPECT_THAT(Listing(), HasSubstr(" in/file\n"));
  const Finished cli = Zlayer({"build", "-t", "cli", server.Url("/a.tgz")});
  EXPECT_EQ(cli.exit_code, 0) << cli.err;
  // One file is the Dockerfile, and all that is there.
  http.set_url(server.Url("/some.txt"));
  const Result file = Run(spec);
  ASSERT_TRUE(file.last().has_build_complete()) << file.last().ShortDebugString();
  EXPECT_THAT(Listing(), HasSubstr(" own\n"));
}

TEST_F(NetTest, AddsATreeFromGit) {
  if (!GitServer::Available()) {
    GTEST_SKIP() << "needs git daemon (package git)";
  }
  GitServer server;
  server.Script("repo",
                "mkdir src; echo run > src/run; chmod 755 src/run; echo x > file; "
                "git add .; git commit -qm first; git tag v1");
  const v1::BuildSpec spec = Spec(Git(server.Url("repo"), "v1"), "/", "/app");
  const Result first = Run(spec);
  ASSERT_TRUE(first.last().has_build_complete()) << first.last().ShortDebugString();
  EXPECT_FALSE(first.cached);
  EXPECT_THAT(Listing(),
              AllOf(HasSubstr("-rw-r--r-- 0/0               2 2022-01-01 00:00:00 app/file"),
                    HasSubstr("-rwxr-xr-x 0/0               4 2022-01-01 00:00:00 app/src/run"),
                    Not(HasSubstr(".git"))));
  const Result second = Run(spec);
  EXPECT_TRUE(second.cached);
  EXPECT_THAT(second.transfers, IsEmpty());
  const Result missing = Run(Spec(Git(server.Url("repo"), "v2"), "/", "/app"));
  EXPECT_THAT(missing.last().build_failed().error(), HasSubstr("no branch or tag v2"));
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
}

}  // namespace
}  // namespace zlayer::e2e
