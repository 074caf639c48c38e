// Whatever is wrong with a request is one clear sentence, and leaves a clean store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "backends/native/net/testing/http_server.h"
#include "base/strings.h"
#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ErrorsTest : public DaemonTest {
 protected:
  // Expects one line on standard error, beside progress, and returns it.
  std::string Fails(const std::vector<std::string>& arguments, int exit_code) {
    const Finished finished = Zlayer(arguments);
    EXPECT_EQ(finished.exit_code, exit_code) << finished.out << finished.err;
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    return finished.err;
  }
  std::string BuildFails(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {"build", "--progress", "json"});
    arguments.push_back(Context());
    return Fails(arguments, 1);
  }
};

TEST_F(ErrorsTest, NoDaemon) {
  EXPECT_THAT(Fails({"info"}, 3), HasSubstr(Address()));
  WriteContext("Dockerfile", "FROM scratch\n");
  EXPECT_THAT(Fails({"build", Context()}, 3), HasSubstr(Address()));
}

TEST_F(ErrorsTest, WrongUsage) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"build", "--nonsense", "."}, {"nonsense"}, {"tag", "one"}, {"builds"}, {}}) {
    const Finished finished = Zlayer(arguments);
    EXPECT_EQ(finished.exit_code, 2) << finished.out << finished.err;
    EXPECT_FALSE(finished.err.empty());
  }
  EXPECT_EQ(Execute({"daemon/zlayerd", "--nonsense"}).exit_code, 2);
}

TEST_F(ErrorsTest, EveryHelpHasAnExample) {
  for (const char* command :
       {"build", "plan", "check", "dockerfile ast", "images", "inspect", "import", "export", "tag",
        "rmi", "info", "version", "builds ls", "builds show", "builds logs", "builds watch",
        "builds cancel", "builds rm", "completion"}) {
    const Finished help =
        Execute({"sh", "-c", std::string("client/cli/zlayer ") + command + " --help"});
    EXPECT_EQ(help.exit_code, 0) << command;
    EXPECT_THAT(help.out, HasSubstr(std::string("zlayer ") + command)) << command;
    EXPECT_THAT(ToLower(help.out), HasSubstr("example")) << command;
  }
}

TEST_F(ErrorsTest, RequestsThatCannotBe) {
  StartDaemon();
  ImportBusybox();
  EXPECT_THAT(BuildFails(), HasSubstr("Dockerfile"));
  EXPECT_THAT(Fails({"build", Path("nowhere")}, 1), HasSubstr("nowhere"));

  WriteContext("Dockerfile", "FROM busybox\nCOPY absent /x\n");
  EXPECT_THAT(BuildFails(), StartsWith("Dockerfile:2: "));
  WriteContext("Dockerfile", "FROM unknown/image:tag\n");
  EXPECT_THAT(BuildFails(),
              testing::AllOf(StartsWith("Dockerfile:1: "), HasSubstr("unknown/image:tag")));
  WriteContext("Dockerfile", "FROM busybox\nFROB x\n");
  EXPECT_THAT(BuildFails(), testing::AllOf(StartsWith("Dockerfile:2: "), HasSubstr("FROB")));
  WriteContext("Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=s true\n");
  EXPECT_THAT(BuildFails(), testing::AllOf(StartsWith("Dockerfile:2: "), HasSubstr("--mount")));
  WriteContext("Dockerfile", "FROM busybox\nRUN --moun=x true\n");
  EXPECT_THAT(BuildFails(), testing::AllOf(StartsWith("Dockerfile:2: "), HasSubstr("--moun")));
  WriteContext("Dockerfile", "FROM busybox\n");
  EXPECT_THAT(BuildFails({"--target", "none"}), HasSubstr("none"));
  EXPECT_THAT(BuildFails({"--cache-to", "x"}), HasSubstr("cache_to"));
  EXPECT_THAT(BuildFails({"-t", "Upper:Case"}), HasSubstr("Upper"));
  WriteContext("Dockerfile", "FROM busybox\nRUN [\"/no/such/program\"]\n");
  EXPECT_THAT(BuildFails(),
              testing::AllOf(StartsWith("Dockerfile:2: "), HasSubstr("/no/such/program")));
  WriteContext("Dockerfile", "FROM busybox\nUSER nobodyknows\nRUN true\n");
  EXPECT_THAT(BuildFails(), testing::AllOf(StartsWith("Dockerfile:3: "), HasSubstr("nobodyknows")));

  EXPECT_THAT(Fails({"inspect", "absent"}, 1), HasSubstr("absent"));
  EXPECT_THAT(Fails({"export", "-o", Path("x.tar"), "absent"}, 1), HasSubstr("absent"));
  EXPECT_NE(Execute({"test", "-e", Path("x.tar")}).exit_code, 0);
  EXPECT_THAT(Fails({"rmi", "absent"}, 1), HasSubstr("absent"));
  EXPECT_THAT(Fails({"tag", "absent", "x"}, 1), HasSubstr("absent"));
  EXPECT_THAT(Fails({"builds", "show", "absent"}, 1), HasSubstr("absent"));
  EXPECT_THAT(Fails({"import", Path("busybox.tar")}, 1), HasSubstr("name"));
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
  EXPECT_EQ(ParseEvents(Zlayer({"images", "--format", "json"}).out).size(), 1u);
}

class InstructionErrorsTest : public BusyboxTest {
 protected:
  struct Error {
    int code = 0;
    std::string reason;
    std::string subject;
  };

  // Builds FROM `base` and `instruction`, one of which fails. All of it is the daemon's to find: of
  // a tar the client reads nothing.
  Json Failure(const std::string& base, const std::string& instruction) {
    WriteContext("Dockerfile", "FROM " + base + " AS made\n" + instruction + "\n");
    const Finished build = Execute({"sh", "-c",
                                    "tar -C " + Context() + " -c . | client/cli/zlayer --address " +
                                        Address() + " build --progress json -"});
    EXPECT_EQ(build.exit_code, 1) << instruction;
    return Find(ParseEvents(build.out), "build_failed");
  }

  void ExpectAt(const Json& failed, int line, const std::string& text, const Error& error) {
    ASSERT_TRUE(failed.is_object()) << text;
    const Json& detail = failed["detail"];
    EXPECT_EQ(failed["code"], error.code) << failed;
    EXPECT_EQ(detail["reason"], error.reason) << failed;
    EXPECT_EQ(detail["subject"], error.subject) << failed;
    EXPECT_EQ(detail["source"]["file"], "Dockerfile") << failed;
    EXPECT_EQ(detail["source"]["first_line"], line) << failed;
    EXPECT_EQ(detail["instruction"], text);
    EXPECT_EQ(detail["stage"], "made") << failed;
    EXPECT_THAT(detail["excerpt"]["lines"].get<std::vector<std::string>>(),
                Contains(HasSubstr(text)));
  }

  void ExpectFails(const std::string& instruction, const Error& error) {
    ExpectAt(Failure("busybox", instruction), 2, instruction, error);
  }
};

TEST_F(InstructionErrorsTest, HaveTheirReasonAndPlaceAndLeaveNothing) {
  FakeHttpServer server([](const FakeHttpServer::Request& request, FakeHttpServer::Peer& peer) {
    peer.Send(request.target == "/there" ? HttpResponse("200 OK", "content")
                                         : HttpResponse("404 Not Found", ""));
  });
  const std::string url = server.Url("/file");
  const std::string there = server.Url("/there");
  const std::string repository = server.Url("/repo.git");
  ASSERT_EQ(Execute({"sh", "-ec",
                     "cd " + Context() +
                         "; head -c 100000 /dev/urandom > f; tar -cf whole.tar f; "
                         "head -c 50000 whole.tar > cut.tar; rm whole.tar"})
                .exit_code,
            0);

  ExpectFails("COPY absent /", {5, "NOT_FOUND", ""});
  ExpectFails("COPY ../../etc/passwd /", {5, "NOT_FOUND", ""});
  ExpectFails("COPY --chown=nobodyknows f /", {5, "NOT_FOUND", ""});
  ExpectFails("ADD cut.tar /", {3, "TAR_EXTRACT_FAILED", "cut.tar"});
  ExpectFails("ADD " + url + " /", {5, "HTTP_FETCH_FAILED", url});
  ExpectFails("ADD --checksum=sha256:" + std::string(64, '0') + " " + there + " /",
              {9, "HTTP_FETCH_FAILED", there});
  ExpectFails("ADD " + repository + " /", {9, "GIT_FETCH_FAILED", repository});
  ExpectFails("RUN --security=insecure true", {7, "ENTITLEMENT_MISSING", "security.insecure"});
  ExpectFails("EXPOSE nothing", {3, "INVALID_INSTRUCTION", ""});
  ExpectFails("COPY --from=made f /", {3, "STAGE_NOT_FOUND", "made"});

  ExpectFails("RUN exit 3", {10, "RUN_FAILED", ""});
  EXPECT_EQ(Failure("busybox", "RUN exit 3")["detail"]["exit_code"], 3);
  for (const std::string& host : {server.Host(), std::string("127.0.0.1:1")}) {
    const std::string base = host + "/base";
    ExpectAt(Failure(base, "ENV A=b"), 1, "FROM " + base + " AS made",
             {5, "IMAGE_NOT_FOUND", base});
  }
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
  EXPECT_EQ(ParseEvents(Zlayer({"images", "--format", "json"}).out).size(), 1u);
}

TEST_F(ErrorsTest, NoRuntime) {
  ASSERT_OK(WriteFileAtomically(Path("zlayerd.yaml"), "native:\n  runtime: /no/such/crun\n"));
  StartDaemon({"--config", Path("zlayerd.yaml")});
  ImportBusybox();
  const Finished info = Zlayer({"info"});
  EXPECT_THAT(info.out, HasSubstr("/no/such/crun"));
  WriteContext("Dockerfile", "FROM busybox\nRUN true\n");
  EXPECT_THAT(BuildFails(), HasSubstr("/no/such/crun"));
  // What runs nothing is built all the same.
  WriteContext("Dockerfile", "FROM busybox\nCOPY Dockerfile /\n");
  Build();
}

TEST_F(ErrorsTest, BadConfiguration) {
  ASSERT_OK(WriteFileAtomically(Path("bad.yaml"), "queue:\n  max_runing: 3\n"));
  const Finished unknown = Execute(
      {"daemon/zlayerd", "--root", Root(), "--address", Address(), "--config", Path("bad.yaml")});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.err, testing::AllOf(HasSubstr("bad.yaml:2"), HasSubstr("max_runing")));
}

}  // namespace
}  // namespace zlayer::e2e
